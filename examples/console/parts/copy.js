// A value to take elsewhere: shown whole, copied with one click, and as a QR code.

import { Dialog } from './dialog.js';
import { useFlash } from './hooks.js';
import { Icon } from './icons.js';
import { Qr } from './qr.js';
import { notify } from './toast.js';
import { html, useId, useRef, useState } from './ui.js';
import { t } from './words.js';

/// Copies `value`. Without HTTPS there is no clipboard, but the old way works from a click, on what `select()` has selected.
async function take(value, done, select) {
  try {
    await navigator.clipboard.writeText(value);
    done();
  } catch {
    select();
    if (document.execCommand('copy')) done();
    else notify(t('say.copyFailed'), { problem: true });
  }
}

/// `secret` hides the value until it is asked for; it is copied and drawn all the same.
export function CopyField({ label, value, qr = false, secret = false, hint = null }) {
  const id = useId();
  const input = useRef(null);
  const [copied, flash] = useFlash();
  const [shows, setShows] = useState(!secret);
  const [code, setCode] = useState(false);
  const copy = () => take(value, flash, () => {
    setShows(true);
    input.current.type = 'text';
    input.current.select();
  });
  return html`<div class="copy-field">
    <label for=${id}>${label}</label>
    <div class="joined">
      <input id=${id} ref=${input} readonly spellcheck=${false} type=${shows ? 'text' : 'password'} value=${value}
        autocomplete="off" onFocus=${(event) => event.target.select()} />
      ${secret && html`<button type="button" aria-label="${shows ? t('do.hide') : t('do.show')}: ${label}" onClick=${() => setShows(!shows)}>${shows ? t('do.hide') : t('do.show')}</button>`}
      <button type="button" aria-label="${t('do.copy')}: ${label}" onClick=${copy}><${Icon} name=${copied ? 'check' : 'copy'} /><span>${copied ? t('do.copied') : t('do.copy')}</span></button>
      ${qr && html`<button type="button" class="icon-only" aria-label="${t('do.qr')}: ${label}" onClick=${() => setCode(true)}><${Icon} name="qr" /></button>`}
    </div>
    ${hint && html`<small>${hint}</small>`}
    ${code && html`<${Dialog} title=${label} onClose=${() => setCode(false)}>
      <${Qr} text=${value} label="${t('do.qr')}: ${label}" />
      <p class="address">${secret ? '' : value}</p>
    </${Dialog}>`}
  </div>`;
}

/// A command or a piece of code: shown whole over several lines, and copied with one click.
export function CopyBlock({ label, value }) {
  const id = useId();
  const code = useRef(null);
  const [copied, flash] = useFlash();
  const copy = () => take(value, flash, () => getSelection().selectAllChildren(code.current));
  return html`<figure class="copy-block" aria-labelledby=${id}>
    <figcaption id=${id}>${label}</figcaption>
    <pre><code ref=${code}>${value}</code></pre>
    <button type="button" aria-label="${t('do.copy')}: ${label}" onClick=${copy}><${Icon} name=${copied ? 'check' : 'copy'} /><span>${copied ? t('do.copied') : t('do.copy')}</span></button>
  </figure>`;
}
