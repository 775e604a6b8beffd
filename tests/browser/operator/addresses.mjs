// Where to push and to play: what is shown, copied and drawn as a QR code is what the API says, letter by letter.

import { check, decode, equal } from './tools.mjs';

export default async function addresses(operator) {
  const { id } = await operator.channel({ videoname: 'Addressed', isCMAF: true, playToken: 'on' });
  const page = await operator.page(`#/channels/${id}/addresses`, { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.getByLabel('Server', { exact: true }).waitFor();
  const { body: urls } = await operator.api('GET', `videostream/${id}/urls`);
  const shown = (label) => page.getByLabel(label, { exact: true }).inputValue();
  equal(await shown('Server'), urls.push.server, 'the server');
  equal(await shown('Stream key'), urls.push.streamKey, 'the stream key');
  equal(await shown('Whole address, for ffmpeg and phones'), urls.push.url, 'the whole address');
  equal(`${await shown('Server')}/${await shown('Stream key')}`, urls.push.url, 'both parts together');

  await page.getByRole('button', { name: 'Copy: Stream key' }).click();
  equal(await page.evaluate(() => navigator.clipboard.readText()), urls.push.streamKey, 'what was copied');

  // Play addresses hold a token of their own each time they are made: they are held against what the field holds.
  const codes = page.getByRole('button', { name: /^QR code: / });
  const count = await codes.count();
  check(count >= 7, `an address each for pushing and playing: ${count}`);
  for (let at = 0; at < count; at += 1) {
    const label = (await codes.nth(at).getAttribute('aria-label')).slice('QR code: '.length);
    const address = await shown(label);
    check(/^(rtmp|https?|wss?):\/\//.test(address), `${label} is an address: ${address}`);
    await codes.nth(at).click();
    equal(await decode(operator, page.getByRole('dialog').locator('svg.qr')), address, `the QR code of ${label}`);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  }

  // The signed address that the tool makes lets somebody in; without its signature nobody is.
  await page.goto(`${operator.url}#/channels/${id}/protection`);
  await page.getByRole('button', { name: 'Make address' }).click();
  const signed = await page.getByLabel('Address', { exact: true }).inputValue();
  const { pathname, search } = new URL(signed);
  check(search.includes('token='), `a token in ${signed}`);
  const status = async (address) => (await fetch(address)).status;
  equal(await status(new URL(pathname, signed)), 403, 'without the signature');
  check((await status(signed)) !== 403, 'with the signature');

  // A new key: the old one is refused from then on.
  await page.goto(`${operator.url}#/channels/${id}/addresses`);
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'New key' }).click();
  await page.getByText('The new key counts').waitFor();
  await page.waitForFunction(([label, old]) => {
    const field = [...document.querySelectorAll('label')].find(({ textContent }) => textContent === label);
    return document.getElementById(field.htmlFor).value !== old;
  }, ['Stream key', urls.push.streamKey]);
  equal(await shown('Stream key'), (await operator.api('GET', `videostream/${id}/urls`)).body.push.streamKey, 'the new key');
}
