// What was recorded: days by the operator's clock, when a recording began, and how it is listed and removed.

import { all, call, channelPath } from '../api.js';
import { confirm } from '../dialog.js';
import { complain, notify } from '../toast.js';
import { clock, date, t } from '../words.js';

/// A long session has many segments, which take their time to go.
const PATIENCE_MS = 120_000;

/// Today by the operator's clock, as `2026-11-24`.
export function today() {
  return dayOf(new Date());
}

/// The day that a moment is in, by the operator's clock.
export function dayOf(moment) {
  const two = (part) => String(part).padStart(2, '0');
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/// `day` if it is one that there is and not to come; today otherwise.
export function asDay(day) {
  return /^\d{4}-\d\d-\d\d$/.test(day ?? '') && !Number.isNaN(Date.parse(day)) && day <= today() ? day : today();
}

/// The day `count` days later.
export function shifted(day, count) {
  const [year, month, date] = day.split('-').map(Number);
  return dayOf(new Date(year, month - 1, date + count));
}

/// Where a day begins and where the next one does, in milliseconds: 23 to 25 hours, as clocks are changed.
export function bounds(day) {
  const begin = (text) => new Date(`${text}T00:00:00`).getTime();
  return { start: begin(day), end: begin(shifted(day, 1)) };
}

/// When a recording began, in milliseconds: its name tells, as `time` is when it was complete.
export function began({ name, time }) {
  const found = /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(?:\.(\d+))?Z/.exec(name);
  if (!found) return Date.parse(time);
  const [, year, month, date, hour, minute, second, fraction = '0'] = found;
  return Date.parse(`${year}-${month}-${date}T${hour}:${minute}:${second}.${fraction.slice(0, 3)}Z`);
}

/// When it began, to the second: several may begin within a minute.
export function timeOf(recording) {
  const time = new Date(began(recording));
  return `${date(time)} ${clock(time)}`;
}

export function isPicture({ kind }) {
  return kind === 'snapshot' || kind === 'motion-snapshot';
}

/// What began on `day`, of `kinds`, newest first. The platform keeps days of UTC: one of the operator's lies in two of them.
/// `told` is called with the count of what came so far.
export async function recordingsOf(id, kinds, day, { signal, told = () => {} } = {}) {
  const { start, end } = bounds(day);
  const days = [...new Set([start, end - 1].map((moment) => new Date(moment).toISOString().slice(0, 10)))];
  const found = new Map();
  for (const kind of kinds) {
    for (const date of days) {
      const query = new URLSearchParams({ kind, day: date });
      const before = found.size;
      const wanted = (one) => one.kind === kind && began(one) >= start && began(one) < end;
      const items = await all(channelPath(id, `/recordings?${query}`), {
        signal,
        told: (some) => told(before + some.filter(wanted).length),
      });
      for (const one of items.filter(wanted)) found.set(one.name, one);
    }
  }
  return [...found.values()].sort(newestFirst);
}

export function newestFirst(one, other) {
  return began(other) - began(one);
}

/// `fresh` with the addresses that are known of the same recordings: each listing signs them anew, and a player that plays one
/// would begin again.
export function steady(fresh, known) {
  const before = new Map(known.map((one) => [one.name, one]));
  return fresh.map((one) => {
    const old = before.get(one.name);
    return old ? { ...one, url: old.url, thumbnails: old.thumbnails ?? one.thumbnails } : one;
  });
}

/// Removes a recording after asking: true when it is gone. With a clip goes its picture, if `beside` names it.
export async function remove(id, recording, beside = []) {
  const time = timeOf(recording);
  const text = t(`recording.delete.${recording.kind}`, { time });
  if (!(await confirm({ title: t('recording.deleteTitle'), text, action: t('do.delete') }))) return false;
  try {
    for (const one of [recording, ...beside]) await gone(id, one);
    notify(t('recording.deleted'));
    return true;
  } catch (problem) {
    complain(problem.kind === 'still-written' ? t('recording.stillWritten') : problem);
    return false;
  }
}

/// Who comes second finds nothing any more: that is what was wanted.
async function gone(id, { name }) {
  const path = name.split('/').map(encodeURIComponent).join('/');
  await call('DELETE', channelPath(id, `/recordings/${path}`), { patience: PATIENCE_MS }).catch((problem) => {
    if (problem.kind !== 'not-found') throw problem;
  });
}
