// What belongs to no channel: domain names, events, health, nodes and tasks.

import { check, equal } from './tools.mjs';

export default async function platform(operator) {
  const page = await operator.page('#/domains');
  const push = page.locator('[data-field=push] input');
  await push.fill('not a host');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('[data-field=push] [role=alert]').waitFor();
  equal(await push.inputValue(), 'not a host', 'what was typed stays');
  await push.fill('push.example.com');
  await page.getByText('rtmp://push.example.com', { exact: false }).first().waitFor();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Saved', { exact: true }).first().waitFor();
  equal((await operator.api('GET', 'streamdns')).body.push, 'push.example.com', 'the domain is kept');
  await operator.api('PUT', 'streamdns', { push: '' });

  await page.goto(`${operator.url}#/events`);
  await page.getByText('Well', { exact: true }).waitFor();
  await page.getByText('Ready', { exact: true }).waitFor();
  // What happened before the page was opened, and what happens now.
  const before = page.locator('main').getByText(operator.options.live, { exact: true }).first();
  await before.waitFor();
  const { id } = await operator.channel({ videoname: 'Told' });
  await page.locator('main').getByText(id).first().waitFor();
  check((await page.locator('main').innerText()).includes('Transcoding'), 'tasks are listed');
  await page.getByText(/^\d+(\.\d+)? (MB|GB)$/).first().waitFor();
}
