// One channel of the list: a row on a wide screen, a card on a phone.

import { call, channelPath } from '../../parts/api.js';
import { usePoll, useSeen } from '../../parts/hooks.js';
import { Icon } from '../../parts/icons.js';
import { inSentence, nameOf } from '../../parts/names.js';
import { href } from '../../parts/router.js';
import { LiveBadge } from '../../parts/states.js';
import { html, useEffect, useMemo, useRef } from '../../parts/ui.js';
import { dateTime, t } from '../../parts/words.js';
import { Expiry } from './expiry.js';
import { viewersOf } from './listing.js';

const POSTER_MS = 20_000;
const OUTPUTS = [['isFlv', 'FLV'], ['isHls', 'HLS'], ['isCMAF', 'CMAF']];

export function ChannelRow({ record, session, remove }) {
  const name = nameOf(record);
  const outputs = OUTPUTS.filter(([field]) => record[field]);
  const named = { name: inSentence(name) };
  return html`<li class="channel">
    <${Thumbnail} id=${record.id} name=${name} live=${Boolean(session)} />
    <div class="who">
      <h2><a href=${href(['channels', record.id, 'live'])} dir="auto">${name}</a></h2>
      ${name !== record.id && html`<code>${record.id}</code>`}
      ${record.description && html`<p class="quiet" dir="auto">${record.description}</p>`}
    </div>
    <div class="state">
      <${LiveBadge} live=${Boolean(session)} />
      ${session && html`<small title=${dateTime(session.since)}>${t('channels.viewers', { count: viewersOf(session) })}</small>`}
    </div>
    <div class="until">
      <span class="outputs" role="group" aria-label=${t('channels.outputs')}>
        ${outputs.map(([field, label]) => html`<span key=${field} class="tag">${label}</span>`)}
        ${outputs.length === 0 && html`<small>${t('channels.noOutputs')}</small>`}
      </span>
      <${Expiry} outdate=${record.outdate} />
    </div>
    <div class="actions">
      <a class="button plain icon-only" href=${href(['channels', record.id, 'settings'])} ...${labelled(t('channels.edit', named))}><${Icon} name="edit" /></a>
      <button type="button" class="plain icon-only" onClick=${remove} ...${labelled(t('channels.delete', named))}><${Icon} name="trash" /></button>
    </div>
  </li>`;
}

function labelled(text) {
  return { 'aria-label': text, title: text };
}

/// The newest picture of a channel that is live; its first letter where there is none.
function Thumbnail({ id, name, live }) {
  const ref = useRef(null);
  const seen = useSeen(ref);
  return html`<div class="thumbnail" ref=${ref}>
    <span aria-hidden="true">${initial(name)}</span>
    ${live && seen && html`<${Picture} id=${id} name=${name} />`}
  </div>`;
}

function Picture({ id, name }) {
  const { data: picture } = usePoll((signal) => pictureOf(id, signal), POSTER_MS, [id]);
  const address = useMemo(() => picture && URL.createObjectURL(picture), [picture]);
  useEffect(() => () => address && URL.revokeObjectURL(address), [address]);
  return address && html`<img src=${address} alt=${t('channels.picture', { name: inSentence(name) })} />`;
}

/// Fetched, not named in the markup: the browser would keep the first picture for as long as the page is open.
async function pictureOf(id, signal) {
  // Its address lets in for a while only, so it is asked for each time.
  const { data } = await call('GET', channelPath(id, '/urls'), { signal });
  const answer = data.play.poster && (await fetch(data.play.poster, { signal }));
  return answer?.ok ? answer.blob() : null;
}

function initial(name) {
  const [first] = new Intl.Segmenter().segment(name);
  return first.segment.toLocaleUpperCase();
}
