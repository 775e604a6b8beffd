// What a channel can be played as, and the choice among it.

import * as dash from './dash.js';
import * as flv from './flv.js';
import * as hls from './hls.js';

/// Every way to play a channel, by name, the best first.
export const SOURCES = {
  cmaf: { name: 'cmaf', label: 'low-latency HLS', file: 'master.m3u8', engine: hls },
  hls: { name: 'hls', label: 'HLS', file: 'live.m3u8', ladder: 'index.m3u8', engine: hls },
  flv: { name: 'flv', label: 'FLV', file: 'live.flv', engine: flv },
  dash: { name: 'dash', label: 'DASH', file: 'manifest.mpd', engine: dash },
};

const PROBE_TIMEOUT_MS = 2500;
const PROBE_AGAIN_MS = 2000;

/// The source called `name`; a page's query may ask for FLV over a WebSocket with `via=ws`.
export function named(name, search) {
  const webSocket = name === 'flv' && new URLSearchParams(search).get('via') === 'ws';
  return webSocket ? { ...SOURCES.flv, label: 'FLV over WebSocket', webSocket } : SOURCES[name];
}

/// The address of a source of the channel whose page is at `base`, with the viewer's credentials.
export function address(source, credentials, base = location.href) {
  const url = new URL(source.file, base);
  url.search = credentials.toString();
  if (source.webSocket) url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/// The address to play: that of all renditions, where the channel has some that are not behind the same address.
export async function playable(source, credentials, base = location.href) {
  const alone = address(source, credentials, base);
  if (!source.ladder) return alone;
  const all = address({ ...source, file: source.ladder }, credentials, base);
  try {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    const index = await (await fetch(all, { signal, cache: 'no-store' })).text();
    return /^\d+p\/live\.m3u8/m.test(index) ? all : alone;
  } catch {
    return alone;
  }
}

/// Asks the channel what it offers until something is there, then picks the best that this browser plays. Goes on as
/// long as `wanted()`; calls `missing` when there is nothing yet.
export async function choose(credentials, video, wanted, missing, base = location.href) {
  const sources = Object.values(SOURCES);
  // The library of the most likely choice loads meanwhile.
  sources[0].engine.supported(video).catch(() => {});
  while (wanted()) {
    const answers = await Promise.all(sources.map((source) => offers(address(source, credentials, base))));
    const offered = new Set(sources.filter((_, at) => answers[at]));
    for (const source of offered) {
      if (await source.engine.supported(video).catch(() => false)) return { source, offered };
    }
    if (wanted()) missing(offered.size > 0 ? 'unsupported' : 'offline');
    await new Promise((resolve) => setTimeout(resolve, PROBE_AGAIN_MS));
  }
  return { source: null, offered: new Set() };
}

async function offers(url) {
  try {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    return (await fetch(url, { method: 'HEAD', signal, cache: 'no-store' })).ok;
  } catch {
    return false;
  }
}
