// What goes wrong with the platform is said as a sentence, and what was typed stays: away, slow, 401, 409, 422, 500.
// 401, 409 and 422 are the platform's own; that it is away, slow or broken is made up on the way to it.

import { check, equal } from './tools.mjs';

export default async function errors(operator) {
  const { id } = await operator.channel({ videoname: 'Wrong' });
  const page = await operator.page(`#/channels/${id}/settings`);
  const description = page.locator('[data-field=description] textarea');
  const typed = 'typed by hand, with care';
  await description.fill(typed);
  const save = () => page.getByRole('button', { name: 'Save', exact: true }).click();
  const kept = async (what) => equal(await description.inputValue(), typed, `what was typed stays: ${what}`);
  const change = (url) => url.pathname === `/videostream/${id}`;
  const once = async (answer) => {
    await page.route(change, (route) => (route.request().method() === 'PATCH' ? answer(route) : route.continue()));
    await save();
  };

  await once((route) => route.abort('connectionrefused'));
  await page.getByText('The platform cannot be reached').waitFor();
  await kept('away');
  await page.unroute(change);

  await once((route) => route.fulfill({
    status: 500, contentType: 'application/problem+json',
    body: '{"type":"urn:lsv:problem:internal","title":"x","status":500,"detail":"the store is damaged"}',
  }));
  await page.getByText('The store is damaged').waitFor();
  await kept('500');
  await page.unroute(change);

  // A balancer in front answers in HTML.
  await once((route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }));
  await page.getByText('502').waitFor();
  await kept('502');
  await page.unroute(change);

  // Slow: the clock of the page is moved on past its patience instead of waiting for it.
  await page.evaluate(() => {
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = (ms) => timeout(Math.min(ms, 300));
    window.patient = () => (AbortSignal.timeout = timeout);
  });
  await once((route) => setTimeout(() => route.continue().catch(() => {}), 2000));
  await page.getByText('did not answer in time').waitFor();
  await kept('slow');
  await page.unroute(change);
  await page.evaluate(() => window.patient());

  // The session ends in the midst of a form: the same page goes on behind the sign-in.
  await page.context().clearCookies();
  await save();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('Your session has ended').waitFor();
  await kept('401');
  // Nobody goes on without a session, however often the dialog is told to close.
  for (let times = 0; times < 3; times += 1) await page.keyboard.press('Escape');
  await dialog.getByText('Your session has ended').waitFor();
  await dialog.getByLabel('API token').fill(operator.options.token);
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByText('Saved', { exact: true }).first().waitFor();
  const { body } = await operator.api('GET', `videostream/${id}`);
  equal(body.description, typed, 'what was typed is saved after all');

  // Another page, the way back and another language: asked first, or nothing is lost.
  await description.fill('half filled');
  await page.evaluate(() => history.back());
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  equal(await description.inputValue(), 'half filled', 'what was typed stays: back');
  await page.getByRole('link', { name: 'Domains' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  await page.getByLabel('Language').selectOption('zh');
  equal(await description.inputValue(), 'half filled', 'what was typed stays: another language');
  await page.getByLabel('语言').selectOption('en');
  await page.getByRole('button', { name: 'Discard changes' }).click();

  // 422: at its field, which has the focus.
  const segment = page.locator('[data-field=hls_time] input');
  await segment.fill('61');
  await save();
  await page.locator('[data-field=hls_time] [role=alert]').waitFor();
  check((await page.locator('[data-field=hls_time] [role=alert]').textContent()).includes('60'), 'what is accepted is said');
  equal(await segment.inputValue(), '61', 'what was typed stays: 422');
  await page.waitForFunction(() => document.activeElement?.name === 'hls_time');

  await page.getByRole('button', { name: 'Discard changes' }).click();

  // The platform is away before anything is there to be shown.
  await page.context().setOffline(true);
  await page.goto(`${operator.url}#/domains`).catch(() => {});
  await page.getByText('The platform cannot be reached').first().waitFor();
  await page.context().setOffline(false);
  await page.getByRole('button', { name: 'Try again' }).first().click();
  await page.getByRole('textbox').first().waitFor();
}
