// What was recorded in all channels, to look for and to watch.

import { all } from '../parts/api.js';
import { useLoad } from '../parts/hooks.js';
import { Icon } from '../parts/icons.js';
import { RecordingCard } from '../parts/recordings/card.js';
import { remove } from '../parts/recordings/listing.js';
import { PlayerDialog } from '../parts/recordings/player.js';
import { amend, href } from '../parts/router.js';
import { Empty, Loaded, Progress, Trouble } from '../parts/states.js';
import { html, useEffect, useMemo, useState } from '../parts/ui.js';
import { know, t } from '../parts/words.js';
import { matcher } from './channels/listing.js';
import { Harvest } from './on-demand/harvest.js';

know({
  'gallery.title': ['On demand', '点播'],
  'gallery.search': ['Search by channel', '按频道搜索'],
  'gallery.kind': ['Kind', '类型'],
  'gallery.looking': ['Looking through the channels', '正在查找各频道的录像'],
  'gallery.empty': ['Nothing to watch yet', '还没有可观看的内容'],
  'gallery.emptyText': [
    'Sessions of all channels appear here. Open a channel, go to Recording, turn on sessions on demand, save, and publish: what is seen live can be watched here afterwards.',
    '所有频道的点播回放都会显示在这里。打开一个频道，进入“录制”，开启点播录制并保存，然后推流：直播内容之后即可在此观看。',
  ],
  'gallery.channels': ['Go to the channels', '前往频道'],
  'gallery.nothing': ['No channel of this name has recordings', '没有符合名称且有录像的频道'],
  'gallery.nothingText': ['Write less of its name, or look for another kind of recording.', '请缩短搜索词，或选择其他类型。'],
  'gallery.clear': ['Clear search', '清除搜索'],
});

const KINDS = ['on-demand', 'file'];
const STEP = 24;
/// Whoever types is not interrupted at each letter.
const PAUSE_MS = 300;

export function OnDemand({ query }) {
  const channels = useLoad((signal) => all('videostream', { signal }), []);
  const search = query.get('q') ?? '';
  const kind = KINDS.includes(query.get('kind')) ? query.get('kind') : KINDS[0];
  const [wanted, setWanted] = useState(search);
  useEffect(() => {
    document.title = `${t('gallery.title')} · lsv`;
  }, []);
  useEffect(() => {
    const timer = setTimeout(() => setWanted(search), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [search]);
  return html`
    <header class="title"><h1>${t('gallery.title')}</h1></header>
    <div class="toolbar channels-toolbar" role="search">
      <label class="search grow"><span class="unseen">${t('gallery.search')}</span><${Icon} name="search" />
        <input type="search" placeholder=${t('gallery.search')} dir="auto" value=${search}
          onInput=${(event) => amend({ q: event.target.value })} />
      </label>
      <div class="choices" role="group" aria-label=${t('gallery.kind')}>
        ${KINDS.map((name) => html`<button key=${name} type="button" aria-pressed=${name === kind ? 'true' : 'false'}
          onClick=${() => amend({ kind: name === KINDS[0] ? '' : name })}>${t(`recording.short.${name}`)}</button>`)}
      </div>
    </div>
    <${Loaded} of=${channels}>${(records) => html`
      <${Gallery} key=${`${kind}/${wanted}`} records=${records} kind=${kind} search=${wanted} />`}</${Loaded}>`;
}

function Gallery({ records, kind, search }) {
  const harvest = useMemo(() => new Harvest(records.filter(matcher(search)), kind), []);
  const [many, setMany] = useState(STEP);
  const [open, setOpen] = useState(null);
  const [, redraw] = useState(0);
  const told = () => redraw((count) => count + 1);
  const looked = useLoad((signal) => harvest.until(many, signal, told), [many]);
  const shown = harvest.found.slice(0, many);
  const at = shown.findIndex(({ recording }) => recording.url === open);
  const to = (index) => (shown[index] ? () => setOpen(shown[index].recording.url) : null);
  const drop = async ({ channel, recording }) => {
    if (!(await remove(channel.id, recording))) return;
    harvest.drop(recording);
    setOpen(null);
    told();
  };
  return html`
    ${looked.problem && html`<${Trouble} problem=${looked.problem} retry=${looked.reload} />`}
    ${looked.loading && html`<${Progress} share=${harvest.share} label=${t('gallery.looking')} />`}
    <ul class="recordings">${shown.map((one) => html`<${RecordingCard} key=${one.recording.url} ...${one}
      play=${() => setOpen(one.recording.url)} remove=${() => drop(one)} />`)}</ul>
    ${!looked.loading && !looked.problem && shown.length === 0 && html`<${Nothing} search=${search} />`}
    ${!looked.loading && (!harvest.isOver || harvest.found.length > many) && html`<p class="recordings-more">
      <button type="button" onClick=${() => setMany(many + STEP)}>${t('do.more')}</button></p>`}
    ${at >= 0 && html`<${PlayerDialog} ...${shown[at]} newer=${to(at - 1)} older=${to(at + 1)}
      remove=${() => drop(shown[at])} onClose=${() => setOpen(null)} />`}`;
}

function Nothing({ search }) {
  if (!search) {
    return html`<${Empty} icon="onDemand" title=${t('gallery.empty')}>
      <p>${t('gallery.emptyText')}</p><a class="button" href=${href(['channels'])}>${t('gallery.channels')}</a>
    </${Empty}>`;
  }
  return html`<${Empty} icon="search" title=${t('gallery.nothing')}>
    <p>${t('gallery.nothingText')}</p><button type="button" onClick=${() => amend({ q: '' })}>${t('gallery.clear')}</button>
  </${Empty}>`;
}
