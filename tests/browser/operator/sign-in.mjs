// Signing in and out: by hand, by the printed link; what a browser keeps, and what it may not do with it.

import { check, equal, save } from './tools.mjs';

export default async function signIn(operator) {
  const page = await operator.page('', { signedIn: false });
  await page.getByLabel('API token').fill('no token at all');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').getByText('That is not right').waitFor();
  equal(await page.getByLabel('API token').inputValue(), 'no token at all', 'what was typed stays');
  await page.getByLabel('API token').fill(operator.options.token);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.waitForSelector('nav.side');

  const [cookie, ...others] = await page.context().cookies();
  check(cookie.httpOnly && cookie.sameSite === 'Strict' && others.length === 0, 'one cookie, HttpOnly, SameSite=Strict');
  const kept = await page.evaluate(() => [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)].join());
  check(!kept.includes(operator.options.token), 'no script finds the token');

  // A form of another site brings the cookie at most, and never the header.
  const forged = await page.evaluate(async () => (await fetch('../videostream', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"id":"forged"}',
  })).status);
  equal(forged, 403, 'a change without the header of the console');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('API token').waitFor();
  const after = await page.request.get(new URL('../videostream', operator.url).href, {
    headers: { cookie: `${cookie.name}=${cookie.value}` },
  });
  equal(after.status(), 401, 'a session that was ended');

  const linked = await operator.page();
  check(!linked.url().includes(operator.options.token), 'the token goes from the address');
  await linked.reload();
  await linked.waitForSelector('nav.side');

  // Another tab signs in anew: the cookie of both is another one then, and what is typed in the first is saved all the same.
  const { id } = await operator.channel({ videoname: 'Two tabs' });
  await linked.goto(`${operator.url}#/channels/${id}/settings`);
  await linked.locator('[data-field=videoname] input').fill('Typed before');
  const tab = await linked.context().newPage();
  operator.watch(tab);
  await tab.goto(`${operator.url}#token=${operator.options.token}`);
  await tab.waitForSelector('main#content');
  await tab.close();
  await save(linked);
  equal((await operator.api('GET', `videostream/${id}`)).body.videoname, 'Typed before', 'saved from the first tab');
  // The link works in a tab that has the console open.
  await linked.goto(`${operator.url}#token=${operator.options.token}`);
  await linked.waitForFunction(() => !location.hash.includes('token'));
  await linked.getByRole('heading', { name: 'Channels' }).waitFor();

  await linked.getByLabel('Language').selectOption('zh');
  await linked.getByRole('link', { name: '频道' }).waitFor();
  equal(await linked.evaluate(() => document.documentElement.lang), 'zh', 'the language of the page');
}
