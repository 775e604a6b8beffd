// Opens a player page in Chromium, watches it for a while and prints what it saw as one line of JSON.
//
//   node play.mjs --url http://127.0.0.1:8080/demo/flv.html [--seconds 10] [--start-within 20]
//        [--expect-latency-below SECONDS] [--screenshot FILE] [--viewport 1280x800] [--dark]
//
// Needs `npm install` in this folder once, and Chromium: /usr/bin/chromium, or what LSV_CHROMIUM names.
// Exits with 0 when the page played all along.

import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const SAMPLE_MS = 250;
/// Of the watched seconds, how many the picture must have moved on.
const MOVED_SHARE = 0.7;
const ERRORS_KEPT = 50;

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    'start-within': { type: 'string', default: '20' },
    'expect-latency-below': { type: 'string' },
    screenshot: { type: 'string' },
    viewport: { type: 'string', default: '1280x800' },
    dark: { type: 'boolean', default: false },
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
  const until = Date.now() + seconds * 1000;
  while (started && Date.now() < until) {
    samples.push(await page.evaluate(sample));
    await page.waitForTimeout(SAMPLE_MS);
  }
  const last = await page.evaluate(sample);
  samples.push(last);
  if (options.screenshot) await page.screenshot({ path: options.screenshot });

  const latencies = samples.map((s) => s.latency).filter((l) => l !== null).sort((a, b) => a - b);
  const advanced = samples.slice(1).reduce((sum, s, at) => sum + Math.max(0, s.position - samples[at].position), 0);
  const p50 = latencies.length ? latencies[Math.floor(latencies.length / 2)] : null;
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
    latency_max: round(latencies.at(-1) ?? null),
    buffered: round(last.buffered),
    stalls: last.stalls,
    restarts: last.restarts,
    frames: last.frames,
    dropped: last.dropped,
    width: last.width,
    height: last.height,
    audio_bytes: last.audio,
    errors: [...faults, ...last.errors, ...errors].slice(0, ERRORS_KEPT),
    requests_to_other_hosts: [...new Set(foreign)],
  };
}

// Runs in the page.
function sample() {
  const video = document.querySelector('video');
  const quality = video?.getVideoPlaybackQuality?.();
  const numbers = window.lsv?.numbers() ?? {};
  return {
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
}

function round(number) {
  return number === null ? null : Math.round(number * 1000) / 1000;
}
