// The motion of a day: marks on a line from midnight to midnight, and the events with their pictures.

import { usePoll } from '../../../parts/hooks.js';
import { pageOf, Pager } from '../../../parts/pager.js';
import { RecordingCard } from '../../../parts/recordings/card.js';
import { began, bounds, recordingsOf, remove, steady } from '../../../parts/recordings/listing.js';
import { PlayerDialog } from '../../../parts/recordings/player.js';
import { Empty, Loaded, Progress } from '../../../parts/states.js';
import { html, useRef, useState } from '../../../parts/ui.js';
import { clock, duration, know, t } from '../../../parts/words.js';

know({
  'motion.count': ['{count} events', '{count} 个事件'],
  'motion.count.one': ['1 event', '1 个事件'],
  'motion.line': [
    '{count} events between {first} and {last}. The list below has them all.',
    '{first} 至 {last} 之间共 {count} 个事件，详见下方列表。',
  ],
  'motion.none': ['Nothing moved on this day', '当天没有移动事件'],
  'motion.isOff': [
    'Turn on “Look for motion” above and save. While the channel is live, what moves is kept as a clip and a picture, and shown here on a line of the day.',
    '请在上方开启“移动侦测”并保存。直播期间，发生移动时会保存片段和截图，并显示在当天的时间轴上。',
  ],
  'motion.isOn': [
    'The platform looks for motion while the channel is live. If it misses what you want to see, lower the share of the picture or the change of a pixel.',
    '频道直播时平台会侦测移动。若有遗漏，请降低画面变化比例或像素变化阈值。',
  ],
});

const PAGE = 24;
const GROWING_MS = 15_000;
const NEVER_MS = 2 ** 31 - 1;
/// A picture belongs to a clip that begins up to so long after it, as the two are written by themselves.
const SLACK_MS = 2000;
/// A mark is at least so wide, in thousandths of the day, that it is seen.
const LEAST = 3;

export function Events({ record, day, isGrowing, round, page: wanted }) {
  const { id } = record;
  const [count, setCount] = useState(0);
  const [open, setOpen] = useState(null);
  const known = useRef([]);
  const loaded = usePoll(async (signal) => {
    const told = (some) => !signal.aborted && setCount(some);
    known.current = steady(await recordingsOf(id, ['motion-clip', 'motion-snapshot'], day, { signal, told }), known.current);
    return paired(known.current);
  }, isGrowing ? GROWING_MS : NEVER_MS, [id, round]);
  const reading = loaded.data === null && count > 0 && !loaded.problem;
  if (reading) return html`<${Progress} label=${t('day.reading', { count })} />`;
  return html`<${Loaded} of=${loaded}>${(events) => {
    if (events.length === 0) {
      return html`<${Empty} icon="motion" title=${t('motion.none')}>
        <p>${t(record.isMotion ? 'motion.isOn' : 'motion.isOff')}</p>
      </${Empty}>`;
    }
    const { page, pages, shown } = pageOf(events, wanted, PAGE);
    const at = events.findIndex(({ recording }) => recording.name === open);
    const to = (index) => (events[index] ? () => setOpen(events[index].recording.name) : null);
    const drop = async (event) => {
      if (!(await remove(id, event.recording, event.pictures))) return;
      setOpen(null);
      loaded.set(events.filter((one) => one !== event));
    };
    return html`
      <${Line} events=${events} day=${day} show=${setOpen} />
      <p class="quiet" role="status">${t('motion.count', { count: events.length })}</p>
      <ul class="recordings">${shown.map((event) => html`<${RecordingCard} key=${event.recording.name} recording=${event.recording}
        picture=${event.pictures[0]} play=${() => setOpen(event.recording.name)} remove=${() => drop(event)} />`)}</ul>
      <${Pager} page=${page} pages=${pages} turned=${() => document.getElementById('motion-events').scrollIntoView()} />
      ${at >= 0 && html`<${PlayerDialog} recording=${events[at].recording} newer=${to(at - 1)} older=${to(at + 1)}
        remove=${() => drop(events[at])} onClose=${() => setOpen(null)} />`}`;
  }}</${Loaded}>`;
}

/// Clips with the pictures that were taken in them; a picture without a clip is an event of its own. The newest is first.
function paired(items) {
  const clips = items.filter(({ kind }) => kind === 'motion-clip').map((recording) => ({ recording, pictures: [] }));
  const alone = [];
  for (const picture of items.filter(({ kind }) => kind === 'motion-snapshot')) {
    const time = began(picture);
    // Newest first: the clip that began last before the picture.
    const clip = clips.find(({ recording }) => began(recording) <= time + SLACK_MS);
    const isIn = clip && time <= began(clip.recording) + (clip.recording.length ?? 0) * 1000 + SLACK_MS;
    if (isIn) clip.pictures.unshift(picture);
    else alone.push({ recording: picture, pictures: [] });
  }
  return [...clips, ...alone].sort((one, other) => began(other.recording) - began(one.recording));
}

/// The day as a line. It is one picture with words; its marks can be clicked, and all that they open is in the list as well.
function Line({ events, day, show }) {
  const { start, end } = bounds(day);
  const at = (moment) => ((moment - start) / (end - start)) * 1000;
  const time = ({ recording }) => clock(new Date(began(recording)));
  const label = t('motion.line', { count: events.length, first: time(events.at(-1)), last: time(events[0]) });
  const hours = [0, 3, 6, 9, 12, 15, 18, 21, 24];
  return html`<figure class="day-line">
    <svg viewBox="0 0 1000 40" preserveAspectRatio="none" role="img" aria-label=${label}>
      ${hours.slice(1, -1).map((hour) => html`<path key=${hour} class="hour" d="M${(hour / 24) * 1000} 0v40" />`)}
      ${events.map((event) => {
        const { name, length } = event.recording;
        const width = Math.max(LEAST, ((length ?? 0) * 1e6) / (end - start));
        return html`<rect key=${name} class="event" x=${at(began(event.recording)).toFixed(2)} y="4" width=${width.toFixed(2)} height="32"
          onClick=${() => show(name)}><title>${time(event)} · ${duration(Math.round(length ?? 0))}</title></rect>`;
      })}
    </svg>
    <div class="day-hours" aria-hidden="true">
      ${hours.map((hour) => html`<span key=${hour}>${String(hour).padStart(2, '0')}</span>`)}
    </div>
  </figure>`;
}
