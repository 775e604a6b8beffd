// The list of channels: made, found, sorted, paged, changed and deleted, whatever they are called.

import { equal } from './tools.mjs';

const NAMES = [
  '<script>alert(1)</script><img src=x onerror=alert(2)>',
  `"quoted" & 'quoted' \\ {name} $1`,
  '🎬🇩🇪👩‍👩‍👧 stage',
  'قناة مباشرة',
  'long '.repeat(51) + '!',
];

export default async function channels(operator) {
  const page = await operator.page('#/channels');
  const list = page.locator('ul.channels > li');
  const create = async (name, more = async () => {}) => {
    await page.getByRole('button', { name: 'New channel' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.locator('[data-field=videoname] input').fill(name);
    await more(dialog);
    await dialog.getByRole('button', { name: 'Make the channel' }).click();
    return dialog;
  };
  for (const name of NAMES) {
    await create(name);
    // It goes to where one pushes.
    await page.getByLabel('Stream key', { exact: true }).waitFor();
    equal(await page.locator('h1').textContent(), name.trim(), 'the name as it is written');
    await page.goto(`${operator.url}#/channels`);
    await page.getByLabel('Search').fill(name.slice(0, 40));
    await list.first().waitFor();
    equal(await list.count(), 1, `${name} is found`);
    equal(await list.getByRole('link').first().textContent(), name.trim(), 'the name in the list');
    await page.getByLabel('Search').fill('');
  }

  // Refused: what was typed stays, and the sentence is at the field.
  const dialog = await create('y'.repeat(257));
  await dialog.locator('[data-field=videoname] [role=alert]').waitFor();
  equal((await dialog.locator('[data-field=videoname] input').inputValue()).length, 257, 'a name that is too long stays');
  await dialog.locator('[data-field=videoname] input').fill('Twice');
  await dialog.locator('[data-field=id] input').fill(operator.options.live);
  await dialog.getByRole('button', { name: 'Make the channel' }).click();
  await dialog.getByText('A channel with this id exists already').waitFor();
  equal(await dialog.locator('[data-field=videoname] input').inputValue(), 'Twice', 'what was typed stays: 409');
  await dialog.locator('[data-field=id] input').fill('twice');
  await dialog.getByRole('button', { name: 'Make the channel' }).click();
  await page.getByLabel('Stream key', { exact: true }).waitFor();

  // Many: paged, sorted, and the address keeps where one is.
  for (let number = 0; number < 30; number += 1) await operator.channel({ videoname: `Many ${String(number).padStart(2, '0')}` });
  await page.goto(`${operator.url}#/channels?q=Many&sort=name`);
  await page.getByText('Many 00').waitFor();
  equal(await list.count(), 25, 'the first page');
  await page.getByRole('link', { name: 'Next' }).click();
  await page.getByText('Many 29').waitFor();
  equal(await list.count(), 5, 'the second page');
  await page.reload();
  await page.getByText('Many 29').waitFor();
  equal(await list.count(), 5, 'the same page after it is loaded again');

  // What is live is said, with its picture.
  await page.goto(`${operator.url}#/channels?show=live`);
  const live = list.filter({ hasText: 'Stage' });
  await live.locator('img').waitFor();
  await page.waitForFunction(() => document.querySelector('ul.channels img')?.naturalWidth > 0);

  // Deleted only when it is confirmed.
  await page.goto(`${operator.url}#/channels?q=twice`);
  await page.getByRole('button', { name: /^Delete .*Twice/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  equal((await operator.api('GET', 'videostream/twice')).status, 200, 'not deleted when cancelled');
  await page.getByRole('button', { name: /^Delete .*Twice/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the channel' }).click();
  await list.first().waitFor({ state: 'detached' });
  equal((await operator.api('GET', 'videostream/twice')).status, 404, 'deleted when confirmed');

}
