// The page of a channel's recordings: lists them, plays them, shows small pictures to seek by.

import { library } from './player.js';

const KINDS = {
  'on-demand': 'Session',
  file: 'File',
  snapshot: 'Snapshot',
  'motion-clip': 'Motion',
  'motion-snapshot': 'Motion, picture',
};
const HLS = 'application/vnd.apple.mpegurl';

const byId = (id) => document.getElementById(id);
const [video, picture, strip, list, state, more] =
  ['video', 'picture', 'strip', 'list', 'state', 'more'].map(byId);
// The page's own query is kept for every address that it asks for: playback tokens travel there.
const credentials = new URLSearchParams(location.search);
let hls = null;
let next = null;

/// The address of `path` below the page, with its query and what else is given.
function address(path, extra = {}) {
  const url = new URL(path, new URL('.', location.href));
  url.search = new URLSearchParams([...credentials, ...Object.entries(extra)]);
  return url.href;
}

async function show() {
  const answer = await fetch(address('', next ? { cursor: next } : {}), {
    headers: { accept: 'application/json' },
  });
  if (!answer.ok) throw new Error(answer.status === 403 ? 'Not for you' : 'Not available now');
  const page = await answer.json();
  next = page.next;
  more.hidden = !next;
  // A page of the listing may hold segments alone.
  if (next && page.recordings.length === 0) return show();
  for (const recording of page.recordings) list.append(entry(recording));
  state.textContent = list.children.length ? '' : 'Nothing is recorded';
}

function entry(recording) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  const size = recording.size < 1e6 ? `${Math.ceil(recording.size / 1e3)} kB` : `${(recording.size / 1e6).toFixed(1)} MB`;
  const kind = KINDS[recording.kind] ?? recording.kind;
  const time = new Date(recording.time).toLocaleString();
  button.textContent = [kind, time, recording.kind === 'on-demand' ? '' : size].filter(Boolean).join(' · ');
  button.addEventListener('click', () => {
    list.querySelector('[aria-current]')?.removeAttribute('aria-current');
    button.setAttribute('aria-current', 'true');
    play(recording).catch((error) => {
      state.textContent = error.message;
    });
  });
  item.append(button);
  return item;
}

async function play(recording) {
  hls?.destroy();
  hls = null;
  strip.replaceChildren();
  strip.hidden = true;
  state.textContent = '';
  const isPicture = recording.url.endsWith('.jpg');
  picture.hidden = !isPicture;
  video.hidden = isPicture;
  video.pause();
  const url = address(recording.url);
  if (isPicture) {
    picture.alt = `${KINDS[recording.kind]} of ${new Date(recording.time).toLocaleString()}`;
    picture.src = url;
    return;
  }
  if (recording.kind === 'on-demand') await playList(url);
  else video.src = url;
  video.play().catch(() => {});
  if (recording.thumbnails) await showStrip(address(recording.thumbnails));
}

async function playList(url) {
  const Hls = await library('Hls', 'hls.min.js');
  if (Hls.isSupported()) {
    hls = new Hls({ enableWorker: true });
    hls.on(Hls.Events.ERROR, (_, { fatal }) => {
      if (fatal) state.textContent = 'This recording cannot be played';
    });
    hls.loadSource(url);
    hls.attachMedia(video);
  } else if (video.canPlayType(HLS)) {
    video.src = url;
  } else {
    throw new Error('This browser cannot play this');
  }
}

/// Buttons with the small pictures of a session, each of which goes to its time.
async function showStrip(url) {
  const answer = await fetch(url);
  if (!answer.ok) return;
  for (const block of (await answer.text()).split('\n\n').slice(1)) {
    const [times, target] = block.split('\n');
    const [file, place] = (target ?? '').split('#xywh=');
    const numbers = (place ?? '').split(',').map(Number);
    if (numbers.length !== 4 || numbers.some((number) => !Number.isFinite(number))) continue;
    const [left, top, width, height] = numbers;
    const start = times.split(' ')[0];
    const button = document.createElement('button');
    button.type = 'button';
    button.title = start.split('.')[0];
    button.setAttribute('aria-label', button.title);
    const sheet = new URL(file, url);
    sheet.search = credentials;
    Object.assign(button.style, {
      width: `${width}px`,
      height: `${height}px`,
      backgroundImage: `url("${sheet.href}")`,
      backgroundPosition: `-${left}px -${top}px`,
    });
    button.addEventListener('click', () => {
      video.currentTime = seconds(start);
    });
    strip.append(button);
  }
  strip.hidden = strip.children.length === 0;
}

function seconds(clock) {
  return clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

function look() {
  show().catch((error) => {
    state.textContent = error.message;
  });
}

more.addEventListener('click', look);
look();
