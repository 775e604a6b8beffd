// Watermark, transcoding and relay of the live channel: set in the console, followed by what is live.

import { check, equal, save } from './tools.mjs';

export default async function processing(operator) {
  const { live: id } = operator.options;
  const page = await operator.page(`#/channels/${id}/transcoding`);
  const record = async () => (await operator.api('GET', `videostream/${id}`)).body;

  // The harness has 360p on: it runs, and says how fast.
  const row = page.locator('section', { has: page.getByRole('heading', { name: 'Now' }) }).getByRole('row', { name: /360p/ });
  await row.getByText('Running').waitFor();
  await row.getByText(/[1-9].*bit\/s/).waitFor();
  await page.getByRole('button', { name: 'Web', exact: true }).click();
  await save(page);
  const { ld, sd, hd, ud, isCodec } = await record();
  check(isCodec && ld && sd && !ud, `a template is several renditions: ${[ld, sd, hd, ud]}`);
  // Larger than the source: left out, and said.
  await page.getByText(/larger than the source/i).first().waitFor();

  // The watermark is drawn by the platform, and dragged to its place in pixels of the source.
  await page.goto(`${operator.url}#/channels/${id}/watermark`);
  await page.locator('[data-field=isWaterMark] input').check();
  await page.locator('[data-field=WaterMarkText] textarea').fill('直播 <b>Live</b>');
  await page.locator('[data-field=WaterMarkFontSize] input').fill('48');
  const mark = page.locator('button.mark-over');
  await mark.locator('img:visible').waitFor();
  const stage = await page.locator('.stage').boundingBox();
  const scale = 640 / stage.width;
  const from = await mark.boundingBox();
  await page.mouse.move(from.x + 5, from.y + 5);
  await page.mouse.down();
  await page.mouse.move(from.x + 5 + 100 / scale, from.y + 5 + 60 / scale, { steps: 5 });
  await page.mouse.up();
  const value = async (name) => Number(await page.locator(`[data-field=${name}] input`).inputValue());
  const near = (seen, wanted, what) => check(Math.abs(seen - wanted) <= 2, `${what}: ${seen}, about ${wanted}`);
  near(await value('WaterMarkLeft'), 110, 'dragged to the right');
  near(await value('WaterMarkTop'), 70, 'dragged down');
  const before = await value('WaterMarkLeft');
  await mark.focus();
  await page.keyboard.press('Shift+ArrowRight');
  await page.keyboard.press('ArrowLeft');
  equal(await value('WaterMarkLeft'), before + 9, 'moved by keys');
  if (operator.options.screenshots) await page.screenshot({ path: `${operator.options.screenshots}/watermark-dragged.png`, fullPage: true });
  // A picture that cannot be had is refused at its field, and what was typed stays.
  await page.locator('[data-field=isImageWaterMark] input').check();
  await page.locator('[data-field=ImageURL] input').fill(new URL('../nothing.png', operator.url).href);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('[data-field=ImageURL] [role=alert]').waitFor();
  await page.locator('[data-field=isImageWaterMark] input').uncheck();
  await page.locator('[data-field=ImageURL] input').fill('');
  await save(page);
  const marked = await record();
  equal([marked.WaterMarkText, marked.WaterMarkLeft], ['直播 <b>Live</b>', before + 9], 'the watermark is kept');
  await operator.api('PATCH', `videostream/${id}`, { isWaterMark: false, sd: false, hd: false });

  // Relayed to another channel of the same platform, until a target that does not answer is added.
  const target = await operator.channel({ videoname: 'Target' });
  const { body: urls } = await operator.api('GET', `videostream/${target.id}/urls`);
  await page.goto(`${operator.url}#/channels/${id}/relay`);
  await page.locator('[data-field=isRelay] input').check();
  await page.getByRole('button', { name: 'Add target' }).click();
  await page.getByLabel('Target 1', { exact: true }).fill(urls.push.url);
  await save(page);
  await page.getByText('Running').first().waitFor();
  for (let tries = 0; (await operator.api('GET', `videostream/${target.id}/session`)).status !== 200; tries += 1) {
    check(tries < 100, 'the target is live');
    await page.waitForTimeout(200);
  }
  check(!(await page.locator('main').innerText()).includes(urls.push.streamKey), 'the key of a target is hidden');
  await page.getByRole('button', { name: 'Add target' }).click();
  await page.getByLabel('Target 2', { exact: true }).fill('http://example.com/live');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('alert').filter({ hasText: /rtmp/ }).first().waitFor();
  await page.getByRole('button', { name: 'Remove target 2' }).click();
  await page.getByRole('button', { name: 'Remove target 1' }).click();
  await page.locator('[data-field=isRelay] input').uncheck();
  await save(page);
  equal((await record()).relayURL, '', 'no target is left');
}
