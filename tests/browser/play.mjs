// Opens a player page in Chromium, watches it for a while and prints what it saw as one line of JSON.
//
//   node play.mjs --url http://127.0.0.1:8080/demo/flv.html [--seconds 10] [--start-within 20]
//        [--expect-latency-below SECONDS] [--screenshot FILE] [--viewport 1280x800] [--dark] [--clock]
//        [--qualities 0,1,0]
//
// With --clock, pictures have the clock of `Picture::clock` in tests/src/ffmpeg.rs, and the report has by how much what
// is on screen is older than the wall clock: `glass_p50`, `glass_p95` and `glass_max`.
//
// With --qualities, the page chooses these one after another, by their place in its list, each for an equal share of the
// time. `widths` has those of the pictures on screen, in their order.
//
// The report names in `protocols` what playlists and media came by: `h2`, `http/1.1`. A certificate is not looked at.
//
// `.../<id>/dashjs.html` is a page of this folder, with dash.js, put beside those of the server.
//
// Needs `npm install` in this folder once, and Chromium: /usr/bin/chromium, or what LSV_CHROMIUM names.
// Exits with 0 when the page played all along.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const SAMPLE_MS = 250;
/// Of the watched seconds, how many the picture must have moved on.
const MOVED_SHARE = 0.7;
const ERRORS_KEPT = 50;
const DASH_JS = 'node_modules/dashjs/dist/modern/umd/dash.all.min.js';
/// The clock in the picture: seconds for one way across, and the width of its block in pixels.
const CLOCK = { seconds: 8, block: 16 };

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    'start-within': { type: 'string', default: '20' },
    'expect-latency-below': { type: 'string' },
    screenshot: { type: 'string' },
    viewport: { type: 'string', default: '1280x800' },
    dark: { type: 'boolean', default: false },
    clock: { type: 'boolean', default: false },
    qualities: { type: 'string', default: '' },
  },
});
if (!options.url) throw new Error('--url is missing');

const report = await withPage(options, watch);
console.log(JSON.stringify(report));
process.exitCode = report.ok ? 0 : 1;

async function withPage(options, use) {
  const [width, height] = options.viewport.split('x').map(Number);
  const browser = await chromium.launch({
    executablePath: process.env.LSV_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    chromiumSandbox: false,
    args: [
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
    ],
  });
  try {
    const page = await browser.newPage({
      viewport: { width, height },
      ignoreHTTPSErrors: true,
      colorScheme: options.dark ? 'dark' : 'light',
    });
    return await use(page, options);
  } finally {
    await browser.close();
  }
}

