// Ends the live channel, and teaches how to begin again: the last scenario, as the harness looks at its encoder after it.

import { equal } from './tools.mjs';

export default async function kick(operator) {
  const { live: id } = operator.options;
  const page = await operator.page(`#/channels/${id}/live`);
  await page.getByRole('button', { name: 'Disconnect', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Disconnect', exact: true }).click();
  await page.getByText('The publisher is disconnected').waitFor();
  await page.getByText('Nobody publishes this channel at the moment').waitFor();
  equal((await operator.api('GET', `videostream/${id}/session`)).status, 404, 'the session');
  const { body } = await operator.api('GET', `videostream/${id}/urls`);
  await page.getByText(body.push.url).first().waitFor();
}
