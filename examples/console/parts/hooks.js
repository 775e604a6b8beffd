// What pages do all the time: load something, ask for it again and again, remember a setting of this browser.

import { useCallback, useEffect, useRef, useState } from './ui.js';

/// Loads by `load(signal)` when the component appears and when `of` changes.
/// Answers `{ data, problem, loading, reload, set }`; `data` stays while it is loaded again.
export function useLoad(load, of = []) {
  const [state, setState] = useState({ data: null, problem: null, loading: true });
  const [round, setRound] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setState((old) => ({ ...old, loading: true }));
    load(abort.signal).then(
      (data) => abort.signal.aborted || setState({ data, problem: null, loading: false }),
      (problem) => abort.signal.aborted || setState((old) => ({ ...old, problem, loading: false })),
    );
    return () => abort.abort();
  }, [...of, round]);
  const reload = useCallback(() => setRound((count) => count + 1), []);
  const set = useCallback((data) => setState({ data, problem: null, loading: false }), []);
  return { ...state, reload, set };
}

/// As `useLoad`, and again `ms` after an answer, or when the page is seen after that.
export function usePoll(load, ms, of = []) {
  const loaded = useLoad(load, of);
  const { loading, reload } = loaded;
  useEffect(() => {
    if (loading) return undefined;
    const due = Date.now() + ms;
    let timer = 0;
    const wait = () => {
      clearTimeout(timer);
      if (document.visibilityState !== 'visible') return;
      if (Date.now() >= due) reload();
      else timer = setTimeout(wait, Math.min(due - Date.now(), LONGEST_MS));
    };
    wait();
    document.addEventListener('visibilitychange', wait);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wait);
    };
  }, [loading, ms, ...of]);
  return loaded;
}

/// What this browser remembers under `key`; `initial` if it is nothing.
export function kept(key, initial) {
  try {
    return JSON.parse(localStorage.getItem(`lsv.${key}`)) ?? initial;
  } catch {
    return initial;
  }
}

/// The same, and how to change it.
export function useKept(key, initial) {
  const [value, setValue] = useState(() => kept(key, initial));
  const keep = useCallback((next) => {
    localStorage.setItem(`lsv.${key}`, JSON.stringify(next));
    setValue(next);
  }, [key]);
  return [value, keep];
}

/// True for a moment after `flash()`, as for "Copied".
export function useFlash(ms = 1500) {
  const [on, setOn] = useState(false);
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const flash = useCallback(() => {
    setOn(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setOn(false), ms);
  }, [ms]);
  return [on, flash];
}

/// Whether the element of `ref` has come into view; stays true.
export function useSeen(ref) {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (seen || !ref.current) return undefined;
    const observer = new IntersectionObserver(([entry]) => entry.isIntersecting && setSeen(true), { rootMargin: '200px' });
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [seen]);
  return seen;
}

/// Timers hold no more.
const LONGEST_MS = 2 ** 31 - 1;
