// The list of channels. Search, filter, order and page are in the address: back, reload and a bookmark keep them.

import { Icon } from '../parts/icons.js';
import { pageOf, Pager } from '../parts/pager.js';
import { amend } from '../parts/router.js';
import { Empty, Loaded, Progress, Trouble } from '../parts/states.js';
import { html, useEffect, useState } from '../parts/ui.js';
import { t } from '../parts/words.js';
import { deleteChannel } from './channels/delete.js';
import { FILTERS, matcher, passes, sorted, SORTS, useChannels, useLive } from './channels/listing.js';
import { blankChannel, NewChannel } from './channels/new.js';
import { ChannelRow } from './channels/row.js';
import './channels/words.js';

const PAGE = 25;
const NOBODY = new Map();

export function Channels({ query }) {
  const channels = useChannels();
  const live = useLive();
  const [isNew, setNew] = useState(false);
  const [typed, setTyped] = useState(blankChannel);
  useEffect(() => {
    document.title = `${t('channels.title')} · lsv`;
  }, []);
  const make = html`<button type="button" class="primary" onClick=${() => setNew(true)}><${Icon} name="plus" />${t('channels.new')}</button>`;
  const isEmpty = channels.complete && channels.data.length === 0;
  return html`
    <header class="title">
      <h1>${t('channels.title')}</h1>
      ${!isEmpty && html`<div class="end">${make}</div>`}
    </header>
    ${live.problem && !channels.problem && html`<${Trouble} problem=${live.problem} retry=${live.reload} />`}
    <${Loaded} of=${channels}>${(records) => (isEmpty
      ? html`<${Begin}>${make}</${Begin}>`
      : html`<${List} query=${query} records=${records} live=${live.data ?? NOBODY} complete=${channels.complete} loading=${channels.loading}
          forget=${channels.forget} />`)}</${Loaded}>
    ${isNew && html`<${NewChannel} typed=${typed} setTyped=${setTyped} close=${() => setNew(false)} />`}
  `;
}

function List({ query, records, live, complete, loading, forget }) {
  const search = query.get('q') ?? '';
  const filter = oneOf(FILTERS, query.get('show'));
  const sort = oneOf(SORTS, query.get('sort'));
  const found = records.filter(matcher(search));
  const wanted = sorted(found.filter((record) => passes(filter, record, live)), sort, live);
  const { page, pages, shown } = pageOf(wanted, query.get('page'), PAGE);
  const change = (changes) => amend({ page: '', ...changes });
  const remove = async (record) => (await deleteChannel(record)) && forget(record.id);
  return html`
    <div class="toolbar channels-toolbar" role="search">
      <label class="search grow"><span class="unseen">${t('channels.search')}</span><${Icon} name="search" />
        <input type="search" placeholder=${t('channels.search')} dir="auto" value=${search} onInput=${(event) => change({ q: event.target.value })} />
      </label>
      <label class="sort"><span>${t('channels.sort')}</span>
        <select value=${sort} onChange=${(event) => change({ sort: event.target.value })}>
          ${SORTS.map((name) => html`<option key=${name} value=${name}>${t(`channels.sort.${name}`)}</option>`)}
        </select>
      </label>
    </div>
    <div class="toolbar">
      <div class="choices" role="group" aria-label=${t('channels.filter')}>
        ${FILTERS.map((name) => html`<button key=${name} type="button" aria-pressed=${name === filter ? 'true' : 'false'} onClick=${() => change({ show: name })}>
          ${t(`channels.filter.${name}`)} <small>${found.filter((record) => passes(name, record, live)).length}</small>
        </button>`)}
      </div>
      <p class="quiet count" role="status">${complete ? counted(wanted.length, records.length) : ''}</p>
    </div>
    ${!complete && loading && html`<${Progress} label=${t('channels.loadingMore', { count: records.length })} />`}
    ${wanted.length === 0 && complete && html`<${Empty} icon="search" title=${t('channels.nothingFound')}>
      <p>${t('channels.nothingFoundText')}</p>
      <button type="button" onClick=${() => change({ q: '', show: '' })}>${t('channels.clear')}</button>
    </${Empty}>`}
    <ul class="channels">
      ${shown.map((record) => html`<${ChannelRow} key=${record.id} record=${record} session=${live.get(record.id)} remove=${() => remove(record)} />`)}
    </ul>
    <${Pager} page=${page} pages=${pages} />
  `;
}

/// No channel at all: what one is, and how to begin.
function Begin({ children }) {
  return html`<${Empty} icon="channels" title=${t('channels.empty')}>
    <p>${t('channels.emptyText')}</p>
    <ol>
      <li>${t('channels.empty.make')}</li>
      <li>${t('channels.empty.obs')}</li>
      <li>${t('channels.empty.ffmpeg')}<pre><code>ffmpeg -re -i film.mp4 -c:v libx264 -preset veryfast -g 60 -c:a aac -f flv "${t('channels.empty.address')}"</code></pre></li>
      <li>${t('channels.empty.watch')}</li>
    </ol>
    ${children}
  </${Empty}>`;
}

function counted(count, all) {
  return count === all ? t('channels.count', { count }) : t('channels.found', { count, all });
}

/// What the address asks for, if that is known; else the first.
function oneOf(known, asked) {
  return known.includes(asked) ? asked : known[0];
}
