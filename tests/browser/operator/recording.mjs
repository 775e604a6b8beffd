// What was recorded of the live channel: listed by day with pictures, played, taken away; the gallery of all channels; motion.

import { check, equal } from './tools.mjs';

const PLAYS = () => document.querySelector('dialog video')?.currentTime > 0.3;

export default async function recording(operator) {
  const { live: id } = operator.options;
  // The harness records files of five seconds, pictures each second and a session on demand: until there is one of each.
  const listed = async () => (await operator.api('GET', `videostream/${id}/recordings`)).body;
  const page = await operator.page(`#/channels/${id}/recording`);
  const has = (all, kind) => all.some((one) => one.kind === kind && (kind !== 'file' || one.length !== null));
  for (let tries = 0; ; tries += 1) {
    const all = await listed();
    if (['file', 'snapshot', 'on-demand'].every((kind) => has(all, kind))) break;
    check(tries < 200, 'something of each kind is recorded');
    await page.waitForTimeout(250);
  }
  await page.reload();
  const cards = page.locator('li.recording');
  const choose = (name) => page.getByRole('group', { name: 'Kind' }).getByRole('button', { name }).click();

  await choose(/Pictures/);
  await cards.first().waitFor();
  await page.waitForFunction(() => document.querySelector('li.recording img')?.naturalWidth > 0);

  await choose(/MP4/);
  // The newest is being written and refuses to go; an older one plays and goes.
  const whole = cards.filter({ has: page.locator('.recording-length') }).last();
  await whole.getByRole('button', { name: /^Play/ }).click();
  await page.getByRole('dialog').waitFor();
  await page.waitForFunction(PLAYS);
  await page.keyboard.press('Escape');
  const file = await whole.getByRole('link', { name: /^Download/ }).getAttribute('href');
  const [download] = await Promise.all([page.waitForEvent('download'), whole.getByRole('link', { name: /^Download/ }).click()]);
  check(/\.mp4$/.test(download.suggestedFilename()), `a file of MP4: ${download.suggestedFilename()}`);
  await whole.getByRole('button', { name: /^Delete/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  equal((await fetch(new URL(file, page.url()))).status, 200, 'not deleted when cancelled');
  await whole.getByRole('button', { name: /^Delete/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Deleted').first().waitFor();
  equal((await fetch(new URL(file, page.url()))).status, 404, 'deleted when confirmed');

  // The session on demand plays while it grows, and is not to be deleted meanwhile: a sentence says why.
  await choose(/Sessions/);
  await cards.first().getByRole('button', { name: /^Play/ }).click();
  await page.waitForFunction(PLAYS);
  await page.keyboard.press('Escape');
  await cards.first().getByRole('button', { name: /^Delete/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText(/still being (written|recorded)/i).first().waitFor();

  // A day on which there was nothing.
  await page.getByRole('group', { name: 'Day' }).locator('input[type=date]').fill('2001-02-03');
  await page.getByText('No sessions of this day').waitFor();

  await page.goto(`${operator.url}#/on-demand`);
  await cards.first().waitFor();
  check((await cards.first().innerText()).includes('Stage'), 'the gallery names the channel');
  await cards.first().getByRole('button', { name: /^Play/ }).click();
  await page.waitForFunction(PLAYS);
  const seek = page.getByRole('dialog').getByRole('slider', { name: 'Position' });
  const box = await seek.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.keyboard.press('Escape');

  await page.goto(`${operator.url}#/channels/${id}/motion`);
  await page.locator('[data-field=isMotion] input').check();
  await page.locator('[data-field=motion_percent] input').fill('1');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText('Saved', { exact: true }).first().waitFor();
  equal((await operator.api('GET', `videostream/${id}`)).body.motion_percent, 1, 'motion is set');
}
