// The page: decides what to play, shows how it goes, lets the viewer switch.

import { Player } from './player.js';
import { SOURCES, choose, named } from './sources.js';

const STATES = {
  starting: 'Starting',
  connecting: 'Connecting',
  playing: 'Live',
  buffering: 'Buffering',
  paused: 'Paused',
  blocked: 'Press play to start',
  offline: 'Waiting for the publisher',
  unsupported: 'This browser cannot play this',
};
const REFRESH_MS = 500;

const byId = (id) => document.getElementById(id);
const video = byId('video');
const links = [...document.querySelectorAll('nav a[data-play]')];
const player = new Player(video);
let picking = 0;

// The page's own query is kept for every address that it asks for: playback tokens travel there.
const credentials = new URLSearchParams(location.search);
credentials.delete('src');
credentials.delete('via');

/// Plays `name`: one of the sources, or `auto` for the best that channel and browser have in common.
async function play(name) {
  const ticket = ++picking;
  player.stop();
  for (const link of links) {
    link.removeAttribute('aria-current');
    link.classList.remove('unavailable');
  }
  const current = links.find((link) => link.dataset.play === name);
  current?.setAttribute('aria-current', 'page');
  if (name !== 'auto') {
    player.play(named(name, location.search), credentials);
    return;
  }
  const wanted = () => ticket === picking;
  const { source, offered } = await choose(credentials, video, wanted, (state) => player.wait(state));
  if (ticket !== picking || !source) return;
  for (const link of links) {
    const known = SOURCES[link.dataset.play];
    link.classList.toggle('unavailable', known !== undefined && !offered.has(known));
  }
  player.play(source, credentials);
}

function nameOf(url) {
  const page = url.pathname.split('/').pop();
  if (page === 'hls.html' && url.searchParams.get('src') === 'cmaf') return 'cmaf';
  return { 'hls.html': 'hls', 'flv.html': 'flv', 'dash.html': 'dash' }[page] ?? 'auto';
}

function addressOf(link) {
  const url = new URL(link.getAttribute('href'), location.href);
  for (const [key, value] of credentials) url.searchParams.append(key, value);
  return url;
}

function show() {
  const { state, source } = player;
  const label = STATES[state] ?? state;
  const title = source ? `${label}, ${source.label}` : label;
  // Written only when it changes, so that a screen reader speaks it once.
  if (byId('state').textContent !== title) byId('state').textContent = title;
  byId('numbers').textContent = numbers(player.numbers());
  byId('unmute').hidden = !video.muted || state !== 'playing';
  showQualities(player.qualities());
}

function showQualities(heights) {
  const label = byId('quality');
  const select = label.querySelector('select');
  label.hidden = heights.length < 2;
  const shown = heights.join();
  if (select.dataset.shown === shown) return;
  select.dataset.shown = shown;
  const automatic = new Option('Automatic', '-1');
  select.replaceChildren(automatic, ...heights.map((height, index) => new Option(`${height}p`, `${index}`)));
}

function numbers({ latency, buffered, dropped, width, height, stalls }) {
  const parts = [];
  if (latency !== null) parts.push(`latency ${latency.toFixed(1)} s`);
  if (buffered !== null) parts.push(`${buffered.toFixed(1)} s buffered`);
  if (width) parts.push(`${width}×${height}`);
  if (dropped !== null) parts.push(`${dropped} dropped ${dropped === 1 ? 'frame' : 'frames'}`);
  if (stalls) parts.push(`${stalls} ${stalls === 1 ? 'stall' : 'stalls'}`);
  return parts.join(' · ');
}

for (const link of links) {
  link.href = addressOf(link);
  link.addEventListener('click', (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState(null, '', link.href);
    play(link.dataset.play);
  });
}
window.addEventListener('popstate', () => play(nameOf(new URL(location.href))));
byId('live').addEventListener('click', () => player.jumpToLive());
byId('unmute').addEventListener('click', () => {
  video.muted = false;
});
byId('quality').addEventListener('change', ({ target }) => player.choose(Number(target.value)));
video.addEventListener('volumechange', show);

const channel = decodeURIComponent(location.pathname).split('/').slice(0, -1).filter(Boolean).join(' ');
byId('title').textContent = channel;
document.title = `${channel} - live`;

/// For scripts that watch the page: `latency()` in seconds or null, `state`, and what else the status line says; `choose(index)`
/// of `qualities()`.
window.lsv = {
  latency: () => player.numbers().latency,
  numbers: () => player.numbers(),
  qualities: () => player.qualities(),
  choose: (index) => player.choose(index),
  get state() {
    return player.state;
  },
  get source() {
    return player.source?.name ?? null;
  },
  get restarts() {
    return player.restarts;
  },
  get errors() {
    return player.errors;
  },
};

setInterval(show, REFRESH_MS);
player.onchange = show;
play(document.body.dataset.play === 'auto' ? 'auto' : nameOf(new URL(location.href)));
