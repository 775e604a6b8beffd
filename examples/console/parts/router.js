// Which page is open: `#/channels/cam/live?day=2026-11-24` is page `channels`, of `cam`, its tab `live`.

import { useEffect, useLayoutEffect, useState } from './ui.js';

const guards = new Set();

/// Where the address leads: `{ path: ['channels', 'cam', 'live'], query: URLSearchParams }`.
export function place() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  return { path: path.split('/').filter(Boolean).map(decode), query: new URLSearchParams(query) };
}

export function usePlace() {
  const [now, setNow] = useState(place);
  useEffect(() => {
    const moved = () => setNow(place());
    window.addEventListener('hashchange', moved);
    return () => window.removeEventListener('hashchange', moved);
  }, []);
  return now;
}

/// The address of a page, for links: href(['channels', id, 'live']).
export function href(path, query = {}) {
  const search = new URLSearchParams(query).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${search ? `?${search}` : ''}`;
}

export function go(path, query) {
  location.hash = href(path, query);
}

/// The same page with other words behind its `?`, without a step in the history: for what is typed or chosen in a list.
/// What is empty goes from the address.
export function amend(changes) {
  const { path, query } = place();
  const given = { ...Object.fromEntries(query), ...changes };
  history.replaceState(null, '', href(path, Object.fromEntries(Object.entries(given).filter(([, value]) => value))));
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}

/// Asks `may()`, a promise of a yes or no, before the operator leaves a page with what is not saved.
export function useGuard(isDirty, may) {
  // At once: who types and goes back in one breath is asked too.
  useLayoutEffect(() => {
    if (!isDirty) return undefined;
    guards.add(may);
    const closing = (event) => event.preventDefault();
    window.addEventListener('beforeunload', closing);
    return () => {
      guards.delete(may);
      window.removeEventListener('beforeunload', closing);
    };
  }, [isDirty]);
}

/// Asks every guard; true when all let the operator leave.
export async function mayLeave() {
  for (const may of guards) if (!(await may())) return false;
  guards.clear();
  return true;
}

// Whatever changes the page, a link or the way back: where something is not saved, the address stays until all guards let it go.
// This listens before any page does.
let here = location.hash;
window.addEventListener('hashchange', async (event) => {
  const wanted = location.hash;
  if (guards.size === 0 || pageOf(wanted) === pageOf(here)) {
    here = wanted;
    return;
  }
  event.stopImmediatePropagation();
  history.replaceState(null, '', here || '#/');
  if (await mayLeave()) location.hash = wanted;
});

function pageOf(hash) {
  return hash.split('?')[0];
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
