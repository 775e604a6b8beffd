// Relay: the servers that the source is pushed on to, such as YouTube or Twitch, and how each of them takes it.

import { DraftForm, Field, Row, useDraft } from '../../parts/form.js';
import { Icon } from '../../parts/icons.js';
import { Failure, flow, problemOf, TaskBadge, taskOf } from '../../parts/tasks.js';
import { html, useEffect, useMemo, useRef, useState } from '../../parts/ui.js';
import { know, t } from '../../parts/words.js';

know({
  'relay.title': ['Push on to other servers', '转推到其他平台'],
  'relay.text': [
    'The source is sent on as viewers see it: as it comes in, or with its watermark. Changes reach live channels within five seconds.',
    '转推观众所看到的源画面：原样转推，设有水印时带水印。更改在五秒内对直播中的频道生效。',
  ],
  'relay.target': ['Target {number}', '目标 {number}'],
  'relay.help': ['rtmp:// or rtmps://, with application and stream key.', 'rtmp:// 或 rtmps://，包含应用名和推流码。'],
  'relay.add': ['Add target', '添加目标'],
  'relay.remove': ['Remove target {number}', '删除目标 {number}'],
  'relay.removed': ['Target {number} is off the list. Discard the changes to get it back.', '目标 {number} 已移出列表。放弃更改即可恢复。'],
  'relay.most': ['A channel has at most {count} targets.', '每个频道最多 {count} 个目标。'],
  'relay.comma': ['One address for each target: a comma would end it.', '每个目标一个地址，地址中不能包含逗号。'],
  'relay.none': ['No target yet. Add one to send this channel on.', '尚无目标。添加一个目标即可转推该频道。'],
  'relay.unused': ['Relay is off: the targets are kept, but nothing is sent.', '转推已关闭：目标会保留，但不会发送。'],
  'relay.offline': ['Waits for the publisher', '等待推流'],
  'relay.saveFirst': ['Not saved yet', '尚未保存'],
  'relay.off': ['Off', '已关闭'],
  'relay.where': ['Where the keys are', '推流地址在哪里'],
  'relay.youtube': ['YouTube Studio: Create, Go live, Stream. Server and key make one address:', 'YouTube 工作室：创建 → 直播 → 推流。服务器地址与推流码拼成一个地址：'],
  'relay.twitch': ['Twitch: Creator Dashboard, Settings, Stream. The primary stream key goes to the end:', 'Twitch：创作者面板 → 设置 → 直播。将主推流码放在末尾：'],
  'relay.other': ['Other servers: put the stream key behind the server, with one slash between.', '其他平台：把推流码接在服务器地址后面，中间用一个斜杠分隔。'],
  'relay.key': ['KEY', '推流码'],
  'field.isRelay': ['Relay', '开启转推'],
  'field.relayURL': ['Targets', '转推目标'],
  'relay.secret': ['A stream key lets anyone publish as you: it is hidden until you show it.', '任何人拿到推流码都能以您的身份推流，因此默认隐藏。'],
});

const MOST = 8;

export function Relay({ record, etag, saved, session }) {
  const draft = useDraft({ record, etag, saved });
  const [targets, edit] = useTargets(draft);
  const area = useRef(null);
  const [said, say] = useState('');
  const isOn = draft.value('isRelay') === true;
  const task = taskOf(session, 'relay');
  const states = match(split(record.relayURL), task?.outputs ?? []);
  const add = () => {
    edit([...targets, row('')]);
    requestAnimationFrame(() => [...area.current.querySelectorAll('input')].at(-1)?.focus());
  };
  const remove = (at) => {
    edit(targets.filter((_, index) => index !== at));
    say(t('relay.removed', { number: at + 1 }));
    requestAnimationFrame(() => area.current.querySelector('.add')?.focus());
  };
  return html`<${DraftForm} draft=${draft}>
    <section class="card" ref=${area}>
      <h2>${t('relay.title')}</h2>
      <p class="quiet">${t('relay.text')}</p>
      <${Field} draft=${draft} name="isRelay" />
      ${targets.length === 0 && html`<p class="quiet">${t('relay.none')}</p>`}
      ${targets.map(({ id, address }, at) => html`<${Target} key=${id} number=${at + 1} address=${address}
        isSaved=${states.has(address.trim())} error=${address.includes(',') ? t('relay.comma') : null}
        change=${(text) => edit(targets.with(at, { id, address: text }))} remove=${() => remove(at)}>
        <${Status} isSaved=${states.has(address.trim())} isOn=${record.isRelay} isLive=${Boolean(session)}
          output=${states.get(address.trim())} />
      </${Target}>`)}
      ${draft.errors.relayURL && html`<p class="form-problem" role="alert">${draft.errors.relayURL}</p>`}
      <p class="quiet" role="status">${said}</p>
      <div class="row">
        <button type="button" class="add" onClick=${add} disabled=${targets.length >= MOST || draft.saving}>
          <${Icon} name="plus" />${t('relay.add')}
        </button>
        ${targets.length >= MOST && html`<small>${t('relay.most', { count: MOST })}</small>`}
      </div>
      ${!isOn && targets.some(({ address }) => address) && html`<p class="note" role="status">${t('relay.unused')}</p>`}
      ${task && html`<${Failure} task=${task} />`}
    </section>
    <section class="card">
      <h2>${t('relay.where')}</h2>
      <p>${t('relay.youtube')} <code>rtmps://a.rtmps.youtube.com/live2/${t('relay.key')}</code></p>
      <p>${t('relay.twitch')} <code>rtmps://ingest.global-contribute.live-video.net/app/${t('relay.key')}</code></p>
      <p>${t('relay.other')} <code>rtmp://live.example.com/live/${t('relay.key')}</code></p>
      <p class="quiet">${t('relay.secret')}</p>
    </section>
  </${DraftForm}>`;
}

