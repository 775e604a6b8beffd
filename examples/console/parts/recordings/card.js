// One recording in a grid: its picture, what and when it is, and what can be done with it.

import { Icon } from '../icons.js';
import { nameOf as channelName } from '../names.js';
import { href } from '../router.js';
import { html } from '../ui.js';
import { bytes, clock, dateTime, duration, t } from '../words.js';
import { began, isPicture, timeOf } from './listing.js';
import { Thumbnail } from './thumbnail.js';
import './words.js';

/// What a recording is called where there is nothing to see.
export function nameOf(recording) {
  return t('recording.of', { kind: t(`recording.kind.${recording.kind}`), time: timeOf(recording) });
}

/// `channel` (`{ id, videoname }`) is named where recordings of several are shown; `play` opens it, `remove` asks and removes.
/// `picture` stands for its first frame.
export function RecordingCard({ recording, channel = null, picture = null, play, remove }) {
  const { kind, length, size, storageClass, url } = recording;
  const what = nameOf(recording);
  const still = isPicture(recording);
  const time = new Date(began(recording));
  // The size of a session's playlist says nothing about the session.
  const fact = kind === 'on-demand' ? null : bytes(size);
  const long = length === null ? null : duration(Math.round(length));
  const isWritten = length === null && !still && storageClass === 'hot';
  return html`<li class="recording">
    <button type="button" class="plain recording-open" onClick=${play}
      aria-label=${[t(still ? 'recording.view' : 'recording.play', { what }), long].filter(Boolean).join(', ')}>
      <${Thumbnail} recording=${recording} picture=${picture} />
      ${long && html`<span class="recording-length">${long}</span>`}
    </button>
    ${channel && html`<a class="recording-channel" dir="auto" href=${href(['channels', channel.id, 'recording'])}>
      ${channelName(channel)}</a>`}
    <div class="recording-facts">
      <strong>${channel ? dateTime(time) : clock(time)}</strong>
      ${fact && html`<small>${fact}</small>`}
      ${isWritten && html`<span class="badge is-live">${t('recording.writing')}</span>`}
      ${storageClass !== 'hot' && html`<span class="badge" title=${t('recording.coldHint')}>${t('recording.cold')}</span>`}
    </div>
    <div class="recording-does">
      ${kind !== 'on-demand' && html`<a class="button plain icon-only" href=${url} download=${fileName(recording)}
        aria-label=${t('recording.download', { what })}><${Icon} name="download" /></a>`}
      <button type="button" class="plain icon-only" aria-label=${t('recording.delete', { what })} onClick=${remove}>
        <${Icon} name="trash" /></button>
    </div>
  </li>`;
}

/// What a downloaded recording is called.
export function fileName({ name }) {
  return name.split('/').at(-1);
}
