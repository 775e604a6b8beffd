// Every page in light and dark, wide and on a phone, in both languages: no serious finding of axe, nothing wider than the
// screen, and a picture of each where a folder is given.

import { accessibility, check } from './tools.mjs';

const LOOKS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone', colorScheme: 'light', viewport: { width: 390, height: 844 } },
  { name: 'chinese', colorScheme: 'light', viewport: { width: 1280, height: 800 }, locale: 'zh-CN' },
];
const TABS = ['live', 'addresses', 'recording', 'watermark', 'transcoding', 'relay', 'motion', 'protection', 'settings'];

export default async function pages(operator) {
  const { live, screenshots } = operator.options;
  const paths = ['channels', ...TABS.map((tab) => `channels/${live}/${tab}`), 'on-demand', 'domains', 'events'];
  const findings = [];
  for (const { name: look, ...context } of LOOKS) {
    const entrance = await operator.page('', { ...context, signedIn: false });
    await entrance.locator('form.sign-in').waitFor();
    await judge(entrance, 'sign-in', look);
    await entrance.context().close();
    const page = await operator.page('', context);
    for (const path of paths) {
      await page.goto(`${operator.url}#/${path}`);
      await page.locator('main h1').first().waitFor();
      await page.waitForFunction(() => !document.querySelector('main .loading'));
      // Pictures come lazily and previews begin: what is seen is the page as it stays.
      await page.waitForTimeout(700);
      await judge(page, path, look);
    }
    await page.context().close();
  }
  check(findings.length === 0, `no findings, but ${findings.length}:\n${findings.slice(0, 8).join('\n')}`);

  async function judge(page, path, look) {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) findings.push(`${look} ${path}: ${wide} pixels wider than the screen`);
    // Colours differ between the two, everything else does not: a language of its own has no look of its own either.
    if (look !== 'chinese') findings.push(...(await accessibility(page)).map((text) => `${look} ${path}: ${text}`));
    const words = await page.evaluate(() => [...document.body.innerText.matchAll(/^[a-z]+(\.[a-zA-Z-]+)+$/gm)].map(([word]) => word));
    if (words.length) findings.push(`${look} ${path}: no words for ${words.slice(0, 5)}`);
    if (screenshots) await page.screenshot({ path: `${screenshots}/${path.replaceAll('/', '-')}-${look}.png`, fullPage: true });
  }
}
