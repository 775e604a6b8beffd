// What a page shows when there is nothing to show yet: loading, a problem, an empty list that teaches.

import { Icon } from './icons.js';
import { html } from './ui.js';
import { t } from './words.js';

export function Loading() {
  return html`<p class="loading" role="status">${t('say.loading')}</p>`;
}

/// A problem as a sentence, with a way to try again.
export function Trouble({ problem, retry }) {
  return html`<div class="trouble" role="alert">
    <${Icon} name="alert" />
    <p>${problem.sentence ?? String(problem)}</p>
    ${retry && html`<button type="button" onClick=${retry}>${t('do.retry')}</button>`}
  </div>`;
}

/// Draws `children(data)` of what `useLoad` or `usePoll` answers; old data stays on screen under a problem.
export function Loaded({ of, children }) {
  const { data, problem, reload } = of;
  return html`
    ${problem && html`<${Trouble} problem=${problem} retry=${reload} />`}
    ${data === null && !problem && html`<${Loading} />`}
    ${data !== null && children(data)}
  `;
}

/// An empty list: what would be here, and how to get it.
export function Empty({ icon, title, children }) {
  return html`<div class="empty">
    ${icon && html`<${Icon} name=${icon} />`}
    <h2>${title}</h2>
    ${children}
  </div>`;
}

/// Whether a channel is live, in a word and a colour.
export function LiveBadge({ live }) {
  return html`<span class="badge ${live ? 'is-live' : ''}">${live ? t('say.live') : t('say.offline')}</span>`;
}

/// How far something is, 0 to 1; without a share, that it goes on.
export function Progress({ share, label }) {
  return html`<label class="progress"><span>${label}</span><progress value=${share} max="1"></progress></label>`;
}
