// Plays a recording in a dialog: MP4 as it is, sessions by hls.js, pictures as pictures.

import { CopyField } from '../copy.js';
import { Dialog } from '../dialog.js';
import { Icon } from '../icons.js';
import { nameOf as channelName } from '../names.js';
import { href } from '../router.js';
import { html, useEffect, useRef, useState } from '../ui.js';
import { bytes, duration, t } from '../words.js';
import { fileName, nameOf } from './card.js';
import { Controls, useKeys } from './controls.js';
import { isPicture } from './listing.js';
import { useTiles } from './sheet.js';
import './words.js';

const HLS = 'application/vnd.apple.mpegurl';

/// `step(-1)` goes to the newer one, `step(1)` to the older one; null where there is none.
export function PlayerDialog({ recording, channel = null, newer = null, older = null, remove = null, onClose }) {
  const { kind, length, size, url, storageClass } = recording;
  const still = isPicture(recording);
  const facts = [
    channel && channelName(channel),
    length !== null && duration(Math.round(length)),
    kind !== 'on-demand' && bytes(size),
  ].filter(Boolean);
  return html`<${Dialog} title=${nameOf(recording)} wide onClose=${onClose}>
    ${still
      ? html`<${Picture} key=${url} recording=${recording} newer=${newer} older=${older} />`
      : html`<${Player} key=${url} recording=${recording} />`}
    ${storageClass !== 'hot' && html`<p class="note">${t('recording.coldHint')}</p>`}
    <p class="player-says quiet">
      <span dir="auto">${facts.join(' · ')}</span><span>${t(still ? 'player.keysPicture' : 'player.keys')}</span>
    </p>
    ${kind === 'on-demand' && html`<${CopyField} label=${t('player.address')} value=${new URL(url, document.baseURI).href} />`}
    <footer class="player-does">
      <button type="button" disabled=${!newer} onClick=${newer}><${Icon} name="back" />${t('player.newer')}</button>
      <button type="button" disabled=${!older} onClick=${older}>${t('player.older')}<${Icon} name="forward" /></button>
      <span class="grow"></span>
      ${channel && html`<a class="button" href=${href(['channels', channel.id, 'recording'])}>${t('player.channel')}</a>`}
      ${kind !== 'on-demand' && html`<a class="button" href=${url} download=${fileName(recording)}>
        <${Icon} name="download" />${t('do.download')}</a>`}
      ${remove && html`<button type="button" class="danger" onClick=${remove}>
        <${Icon} name="trash" />${t('do.delete')}</button>`}
    </footer>
  </${Dialog}>`;
}

function Picture({ recording, newer, older }) {
  const [failed, setFailed] = useState(false);
  const keys = useKeys({ ArrowLeft: () => newer?.(), ArrowRight: () => older?.() });
  return html`<div class="player" ref=${keys}>
    ${failed
      ? html`<p class="form-problem" role="alert">${t('player.failed')}</p>`
      : html`<img src=${recording.url} alt=${nameOf(recording)} onError=${() => setFailed(true)} />`}
  </div>`;
}

function Player({ recording }) {
  const video = useRef(null);
  const [failed, setFailed] = useState(false);
  const tiles = useTiles(recording.thumbnails);
  useEffect(() => {
    const fail = () => setFailed(true);
    let close = () => {};
    let gone = false;
    open(video.current, recording, fail).then((done) => (gone ? done() : (close = done)), fail);
    return () => {
      gone = true;
      close();
    };
  }, [recording.url]);
  return html`<div class="player">
    <video ref=${video} playsinline aria-label=${nameOf(recording)} onClick=${() => toggle(video.current)}></video>
    ${failed && html`<p class="form-problem" role="alert">${t('player.failed')}</p>`}
    <${Controls} video=${video} tiles=${tiles} length=${recording.length} />
  </div>`;
}

export function toggle(video) {
  if (video.paused) video.play().catch(() => {});
  else video.pause();
}

/// Gives the recording to the video element; answers what lets go of it again.
async function open(video, { kind, url }, fail) {
  let hls = null;
  const native = () => {
    video.onerror = fail;
    video.src = url;
  };
  if (kind === 'on-demand') {
    const players = document.querySelector('meta[name="lsv-players"]').content;
    const { library } = await import(new URL(`${players}/player.js`, document.baseURI).href);
    const Hls = await library('Hls', 'hls.min.js');
    if (Hls.isSupported()) {
      // From its beginning, also while it is still recorded.
      hls = new Hls({ enableWorker: true, startPosition: 0 });
      hls.on(Hls.Events.ERROR, (_, { fatal }) => fatal && fail());
      hls.loadSource(new URL(url, document.baseURI).href);
      hls.attachMedia(video);
    } else if (video.canPlayType(HLS)) {
      native();
    } else {
      throw new Error('unsupported');
    }
  } else {
    native();
  }
  // A browser that wants a click first gets one: the button says play.
  video.play().catch(() => {});
  return () => {
    video.onerror = null;
    hls?.destroy();
    video.removeAttribute('src');
    video.load();
  };
}
