// The list of events: each a sentence, filtered by kind and channel, held still while somebody reads.

import { Icon } from '../../parts/icons.js';
import { href } from '../../parts/router.js';
import { Empty } from '../../parts/states.js';
import { html, useEffect, useRef, useState } from '../../parts/ui.js';
import { dateTime, know, relative, t } from '../../parts/words.js';
import { KINDS, useFeed } from './feed.js';
import { kindWord, sentenceOf, tabOf } from './sentences.js';

know({
  'happenings.title': ['Live events', '实时事件'],
  'happenings.kind': ['Kind', '类型'],
  'happenings.all': ['All kinds', '所有类型'],
  'happenings.channel': ['Channel', '频道'],
  'happenings.pause': ['Pause', '暂停'],
  'happenings.resume': ['Resume', '继续'],
  'happenings.resumeNew': ['Resume, {count} new', '继续（{count} 条新事件）'],
  'happenings.new': ['{count} new events', '{count} 条新事件'],
  'happenings.new.one': ['One new event', '1 条新事件'],
  'happenings.connecting': ['Connecting', '正在连接'],
  'happenings.open': ['Connected', '已连接'],
  'happenings.broken': ['Reconnecting', '正在重新连接'],
  'happenings.signed-out': ['Signed out', '已退出登录'],
  'happenings.empty': ['Nothing has happened yet', '暂无事件'],
  'happenings.emptyText': [
    'Who publishes, who is refused, what was recorded and which task failed is told here as it happens.',
    '推流、拒绝、录制、任务故障等事件会实时显示在这里。开始推流后即可看到第一条。',
  ],
  'happenings.toChannels': ['To the channels', '前往频道列表'],
  'happenings.noMatch': ['No event of this kind and channel among the last {count}.', '最近 {count} 条事件中没有符合条件的。'],
});

const SHOWN = 100;
const CLOCK_MS = 5000;
/// A screen reader is told of crowds, not of every event.
const TELL_MS = 10000;
const COLOURS = {
  published: 'is-good', rejected: 'is-warn', 'recording-gap': 'is-bad', 'task-failed': 'is-bad', motion: 'is-warn', lost: 'is-warn',
};
const STATES = { open: 'is-good', connecting: '', broken: 'is-warn', 'signed-out': 'is-bad' };

export function Happenings({ channel: first }) {
  const feed = useFeed();
  const [held, hold] = useState(null);
  const [kind, setKind] = useState('');
  const [channel, setChannel] = useState(first);
  const [most, setMost] = useState(SHOWN);
  const now = useClock();
  const events = held?.events ?? feed.events;
  const wanted = channel.trim().toLowerCase();
  const isWanted = ({ event, channel: name = '' }) => (!kind || event === kind) && name.toLowerCase().includes(wanted);
  const found = events.filter(isWanted);
  const missed = held ? feed.total - held.total : 0;
  const resume = missed ? t('happenings.resumeNew', { count: missed }) : t('happenings.resume');
  return html`<section class="card">
    <div class="row head">
      <h2>${t('happenings.title')}</h2>
      <span class="badge ${STATES[feed.state]}" role="status">${t(`happenings.${feed.state}`)}</span>
    </div>
    <div class="toolbar filters">
      <label>${t('happenings.kind')}<select value=${kind} onChange=${(event) => setKind(event.target.value)}>
        <option value="">${t('happenings.all')}</option>
        ${KINDS.map((name) => html`<option key=${name} value=${name}>${kindWord(name)}</option>`)}
      </select></label>
      <label>${t('happenings.channel')}
        <input type="search" dir="auto" value=${channel} onInput=${(event) => setChannel(event.target.value)} />
      </label>
      <button type="button" onClick=${() => hold(held ? null : feed)}>${held ? resume : t('happenings.pause')}</button>
    </div>
    <${Told} total=${feed.total} />
    ${events.length === 0 && html`<${Empty} icon="events" title=${t('happenings.empty')}>
      <p>${t('happenings.emptyText')}</p>
      <a class="button" href=${href(['channels'])}><${Icon} name="channels" />${t('happenings.toChannels')}</a>
    </${Empty}>`}
    ${events.length > 0 && found.length === 0 && html`<p class="quiet">${t('happenings.noMatch', { count: events.length })}</p>`}
    ${found.length > 0 && html`<ol class="happenings" tabindex="0" aria-label=${t('happenings.title')}>
      ${found.slice(0, most).map((one) => html`<${Happening} key=${one.key} one=${one} now=${now} />`)}
    </ol>`}
    ${found.length > most && html`<button type="button" onClick=${() => setMost(most + SHOWN)}>${t('do.more')}</button>`}
  </section>`;
}

function Happening({ one, now }) {
  const { event, at, channel } = one;
  return html`<li>
    <time dateTime=${at} title=${dateTime(at)}>${relative(at, Math.max(now, Date.parse(at)))}</time>
    <span class="badge ${COLOURS[event] ?? ''}">${kindWord(event)}</span>
    <p>${channel && html`<${Name} one=${one} />`} ${sentenceOf(one)}</p>
  </li>`;
}

/// The channel, with a way to where more is; one that is gone has no page.
function Name({ one }) {
  const { channel, event, reason } = one;
  if (event === 'channel-deleted' || reason === 'unknown-channel') return html`<strong><bdi>${channel}</bdi></strong>`;
  return html`<a href=${href(['channels', channel, tabOf(one)])}><bdi>${channel}</bdi></a>`;
}

/// Says to those who do not see the list how many came, now and then. What came at first is no news.
function Told({ total }) {
  const told = useRef({ total: null, latest: total });
  const [said, say] = useState('');
  told.current.latest = total;
  useEffect(() => {
    const timer = setInterval(() => {
      const { total: before, latest } = told.current;
      told.current.total = latest;
      say(before !== null && latest > before ? t('happenings.new', { count: latest - before }) : '');
    }, TELL_MS);
    return () => clearInterval(timer);
  }, []);
  return html`<span class="heard" role="status">${said}</span>`;
}

function useClock() {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), CLOCK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
