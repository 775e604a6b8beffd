// Short messages that come and go, told to screen readers as well.

import { Icon } from './icons.js';
import { html, useEffect, useState } from './ui.js';
import { t } from './words.js';

const STAY_MS = 6000;
let shown = [];
let redraw = () => {};
let last = 0;

/// Tells the operator that something was done, or (`problem`) what went wrong; `undo` puts a button beside it.
export function notify(text, { problem = false, undo = null } = {}) {
  const id = ++last;
  shown = [...shown.slice(-2), { id, text, problem, undo }];
  redraw(shown);
  setTimeout(() => dismiss(id), problem ? STAY_MS * 2 : STAY_MS);
}

/// The same for what was thrown.
export function complain(error) {
  notify(error.sentence ?? String(error), { problem: true });
}

function dismiss(id) {
  shown = shown.filter((one) => one.id !== id);
  redraw(shown);
}

export function Toasts() {
  const [list, setList] = useState(shown);
  useEffect(() => {
    redraw = setList;
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${list.map(({ id, text, problem, undo }) => html`<div key=${id} class="toast ${problem ? 'is-problem' : ''}">
      <${Icon} name=${problem ? 'alert' : 'check'} />
      <span>${text}</span>
      ${undo && html`<button type="button" class="plain" onClick=${() => (dismiss(id), undo.act())}>${undo.label}</button>`}
      <button type="button" class="plain icon-only" aria-label=${t('do.close')} onClick=${() => dismiss(id)}><${Icon} name="close" /></button>
    </div>`)}
  </div>`;
}
