// Short messages that come and go, told to screen readers as well.

import { Icon } from './icons.js';
import { html, useEffect, useState } from './ui.js';
import { t } from './words.js';

const STAY_MS = 6000;
const MOST = 3;
let shown = [];
let last = 0;
/// Where messages can be drawn: by the frame, and by each open dialog, outside of which nothing is heard. The last one does.
const places = [];

/// Tells the operator that something was done, or (`problem`) what went wrong; `undo` puts a button beside it. What is wrong and what
/// has a button stays until it is put away.
export function notify(text, { problem = false, undo = null } = {}) {
  const id = ++last;
  shown = [...shown.slice(1 - MOST), { id, text, problem, undo }];
  redraw();
  if (!problem && !undo) setTimeout(() => dismiss(id), STAY_MS);
}

function redraw() {
  for (const draw of places) draw({ isHere: draw === places.at(-1), shown });
}

/// The same for what was thrown.
export function complain(error) {
  notify(error.sentence ?? String(error), { problem: true });
}

function dismiss(id) {
  shown = shown.filter((one) => one.id !== id);
  redraw();
}

export function Toasts() {
  const [{ isHere, shown: list }, draw] = useState({ isHere: false, shown: [] });
  useEffect(() => {
    places.push(draw);
    redraw();
    return () => {
      places.splice(places.indexOf(draw), 1);
      redraw();
    };
  }, []);
  if (!isHere) return null;
  return html`<div class="toasts" role="status" aria-live="polite">
    ${list.map(({ id, text, problem, undo }) => html`<div key=${id} class="toast ${problem ? 'is-problem' : ''}">
      <${Icon} name=${problem ? 'alert' : 'check'} />
      <span>${text}</span>
      ${undo && html`<button type="button" class="plain" onClick=${() => (dismiss(id), undo.act())}>${undo.label}</button>`}
      <button type="button" class="plain icon-only" aria-label=${t('do.close')} onClick=${() => dismiss(id)}><${Icon} name="close" /></button>
    </div>`)}
  </div>`;
}
