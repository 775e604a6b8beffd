// What happens on the platform, newest first, as the API streams it. A browser tries again by itself where the connection broke,
// and not where it was refused: that is asked for here.

import { address, call, session } from '../../parts/api.js';
import { useEffect, useState } from '../../parts/ui.js';

/// The names of events, as the stream has them.
export const KINDS = [
  'published', 'unpublished', 'rejected', 'recording-written', 'recording-gap', 'motion', 'task-started', 'task-stopped',
  'task-failed', 'channel-created', 'channel-changed', 'channel-deleted',
];
const KEPT = 500;
/// Events come in crowds: the page is drawn once for each.
const CROWD_MS = 250;
const AGAIN_MS = 5000;

/// Answers `{ events, state, total }`: up to 500 events `{ key, event, at, channel, … }`, `connecting`, `open`, `broken` or
/// `signed-out`, and how many came in all.
export function useFeed() {
  const [feed, setFeed] = useState({ events: [], state: 'connecting', total: 0 });
  useEffect(() => listen((change) => setFeed(change)), []);
  return feed;
}

function listen(change) {
  const seen = new Set();
  let count = 0;
  let crowd = [];
  let source = null;
  let [crowding, retrying] = [0, 0];
  let gone = false;
  const say = (state) => gone || change((old) => (old.state === state ? old : { ...old, state }));
  const show = () => {
    const fresh = crowd.reverse();
    crowd = [];
    crowding = 0;
    change((old) => ({ ...old, events: [...fresh, ...old.events].slice(0, KEPT), total: old.total + fresh.length }));
  };
  const take = (happened) => {
    count += 1;
    crowd.push({ ...happened, key: count });
    if (crowd.length > KEPT) crowd.shift();
    crowding ||= setTimeout(show, CROWD_MS);
  };
  const hear = ({ data, lastEventId: id }) => {
    // After a refusal the newest are asked for again.
    if (id && seen.has(id)) return;
    if (id) remember(seen, id);
    const happened = parsed(data);
    if (happened) take(happened);
  };
  const lose = ({ data }) => take({ event: 'lost', at: new Date().toISOString(), count: Number(data) || 0 });
  const open = () => {
    source = new EventSource(address('events?recent=100'));
    source.onopen = () => say('open');
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) refused();
      else say('broken');
    };
    for (const kind of KINDS) source.addEventListener(kind, hear);
    source.addEventListener('lost', lose);
  };
  /// It does not say why: if the session has ended, a call asks for the sign-in and waits for it.
  const refused = async () => {
    say('broken');
    try {
      if (!(await session()).signedIn) {
        say('signed-out');
        await call('GET', 'videostream?limit=1');
      }
    } catch {
      // Out of reach as well: later.
    }
    if (!gone) retrying = setTimeout(open, AGAIN_MS);
  };
  open();
  return () => {
    gone = true;
    source.close();
    clearTimeout(crowding);
    clearTimeout(retrying);
  };
}

function remember(seen, id) {
  seen.add(id);
  if (seen.size > 2 * KEPT) seen.delete(seen.values().next().value);
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