/// One target: its address with the key hidden, and how it goes.
function Target({ number, address, error, isSaved, change, remove, children }) {
  // What is being typed is seen; what was saved hides its key until asked.
  const [shows, setShows] = useState(address === '');
  useEffect(() => {
    if (isSaved) setShows(false);
  }, [isSaved]);
  const label = t('relay.target', { number });
  const turn = t(shows ? 'do.hide' : 'do.show');
  return html`<div class="target">
    <${Row} name="relayURL" label=${label} help=${address ? null : t('relay.help')} error=${error}>${(given) => html`
      <span class="joined">
        <input ...${given} type="text" inputmode="url" dir="ltr" autocomplete="off" spellcheck=${false}
          value=${shows ? address : hidden(address)} readonly=${!shows} aria-invalid=${error ? 'true' : undefined}
          onInput=${(event) => change(event.target.value)} />
        <button type="button" aria-label="${turn}: ${label}" onClick=${() => setShows(!shows)}>${turn}</button>
        <button type="button" class="icon-only" aria-label=${t('relay.remove', { number })} onClick=${remove}>
          <${Icon} name="trash" />
        </button>
      </span>`}</${Row}>
    <p class="target-state">${children}</p>
  </div>`;
}

function Status({ isSaved, isOn, isLive, output }) {
  if (!isSaved) return html`<span class="badge">${t('relay.saveFirst')}</span>`;
  if (!isOn) return html`<span class="badge">${t('relay.off')}</span>`;
  if (!isLive) return html`<span class="badge">${t('relay.offline')}</span>`;
  return html`
    <${TaskBadge} state=${output?.state ?? 'starting'} />
    ${output?.bitrate > 0 && html`<span>${flow(output.bitrate)}</span>`}
    ${output?.problem && html`<span class="error" lang="en">${problemOf(output)}</span>`}`;
}

/// The list of targets behind the one text that the platform keeps. Rows that are empty still live here alone.
function useTargets(draft) {
  const text = draft.value('relayURL');
  const given = useMemo(() => split(text).map(row), [text]);
  const [edited, setEdited] = useState(given);
  const edit = (next) => {
    setEdited(next);
    draft.set('relayURL', join(next));
  };
  // Discarded, or somebody else's: the list is what the text says.
  return [split(join(edited)).join() === split(text).join() ? edited : given, edit];
}

let last = 0;

/// A row keeps its name when others go, and with it whether its key is shown.
function row(address) {
  return { id: ++last, address };
}

function split(text) {
  return text.split(',').map((one) => one.trim()).filter(Boolean);
}

function join(rows) {
  return rows.map(({ address }) => address.trim()).filter(Boolean).join();
}

/// `rtmp://host/app/key` as `rtmp://host/app/••••`.
function hidden(address) {
  const [, shown, key] = /^(\w+:\/\/[^/?]*\/[^/?]*[/?]?)(.*)$/.exec(address) ?? [null, '', address];
  return shown + (key && '•'.repeat(8));
}

/// What the platform says of each address: it names them in their order, without what may be a credential
/// (`rtmp://host/app/..`), and those that it cannot use as `target 2`. The first that fits and is not taken yet counts.
function match(addresses, outputs) {
  const left = [...outputs];
  return new Map(addresses.map((address, at) => {
    const found = left.findIndex(({ name }) => name === `target ${at + 1}` || place(name) === place(address));
    return [address, found < 0 ? undefined : left.splice(found, 1)[0]];
  }));
}

/// Host, port and application, in lower case and without the usual port.
function place(address) {
  const [, scheme, user, app] = /^(rtmps?):\/\/([^/?]*)\/([^/?]*)/i.exec(address) ?? [];
  if (!scheme) return null;
  const host = user.split('@').at(-1).toLowerCase();
  return `${host.replace(scheme.toLowerCase() === 'rtmps' ? /:443$/ : /:1935$/, '')}/${app}`;
}
