// What the console says, in the operator's language: words, numbers, times, sizes.

import { words as common } from '../words/common.js';
import { useEffect, useState } from './ui.js';

/// A language's tag, its own name, and its place in the pairs of `words/*.js`.
export const LANGUAGES = [
  { tag: 'en', name: 'English', at: 0 },
  { tag: 'zh', name: '中文', at: 1 },
];
const KEPT = 'lsv.language';

const dictionary = new Map(Object.entries(common));
const listeners = new Set();
let language = chosen();

/// Takes the words of a page into the dictionary: `{ 'channels.title': ['Channels', '频道'] }`.
export function know(words) {
  for (const [key, pair] of Object.entries(words)) dictionary.set(key, pair);
}

/// The words under `key`, with `{name}` replaced by what is given. With a `count` of 1 those under `key.one`, if there are.
export function t(key, given = {}) {
  const pair = (given.count === 1 && dictionary.get(`${key}.one`)) || dictionary.get(key);
  if (!pair) return key;
  return pair[language.at].replace(/\{(\w+)\}/g, (whole, name) => {
    const value = given[name];
    if (value === undefined) return whole;
    return typeof value === 'number' ? number(value) : value;
  });
}

/// Whether there are words under `key`.
export function has(key) {
  return dictionary.has(key);
}

export function currentLanguage() {
  return language;
}

export function setLanguage(tag) {
  language = LANGUAGES.find((known) => known.tag === tag) ?? LANGUAGES[0];
  localStorage.setItem(KEPT, language.tag);
  document.documentElement.lang = language.tag;
  for (const listener of listeners) listener();
}

/// Draws the component again when the language changes.
export function useLanguage() {
  const [, redraw] = useState(0);
  useEffect(() => {
    const listener = () => redraw((count) => count + 1);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, []);
  return language;
}

function chosen() {
  const wanted = [localStorage.getItem(KEPT), ...navigator.languages].filter(Boolean);
  for (const tag of wanted) {
    const known = LANGUAGES.find((one) => tag.toLowerCase().split('-')[0] === one.tag);
    if (known) return known;
  }
  return LANGUAGES[0];
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(language.tag, { maximumFractionDigits: digits }).format(value);
}

export function percent(share) {
  return new Intl.NumberFormat(language.tag, { style: 'percent', maximumFractionDigits: 0 }).format(share);
}

/// `2026-11-24T18:00:00Z` as a date and time of the operator's clock.
export function dateTime(text) {
  return format(text, { dateStyle: 'medium', timeStyle: 'short' });
}

export function date(text) {
  return format(text, { dateStyle: 'medium' });
}

export function clock(text) {
  return format(text, { timeStyle: 'medium' });
}

function format(text, options) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? '' : new Intl.DateTimeFormat(language.tag, options).format(time);
}

/// How long ago or ahead `text` is: `3 minutes ago`, `in 2 days`.
export function relative(text, now = Date.now()) {
  const seconds = (Date.parse(text) - now) / 1000;
  if (Number.isNaN(seconds)) return '';
  const [, unit, size] = STEPS.find(([below]) => Math.abs(seconds) < below);
  return new Intl.RelativeTimeFormat(language.tag, { numeric: 'auto' }).format(Math.round(seconds / size), unit);
}

const STEPS = [
  [45, 'second', 1],
  [2700, 'minute', 60],
  [79200, 'hour', 3600],
  [2246400, 'day', 86400],
  [28512000, 'month', 2629800],
  [Infinity, 'year', 31557600],
];

/// Bits a second: `3.2 Mbit/s`.
export function bitRate(bits) {
  if (bits >= 1e6) return `${number(bits / 1e6, 1)} Mbit/s`;
  return `${number(bits / 1e3)} kbit/s`;
}

/// Bytes: `1.4 GB`.
export function bytes(count) {
  const step = [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']].find(([size]) => count >= size);
  return step ? `${number(count / step[0], 1)} ${step[1]}` : `${number(count)} B`;
}

/// Seconds as on a clock: `1:02:03`, `2:03`.
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (part) => String(part).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
