// What is on air: the picture in each way that viewers get it, the facts of the session, and what its encoder does wrong.
// While nothing is, how to begin.

import { addresses } from '../../parts/addresses.js';
import { Icon } from '../../parts/icons.js';
import { usePoll } from '../../parts/hooks.js';
import { kick, newKey } from '../../parts/publisher.js';
import { PushGuide } from '../../parts/push.js';
import { Empty, Loaded, Loading } from '../../parts/states.js';
import { html, useState } from '../../parts/ui.js';
import { date, dateTime, know, t } from '../../parts/words.js';
import { Doctor, Facts, Viewers } from './live/session.js';
import { Watch } from './live/watch.js';

know({
  'live.emptyTitle': ['Nobody publishes this channel at the moment', '当前没有推流'],
  'live.emptyText': [
    'Push a stream to it in one of these ways, and its picture appears here by itself.',
    '用以下任一方式推流，画面会自动显示在这里。',
  ],
  'live.over': [
    'The channel has expired on {date}: nobody may start to publish. Choose a later day in its settings.',
    '该频道已于 {date} 过期，无法开始推流。请在“设置”中延长有效期。',
  ],
  'live.newest': ['The newest picture', '最新画面'],
});

/// Addresses with a ticket are good for a day; new ones come in time.
const ADDRESSES_MS = 12 * 3600 * 1000;

export function Live({ record, etag, saved, session, reloadSession }) {
  const of = [record.id, record.key, record.updatedAt];
  const urls = usePoll((signal) => addresses(record, { signal }), ADDRESSES_MS, of);
  const renew = () => newKey(record, etag, saved);
  if (session === undefined) return html`<${Loading} />`;
  return html`<${Loaded} of=${urls}>${({ push, play }) => session
    ? html`<${OnAir} record=${record} play=${play} session=${session} renew=${renew} stop=${() => kick(record.id, reloadSession)} />`
    : html`<${OffAir} record=${record} push=${push} play=${play} renew=${renew} />`}</${Loaded}>`;
}

function OnAir({ record, play, session, renew, stop }) {
  return html`<div class="split">
    <div class="stack">
      <${Watch} record=${record} play=${play} session=${session} />
      <${Viewers} session=${session} />
    </div>
    <div class="stack">
      <${Facts} session=${session}>
        <button type="button" onClick=${renew}><${Icon} name="key" />${t('key.do')}</button>
        <button type="button" class="danger" onClick=${stop}><${Icon} name="stop" />${t('kick.do')}</button>
      </${Facts}>
      <${Doctor} warnings=${session.warnings ?? []} />
    </div>
  </div>`;
}

function OffAir({ record, push, play, renew }) {
  const isOver = Date.parse(record.outdate) < Date.now();
  return html`<div class="stack">
    ${isOver && html`<p class="note">${t('live.over', { date: date(record.outdate) })}</p>`}
    <${Newest} play=${play} />
    <${Empty} icon="channels" title=${t('live.emptyTitle')}>
      <p class="quiet">${t('live.emptyText')}</p>
    </${Empty}>
    <${PushGuide} push=${push} seconds=${record.hls_time} />
    <p class="row">
      <span class="quiet">${t('addresses.pushUntil')} ${dateTime(push.expires)}</span>
      <button type="button" onClick=${renew}><${Icon} name="key" />${t('key.do')}</button>
    </p>
  </div>`;
}

/// The newest picture that is kept, where there is one.
function Newest({ play }) {
  const [missing, setMissing] = useState(false);
  if (missing) return null;
  return html`<figure class="last-picture">
    <img src=${poster(play)} alt=${t('live.newest')} onError=${() => setMissing(true)} />
    <figcaption>${t('live.newest')}</figcaption>
  </figure>`;
}

function poster(play) {
  if (play.poster) return play.poster;
  const url = new URL(play.pages.best);
  url.pathname += 'poster.jpg';
  return url.href;
}
