// One channel: its name, whether it is live, and a tab for each thing that can be done with it.

import { call, channelPath } from '../parts/api.js';
import { useLoad, usePoll } from '../parts/hooks.js';
import { Icon } from '../parts/icons.js';
import { nameOf } from '../parts/names.js';
import { href } from '../parts/router.js';
import { LiveBadge, Loaded, Trouble } from '../parts/states.js';
import { html, useEffect, useState } from '../parts/ui.js';
import { know, t } from '../parts/words.js';
import { Live } from './channel/live.js';
import { Addresses } from './channel/addresses.js';
import { Recording } from './channel/recording.js';
import { Watermark } from './channel/watermark.js';
import { Transcoding } from './channel/transcoding.js';
import { Relay } from './channel/relay.js';
import { Motion } from './channel/motion.js';
import { Protection } from './channel/protection.js';
import { Settings } from './channel/settings.js';

know({
  'tab.live': ['Live', '直播'],
  'tab.addresses': ['Addresses', '地址'],
  'tab.recording': ['Recording', '录制'],
  'tab.watermark': ['Watermark', '水印'],
  'tab.transcoding': ['Transcoding', '转码'],
  'tab.relay': ['Relay', '转推'],
  'tab.motion': ['Motion', '移动侦测'],
  'tab.protection': ['Protection', '播放保护'],
  'tab.settings': ['Settings', '设置'],
  'channel.all': ['All channels', '所有频道'],
  'channel.sections': ['Sections of the channel', '频道分区'],
});

const TABS = {
  live: Live, addresses: Addresses, recording: Recording, watermark: Watermark, transcoding: Transcoding, relay: Relay,
  motion: Motion, protection: Protection, settings: Settings,
};
const SESSION_MS = 2000;

/// Each tab gets `{ record, etag, saved(record, etag), session, query }`: `session` is null while the channel is not live,
/// undefined until that is known.
export function Channel({ id, tab, query }) {
  const loaded = useLoad((signal) => call('GET', channelPath(id), { signal }), [id]);
  const session = usePoll((signal) => sessionOf(id, signal), SESSION_MS, [id]);
  const name = loaded.data ? nameOf(loaded.data.data) : id;
  useEffect(() => {
    document.title = `${name} · lsv`;
  }, [name]);
  const isHere = loaded.data !== null;
  useEffect(() => {
    // On a phone the tabs are wider than the page.
    document.querySelector('.tabs [aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [tab, isHere]);
  return html`<${Loaded} of=${loaded}>${({ data: record, etag }) => {
    const Tab = Object.hasOwn(TABS, tab) ? TABS[tab] : Live;
    const saved = (data, next) => loaded.set({ data, etag: next });
    return html`
      <a class="up" href=${href(['channels'])}><${Icon} name="back" />${t('channel.all')}</a>
      <header class="title">
        <h1 dir="auto">${name}</h1>
        <${LiveBadge} live=${Boolean(session.data?.live)} />
      </header>
      <nav class="tabs" aria-label=${t('channel.sections')}>
        ${Object.keys(TABS).map((key) => html`<a key=${key} href=${href(['channels', id, key])} aria-current=${key === tab ? 'page' : undefined}>${t(`tab.${key}`)}</a>`)}
      </nav>
      ${session.problem && html`<${Trouble} problem=${session.problem} retry=${session.reload} />`}
      <${Tab} key=${tab} record=${record} etag=${etag} saved=${saved} session=${session.data?.live} query=${query} reloadSession=${session.reload} />`;
  }}</${Loaded}>`;
}

async function sessionOf(id, signal) {
  const { data } = await call('GET', 'videostream/online', { signal });
  return { live: data.find(({ channel }) => channel === id) ?? null };
}
