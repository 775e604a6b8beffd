// The page of a live channel: a moving picture in each format, the facts of the session, and its end by a click.

import { check, equal } from './tools.mjs';

export default async function live(operator) {
  const { live: id } = operator.options;
  const page = await operator.page(`#/channels/${id}/live`);
  operator.facts.preview_seconds = {};
  for (const name of ['FLV', 'HLS', 'Low-latency HLS', 'DASH']) {
    const since = Date.now();
    await page.getByRole('button', { name, exact: true }).click();
    await page.waitForFunction(() => {
      const video = document.querySelector('video');
      return video?.dataset.state === 'playing' && video.videoWidth === 640 && video.currentTime > 0;
    });
    operator.facts.preview_seconds[name] = (Date.now() - since) / 1000;
    const moved = await page.evaluate(moves);
    check(moved, `the picture moves by ${name}`);
  }
  await page.getByRole('button', { name: 'RTMP', exact: true }).click();
  const { body } = await operator.api('GET', `videostream/${id}/urls`);
  equal(await page.getByLabel('RTMP address', { exact: true }).inputValue(), body.play.rtmp, 'the RTMP address');

  const facts = await page.locator('main').innerText();
  for (const fact of ['H.264', '640 × 360', 'frames/s', 'AAC']) check(facts.includes(fact), `${fact} in ${facts}`);
  await page.locator('.chart .line[d*="L"]').first().waitFor({ state: 'attached' });

  // Who ends it is asked first; the scenario `kick` says yes.
  const before = (await operator.api('GET', `videostream/${id}/session`)).body.peer;
  await page.getByRole('button', { name: 'Disconnect', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
  equal((await operator.api('GET', `videostream/${id}/session`)).body.peer, before, 'asked first');
}

/// Whether two looks at the video differ. Runs in the page.
async function moves() {
  const video = document.querySelector('video');
  const look = () => {
    const canvas = new OffscreenCanvas(160, 90).getContext('2d', { willReadFrequently: true });
    canvas.drawImage(video, 0, 0, 160, 90);
    return canvas.getImageData(0, 0, 160, 90).data;
  };
  const first = look();
  for (let tries = 0; tries < 50; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const next = look();
    if (first.some((value, at) => Math.abs(value - next[at]) > 32)) return true;
  }
  return false;
}
