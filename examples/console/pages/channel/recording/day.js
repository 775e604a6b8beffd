// The recordings of one kind that began on one day.

import { usePoll } from '../../../parts/hooks.js';
import { pageOf, Pager } from '../../../parts/pager.js';
import { RecordingCard } from '../../../parts/recordings/card.js';
import { recordingsOf, remove, steady } from '../../../parts/recordings/listing.js';
import { PlayerDialog } from '../../../parts/recordings/player.js';
import { href } from '../../../parts/router.js';
import { Empty, Loaded, Progress } from '../../../parts/states.js';
import { html, useRef, useState } from '../../../parts/ui.js';
import { date, know, t } from '../../../parts/words.js';

know({
  'recording.count': ['{count} on {day}', '{day} 共 {count} 个'],
  'recording.empty.file': ['No MP4 files of this day', '当天没有 MP4 文件'],
  'recording.empty.on-demand': ['No sessions of this day', '当天没有点播回放'],
  'recording.empty.snapshot': ['No pictures of this day', '当天没有截图'],
  'recording.empty.isOff': [
    'They would be here, newest first. Turn the switch above on and save; then publish to the channel, with OBS or ffmpeg.',
    '录制内容会按时间倒序显示在这里。请打开上方的开关并保存，然后使用 OBS 或 ffmpeg 向频道推流。',
  ],
  'recording.empty.isOn': [
    'Recording is on: as soon as somebody publishes, what is recorded appears here. A file appears when it is complete.',
    '录制已开启：开始推流后，录制内容会显示在这里。文件在写完后出现。',
  ],
  'recording.empty.how': ['How to publish', '如何推流'],
});

const PAGE = 24;
/// While the channel is live, the day of today is asked for again; a long one is not, as that is work for the platform.
const GROWING_MS = 15_000;
const LONG = 1000;
const NEVER_MS = 2 ** 31 - 1;

export function Day({ record, kind, day, isOn, isGrowing, round, changed, page: wanted }) {
  const { id } = record;
  const [count, setCount] = useState(0);
  const known = useRef([]);
  const [open, setOpen] = useState(null);
  const pace = isGrowing && known.current.length < LONG ? GROWING_MS : NEVER_MS;
  const loaded = usePoll(async (signal) => {
    const items = await recordingsOf(id, [kind], day, { signal, told: (some) => !signal.aborted && setCount(some) });
    known.current = steady(items, known.current);
    return known.current;
  }, pace, [id, round]);
  const reading = loaded.data === null && count > 0 && !loaded.problem;
  if (reading) return html`<${Progress} label=${t('day.reading', { count })} />`;
  return html`<${Loaded} of=${loaded}>${(items) => {
    if (items.length === 0) return html`<${Nothing} id=${id} kind=${kind} isOn=${isOn} />`;
    const { page, pages, shown } = pageOf(items, wanted, PAGE);
    const at = items.findIndex(({ name }) => name === open);
    const drop = async (recording) => {
      if (!(await remove(id, recording))) return;
      setOpen(null);
      loaded.set(items.filter(({ name }) => name !== recording.name));
      changed();
    };
    const to = (index) => (items[index] ? () => setOpen(items[index].name) : null);
    return html`
      <p class="quiet" role="status">${t('recording.count', { count: items.length, day: date(`${day}T12:00:00`) })}</p>
      <ul class="recordings">${shown.map((recording) => html`<${RecordingCard} key=${recording.name} recording=${recording}
        play=${() => setOpen(recording.name)} remove=${() => drop(recording)} />`)}</ul>
      <${Pager} page=${page} pages=${pages} turned=${() => document.getElementById('recording-list').scrollIntoView()} />
      ${at >= 0 && html`<${PlayerDialog} recording=${items[at]} newer=${to(at - 1)} older=${to(at + 1)}
        remove=${() => drop(items[at])} onClose=${() => setOpen(null)} />`}`;
  }}</${Loaded}>`;
}

function Nothing({ id, kind, isOn }) {
  return html`<${Empty} icon="onDemand" title=${t(`recording.empty.${kind}`)}>
    <p>${t(isOn ? 'recording.empty.isOn' : 'recording.empty.isOff')}</p>
    <a class="button" href=${href(['channels', id, 'addresses'])}>${t('recording.empty.how')}</a>
  </${Empty}>`;
}
