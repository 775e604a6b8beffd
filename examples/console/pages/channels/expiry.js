// Until when a channel may be pushed to, and how near that is.

import { html } from '../../parts/ui.js';
import { date, dateTime, relative, t } from '../../parts/words.js';
import './words.js';

const DAY_MS = 86_400_000;
const NEAR_MS = 14 * DAY_MS;

/// `past`, `near` or `fine`.
export function expiryState(outdate, now = Date.now()) {
  const left = Date.parse(outdate) - now;
  if (left < 0) return 'past';
  return left < NEAR_MS ? 'near' : 'fine';
}

export function Expiry({ outdate }) {
  const state = expiryState(outdate);
  if (state === 'fine') return html`<span class="quiet">${t('expiry.fine', { date: date(outdate) })}</span>`;
  return html`<span class="badge ${state === 'past' ? 'is-bad' : 'is-warn'}" title=${dateTime(outdate)}>${t(`expiry.${state}`, { when: relative(outdate) })}</span>`;
}

/// The day that is one year on, as `<input type=date>` has it.
export function nextYear() {
  const day = new Date();
  day.setUTCFullYear(day.getUTCFullYear() + 1);
  return day.toISOString().slice(0, 10);
}

/// What a day or time means, as the platform takes it: a day counts to its end in UTC.
export function untilWhen(outdate) {
  const end = /^\d{4}-\d{2}-\d{2}$/.test(outdate) ? `${outdate}T23:59:59Z` : outdate;
  if (Number.isNaN(Date.parse(end))) return null;
  if (expiryState(end) === 'past') return t('channels.past');
  return t('help.until', { time: dateTime(end), when: relative(end) });
}
