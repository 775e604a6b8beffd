// Dialogs: the browser's own `<dialog>`, which keeps the focus inside and closes with Escape.

import { Icon } from './icons.js';
import { Toasts } from './toast.js';
import { html, useEffect, useId, useRef, useState } from './ui.js';
import { t } from './words.js';

/// A dialog that is open as long as it is drawn. `onClose` is called for Escape and the close button; without it, it stays.
export function Dialog({ title, onClose, wide = false, children }) {
  const ref = useRef(null);
  const label = useId();
  const isGone = useRef(false);
  useEffect(() => {
    const before = document.activeElement;
    const dialog = ref.current;
    dialog.showModal();
    return () => {
      isGone.current = true;
      // As long as it is open, nothing outside takes the focus.
      dialog.close();
      before?.focus?.();
    };
  }, []);
  const cancel = (event) => {
    event.preventDefault();
    onClose?.();
  };
  // Browsers close a dialog that is told to twice, whatever the page says.
  const closed = () => {
    if (isGone.current) return;
    if (onClose) onClose();
    else ref.current.showModal();
  };
  return html`<dialog ref=${ref} class=${wide ? 'wide' : ''} aria-labelledby=${label} onCancel=${cancel} onClose=${closed}>
    <header>
      <h2 id=${label}>${title}</h2>
      ${onClose && html`<button type="button" class="plain icon-only" aria-label=${t('do.close')} onClick=${onClose}><${Icon} name="close" /></button>`}
    </header>
    ${children}
    <${Toasts} />
  </dialog>`;
}

let ask = null;

/// Asks whether something is really to be done: a promise of true or false. `action` names the button.
export function confirm({ title, text, action, danger = true }) {
  return new Promise((resolve) => ask({ title, text, action, danger, resolve }));
}

/// Where `confirm` asks: drawn once, by the frame of the console.
export function Confirmations() {
  const [question, setQuestion] = useState(null);
  ask = setQuestion;
  if (!question) return null;
  const { title, text, action, danger, resolve } = question;
  const answer = (yes) => {
    setQuestion(null);
    resolve(yes);
  };
  return html`<${Dialog} title=${title} onClose=${() => answer(false)}>
    <p>${text}</p>
    <footer>
      <button type="button" onClick=${() => answer(false)}>${t('do.cancel')}</button>
      <button type="button" class=${danger ? 'danger' : 'primary'} onClick=${() => answer(true)}>${action}</button>
    </footer>
  </${Dialog}>`;
}
