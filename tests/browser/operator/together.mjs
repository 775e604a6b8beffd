// Two operators at the same channel: who changes different fields both win, who changes the same is asked.

import { check, equal, save } from './tools.mjs';

export default async function together(operator) {
  const { id } = await operator.channel({ videoname: 'Shared', description: 'as it was' });
  const read = async () => (await operator.api('GET', `videostream/${id}`)).body;
  const [one, other] = [await operator.page(`#/channels/${id}/settings`), await operator.page(`#/channels/${id}/settings`)];
  await one.locator('[data-field=videoname] input').fill('Named by one');
  await other.locator('[data-field=description] textarea').fill('described by the other');
  await save(one);
  await save(other);
  const both = await read();
  equal([both.videoname, both.description], ['Named by one', 'described by the other'], 'both have won');

  await one.reload();
  await one.locator('[data-field=videoname] input').fill('Mine');
  await other.locator('[data-field=videoname] input').fill('Theirs');
  await save(other);
  await one.getByRole('button', { name: 'Save', exact: true }).click();
  const dialog = one.getByRole('dialog');
  await dialog.getByText('Somebody else changed this meanwhile').waitFor();
  check((await dialog.textContent()).includes('Theirs'), 'what the other wrote is shown');
  equal((await read()).videoname, 'Theirs', 'nothing is overwritten unasked');
  await dialog.getByRole('button', { name: 'Save mine' }).click();
  await one.getByText('Saved', { exact: true }).first().waitFor();
  equal((await read()).videoname, 'Mine', 'who was asked has decided');
}
