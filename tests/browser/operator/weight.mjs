// What the console weighs, and how soon something of it is seen.

import { check } from './tools.mjs';

const MOST_BYTES = 1.5e6;

export default async function weight(operator) {
  const page = await operator.page();
  await page.goto(`${operator.url}#/channels/${operator.options.live}/live`);
  for (const name of ['HLS', 'FLV', 'DASH']) {
    await page.getByRole('button', { name, exact: true }).click();
    await page.waitForFunction(() => document.querySelector('video')?.currentTime > 0.2);
  }
  // Everything that the console and its players load, compressed, over all pages.
  const static_ = await page.evaluate(() => performance.getEntriesByType('resource')
    .filter(({ name }) => /\/(console|players)\/[0-9a-f]+\//.test(name))
    .map(({ name, encodedBodySize }) => [name.split('/').slice(-2).join('/'), encodedBodySize]));
  const bytes = static_.reduce((sum, [, size]) => sum + size, 0);
  check(static_.length > 20, 'files were loaded');
  check(bytes < MOST_BYTES, `less than ${MOST_BYTES} bytes: ${bytes}`);
  operator.facts.files = static_.length;
  operator.facts.compressed_bytes = bytes;

  // Cold: another browser without a cache, already signed in by its cookie.
  const cookies = await page.context().cookies();
  const context = await operator.browser.newContext();
  await context.addCookies(cookies);
  const cold = await context.newPage();
  await cold.goto(operator.url);
  await cold.locator('main h1').first().waitFor();
  operator.facts.first_view_seconds = await cold.evaluate(() => performance.now() / 1000);
  operator.facts.first_contentful_paint_seconds = await cold.evaluate(
    () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime / 1000,
  );
  await context.close();
}
