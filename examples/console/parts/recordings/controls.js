// The controls of the player. The browser's own cannot show which picture is at a time that one is about to go to.

import { Icon } from '../icons.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { duration, t } from '../words.js';
import { Tile, tileAt } from './sheet.js';

const STEP_S = 5;
/// So long the small picture stays after a key.
const SHOWN_MS = 1500;
const EVENTS = ['timeupdate', 'durationchange', 'progress', 'play', 'pause', 'ended', 'volumechange', 'seeking', 'seeked'];

/// Calls `does[key]` for keys in the dialog that the element of the answered ref is in. Where a key has a use of its own, it keeps
/// it.
export function useKeys(does) {
  const ref = useRef(null);
  const latest = useRef(does);
  latest.current = does;
  useEffect(() => {
    const box = ref.current.closest('dialog') ?? ref.current;
    const pressed = (event) => {
      const { target, key } = event;
      const act = latest.current[key];
      if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
      if (key === ' ' && target.closest('button, a, input[readonly]')) return;
      if (target.closest('input:not([type="range"])')) return;
      event.preventDefault();
      act();
    };
    box.addEventListener('keydown', pressed);
    return () => box.removeEventListener('keydown', pressed);
  }, []);
  return ref;
}

/// `length` counts until the video knows its own.
export function Controls({ video, tiles, length }) {
  const [now, setNow] = useState({ time: 0, whole: length ?? 0, paused: true, muted: false });
  const [peek, setPeek] = useState(null);
  const timer = useRef(0);
  useEffect(() => {
    const element = video.current;
    const read = () => {
      const { currentTime: time, paused, muted } = element;
      setNow({ time, whole: wholeOf(element) || length || 0, paused, muted });
    };
    for (const name of EVENTS) element.addEventListener(name, read);
    return () => {
      clearTimeout(timer.current);
      for (const name of EVENTS) element.removeEventListener(name, read);
    };
  }, []);
  const { time, whole, paused, muted } = now;
  const seek = (to) => {
    const wanted = Math.min(Math.max(to, 0), Math.max(whole - 0.1, 0));
    video.current.currentTime = wanted;
    setNow((old) => ({ ...old, time: wanted }));
    return wanted;
  };
  const step = (by) => {
    setPeek(seek(video.current.currentTime + by));
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setPeek(null), SHOWN_MS);
  };
  const play = () => (paused ? video.current.play().catch(() => {}) : video.current.pause());
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : video.current.requestFullscreen()).catch(() => {});
  const keys = useKeys({
    ' ': play, k: play, f: full,
    ArrowLeft: () => step(-STEP_S), ArrowRight: () => step(STEP_S),
    PageDown: () => step(-whole / 10), PageUp: () => step(whole / 10),
    Home: () => step(-Infinity), End: () => step(Infinity),
  });
  const over = ({ currentTarget, clientX }) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    clearTimeout(timer.current);
    setPeek(whole * Math.min(Math.max((clientX - left) / width, 0), 1));
  };
  const at = (seconds) => t('player.at', { now: duration(seconds), whole: duration(whole) });
  return html`<div class="player-bar" ref=${keys}>
    <button type="button" autofocus class="icon-only" aria-label=${t(paused ? 'do.play' : 'player.pause')} onClick=${play}>
      <${Icon} name=${paused ? 'play' : 'pause'} /></button>
    <div class="player-seek" onPointerMove=${over} onPointerLeave=${() => setPeek(null)}>
      ${peek !== null && whole > 0 && html`<${Peek} tile=${tileAt(tiles, peek)} time=${peek} share=${peek / whole} />`}
      <input type="range" min="0" max=${whole} step="any" value=${time} aria-label=${t('player.seek')} aria-valuetext=${at(time)}
        onInput=${(event) => seek(Number(event.target.value))} />
    </div>
    <span class="player-time">${duration(time)} / ${duration(whole)}</span>
    <button type="button" class="icon-only" aria-label=${t(muted ? 'player.unmute' : 'player.mute')}
      onClick=${() => (video.current.muted = !muted)}><${Icon} name=${muted ? 'muted' : 'sound'} /></button>
    <button type="button" class="icon-only" aria-label=${t('player.full')} onClick=${full}><${Icon} name="full" /></button>
  </div>`;
}

/// The picture of a time, above its place on the bar.
function Peek({ tile, time, share }) {
  return html`<div class="player-peek" aria-hidden="true" style=${{ '--share': share }}>
    ${tile && html`<${Tile} tile=${tile} />`}
    <span>${duration(time)}</span>
  </div>`;
}

/// How long it is; as far as there is something, while it is still recorded.
function wholeOf({ duration: whole, seekable }) {
  if (Number.isFinite(whole)) return whole;
  return seekable.length ? seekable.end(seekable.length - 1) : 0;
}
