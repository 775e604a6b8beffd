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

/// As `useLoad`, and again every `ms` after an answer, while the page is seen.
export function usePoll(load, ms, of = []) {
  const loaded = useLoad(load, of);
  const { loading, reload } = loaded;
  useEffect(() => {
    if (loading) return undefined;
    const due = () => document.visibilityState === 'visible' && reload();
    const timer = setTimeout(due, ms);
    document.addEventListener('visibilitychange', due);
    return () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', due);
    };
  }, [loading, ms, ...of]);
  return loaded;
}

/// A value that this browser remembers under `key`.
export function useKept(key, initial) {
  const [value, setValue] = useState(() => {
    try {
      return JSON.parse(localStorage.getItem(`lsv.${key}`)) ?? initial;
    } catch {
      return initial;
    }
  });
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
