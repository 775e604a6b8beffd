// Chooses a day: the one before, the one after, today, or any by the calendar. The day is in the address.

import { Icon } from '../icons.js';
import { amend } from '../router.js';
import { html } from '../ui.js';
import { t } from '../words.js';
import { asDay, shifted, today } from './listing.js';
import './words.js';

export function DayPicker({ day, refresh }) {
  const now = today();
  // A list that was turned to its third page begins anew on another day.
  const choose = (next) => amend({ day: next === now ? '' : next, page: '' });
  const step = (count, icon, label) => html`<button type="button" class="icon-only" aria-label=${label}
    disabled=${count > 0 && day >= now} onClick=${() => choose(shifted(day, count))}><${Icon} name=${icon} /></button>`;
  return html`<div class="row day-picker" role="group" aria-label=${t('day.label')}>
    <div class="joined">
      ${step(-1, 'back', t('day.previous'))}
      <input type="date" aria-label=${t('day.label')} value=${day} max=${now}
        onChange=${(event) => choose(asDay(event.target.value))} />
      ${step(1, 'forward', t('day.next'))}
    </div>
    <button type="button" disabled=${day === now} onClick=${() => choose(now)}>${t('day.today')}</button>
    <button type="button" class="icon-only" aria-label=${t('day.refresh')} title=${t('day.refresh')} onClick=${refresh}>
      <${Icon} name="refresh" /></button>
  </div>`;
}
