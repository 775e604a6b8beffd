// All channels and which of them are live; what of them is wanted, and in which order.

import { all, call } from '../../parts/api.js';
import { usePoll } from '../../parts/hooks.js';
import { nameOf } from '../../parts/names.js';
import { useCallback, useRef, useState } from '../../parts/ui.js';
import { currentLanguage } from '../../parts/words.js';
import { expiryState } from './expiry.js';

/// Channels of one call: small, so that the first are seen at once.
const BATCH = 100;
const LIVE_MS = 3000;
/// The list is long and changes seldom; whoever is live is asked for by itself.
const LIST_MS = 60_000;

export const SORTS = ['live', 'name', 'newest', 'oldest', 'expiry', 'viewers'];
export const FILTERS = ['all', 'live', 'offline', 'expired'];

/// All channels: `data` holds those that came so far (`complete` says whether that is all).
export function useChannels() {
  const [early, setEarly] = useState([]);
  const [gone, setGone] = useState(() => new Set());
  const isWhole = useRef(false);
  const loaded = usePoll(async (signal) => {
    const told = (some) => isWhole.current || signal.aborted || setEarly(some);
    const records = await all(`videostream?limit=${BATCH}`, { signal, told });
    isWhole.current = true;
    setGone(new Set());
    return records;
  }, LIST_MS, []);
  const complete = loaded.data !== null;
  const known = loaded.data ?? (early.length ? early : null);
  const forget = useCallback((id) => setGone((old) => new Set(old).add(id)), []);
  return { ...loaded, data: known && known.filter(({ id }) => !gone.has(id)), complete, forget };
}

/// The live sessions by channel.
export function useLive() {
  return usePoll(async (signal) => {
    const { data } = await call('GET', 'videostream/online', { signal });
    return new Map(data.map((session) => [session.channel, session]));
  }, LIVE_MS, []);
}

export function viewersOf(session) {
  return Object.values(session?.viewers ?? {}).reduce((sum, count) => sum + count, 0);
}

/// Whether a channel belongs under a filter. One that has expired may still be live: then it is both.
export function passes(filter, record, live) {
  if (filter === 'all') return true;
  if (filter === 'live') return live.has(record.id);
  const expired = expiryState(record.outdate) === 'past';
  return filter === 'expired' ? expired : !expired && !live.has(record.id);
}

/// Whether every word of the search is in the name, the id or the description.
export function matcher(search) {
  const wanted = fold(search).split(/\s+/).filter(Boolean);
  return ({ id, videoname, description }) => {
    const text = fold(`${videoname}\n${id}\n${description}`);
    return wanted.every((word) => text.includes(word));
  };
}

function fold(text) {
  return text.normalize('NFKC').toLocaleLowerCase();
}

/// `records` in the order of one of SORTS; equal ones stay as they came, the newest first.
export function sorted(records, sort, live) {
  const names = new Intl.Collator(currentLanguage().tag, { numeric: true, sensitivity: 'base' });
  const text = (name) => (a, b) => (a[name] < b[name] ? -1 : Number(a[name] > b[name]));
  const byName = (a, b) => names.compare(nameOf(a), nameOf(b));
  const orders = {
    live: (a, b) => live.has(b.id) - live.has(a.id),
    name: byName,
    newest: (a, b) => text('createdAt')(b, a),
    oldest: text('createdAt'),
    expiry: text('outdate'),
    viewers: (a, b) => viewersOf(live.get(b.id)) - viewersOf(live.get(a.id)) || live.has(b.id) - live.has(a.id),
  };
  return [...records].sort(orders[sort]);
}
