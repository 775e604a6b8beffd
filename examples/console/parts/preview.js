// A live picture, by the same players as the platform's own pages.

import { html, useEffect, useRef, useState } from './ui.js';
import { t } from './words.js';

const REFRESH_MS = 500;
const players = () => document.querySelector('meta[name="lsv-players"]').content;
let loading = null;

/// Loads the players when somebody first wants to see something.
function load() {
  const from = (file) => import(new URL(`${players()}/${file}`, document.baseURI).href);
  loading ??= Promise.all([from('player.js'), from('sources.js')]).then(([{ Player }, { SOURCES }]) => ({ Player, SOURCES }));
  loading.catch(() => (loading = null));
  return loading;
}

/// Plays `url`, the address of a channel's output as `urls` has it, as `name`: `cmaf`, `hls`, `flv` or `dash`.
/// `alone` plays that one and does not look for renditions beside it; `waiting` is drawn as long as nothing comes.
/// `video.dataset.state` says how it goes.
export function Preview({ name, url, label, alone = false, waiting = null }) {
  const video = useRef(null);
  const [shown, setShown] = useState({ state: 'connecting', numbers: null });
  useEffect(() => {
    let player = null;
    let timer = 0;
    let gone = false;
    load().then(({ Player, SOURCES }) => {
      if (gone) return;
      player = new Player(video.current);
      const { href, search } = new URL(url, document.baseURI);
      const source = alone ? { ...SOURCES[name], ladder: undefined } : SOURCES[name];
      player.play(source, new URLSearchParams(search), href);
      timer = setInterval(() => setShown({ state: player.state, numbers: player.numbers() }), REFRESH_MS);
    }).catch(() => setShown({ state: 'unsupported', numbers: null }));
    return () => {
      gone = true;
      clearInterval(timer);
      player?.stop();
    };
  }, [name, url, alone]);
  const { state, numbers } = shown;
  const facts = [
    numbers?.width && `${numbers.width}×${numbers.height}`,
    numbers?.latency != null && t('preview.latency', { seconds: numbers.latency.toFixed(1) }),
  ].filter(Boolean);
  return html`<div class="preview">
    <video ref=${video} controls muted autoplay playsinline aria-label=${label} data-state=${state}></video>
    <p><strong role="status">${t(`preview.${state}`)}</strong><span class="quiet">${facts.join(' · ')}</span></p>
    ${state === 'offline' && waiting}
  </div>`;
}