async function watch(page, options) {
  const seconds = Number(options.seconds);
  const faults = [];
  const errors = [];
  const foreign = [];
  const note = (list, text) => list.length < ERRORS_KEPT && list.push(text);
  const host = new URL(options.url).host;
  const visit = (address) => {
    const url = new URL(address);
    if (url.host !== '' && url.host !== host) note(foreign, url.origin);
  };
  page.on('request', (request) => visit(request.url()));
  page.on('websocket', (socket) => visit(socket.url()));
  page.on('pageerror', (error) => note(faults, String(error)));
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    note(message.text().includes('Content Security Policy') ? faults : errors, message.text());
  });

  // Media events do not bubble, but they can be caught on their way down.
  await page.addInitScript(() => {
    window.waits = 0;
    performance.setResourceTimingBufferSize(10000);
    // Who jumps waits too, by intent.
    document.addEventListener('waiting', ({ target }) => (window.waits += target.seeking ? 0 : 1), true);
  });
  await page.route('**/dashjs.html', (route) => route.fulfill({ path: beside('dashjs.html') }));
  await page.route('**/dash.all.min.js', (route) => route.fulfill({ path: beside(DASH_JS) }));
  const opened = Date.now();
  await page.goto(options.url, { waitUntil: 'domcontentloaded' });
  const started = await page
    .waitForFunction(() => document.querySelector('video')?.currentTime > 0 && window.lsv?.state === 'playing', null, {
      timeout: Number(options['start-within']) * 1000,
      polling: 50,
    })
    .then(() => true)
    .catch(() => false);
  const startup = (Date.now() - opened) / 1000;

  const samples = [];
  const begun = Date.now();
  const until = begun + seconds * 1000;
  const qualities = options.qualities.split(',').filter(Boolean).map(Number);
  let chosen = -1;
  while (started && Date.now() < until) {
    const due = Math.floor(((Date.now() - begun) / (seconds * 1000)) * qualities.length);
    if (qualities.length > 0 && due !== chosen) {
      chosen = due;
      await page.evaluate((index) => window.lsv.choose(index), qualities[due]);
    }
    samples.push(await page.evaluate(sample, options.clock && CLOCK));
    await page.waitForTimeout(SAMPLE_MS);
  }
  const last = await page.evaluate(sample, options.clock && CLOCK);
  samples.push(last);
  const protocols = await page.evaluate(() => {
    const fetched = performance.getEntriesByType('resource').filter(({ name }) => /\.(m3u8|mpd|m4s|mp4|ts)(\?|$)/.test(name));
    return [...new Set(fetched.map((entry) => entry.nextHopProtocol))];
  });
  if (options.screenshot) await page.screenshot({ path: options.screenshot });

  const latencies = sorted(samples.map((s) => s.latency));
  const glass = sorted(samples.map((s) => s.glass));
  const advanced = samples.slice(1).reduce((sum, s, at) => sum + Math.max(0, s.position - samples[at].position), 0);
  const p50 = quantile(latencies, 0.5);
  const limit = options['expect-latency-below'];
  const onTime = limit === undefined || (p50 !== null && p50 < Number(limit));
  const moved = started && advanced >= seconds * MOVED_SHARE;
  return {
    ok: moved && onTime && faults.length === 0 && foreign.length === 0,
    url: options.url,
    state: last.state,
    source: last.source,
    startup: started ? round(startup) : null,
    advanced: round(advanced),
    latency_p50: round(p50),
    latency_p95: round(quantile(latencies, 0.95)),
    latency_max: round(latencies.at(-1) ?? null),
    glass_p50: round(quantile(glass, 0.5)),
    glass_p95: round(quantile(glass, 0.95)),
    glass_max: round(glass.at(-1) ?? null),
    waits: last.waits - samples[0].waits,
    buffered: round(last.buffered),
    stalls: last.stalls,
    restarts: last.restarts,
    frames: last.frames,
    dropped: last.dropped,
    width: last.width,
    widths: samples.map((s) => s.width).filter((width, at, all) => width > 0 && width !== all[at - 1]),
    height: last.height,
    audio_bytes: last.audio,
    protocols,
    errors: [...faults, ...last.errors, ...errors].slice(0, ERRORS_KEPT),
    requests_to_other_hosts: [...new Set(foreign)],
  };
}

function beside(file) {
  return fileURLToPath(new URL(file, import.meta.url));
}

// Runs in the page.
function sample(clock) {
  const video = document.querySelector('video');
  const quality = video?.getVideoPlaybackQuality?.();
  const numbers = window.lsv?.numbers() ?? {};
  return {
    glass: clock ? glass() : null,
    waits: window.waits,
    position: video?.currentTime ?? 0,
    frames: quality?.totalVideoFrames ?? 0,
    dropped: quality?.droppedVideoFrames ?? 0,
    audio: video?.webkitAudioDecodedByteCount ?? null,
    width: video?.videoWidth ?? 0,
    height: video?.videoHeight ?? 0,
    latency: window.lsv?.latency() ?? null,
    buffered: numbers.buffered ?? null,
    stalls: numbers.stalls ?? 0,
    restarts: window.lsv?.restarts ?? 0,
    state: window.lsv?.state ?? null,
    source: window.lsv?.source ?? null,
    errors: window.lsv?.errors ?? [],
  };

  /// Seconds since the picture on screen was drawn, by the block in its strip.
  function glass() {
    const width = video?.videoWidth ?? 0;
    if (width === 0) return null;
    const canvas = new OffscreenCanvas(width, 1).getContext('2d', { willReadFrequently: true });
    canvas.drawImage(video, 0, 16, width, 1, 0, 0, width, 1);
    const now = Date.now() / 1000;
    const { data } = canvas.getImageData(0, 0, width, 1);
    let light = 0;
    let centre = 0;
    for (let x = 0; x < width; x += 1) {
      const level = Math.max(0, data[x * 4 + 1] - 64);
      light += level;
      centre += level * (x + 0.5);
    }
    if (light === 0) return null;
    const drawn = ((centre / light - clock.block / 2) / (width - clock.block)) * clock.seconds;
    return (((now - drawn) % clock.seconds) + clock.seconds) % clock.seconds;
  }
}

function sorted(numbers) {
  return numbers.filter((number) => number !== null).sort((a, b) => a - b);
}

function quantile(numbers, share) {
  return numbers.length ? numbers[Math.floor((numbers.length - 1) * share)] : null;
}

function round(number) {
  return number === null ? null : Math.round(number * 1000) / 1000;
}
