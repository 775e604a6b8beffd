// The dialog that makes a channel. What was typed is kept by the page, also when the dialog is closed, until the channel is made.

import { call } from '../../parts/api.js';
import { Dialog } from '../../parts/dialog.js';
import { fieldSentence, focusField, fieldName, Row } from '../../parts/form.js';
import { inSentence, nameOf } from '../../parts/names.js';
import { go } from '../../parts/router.js';
import { notify } from '../../parts/toast.js';
import { html, useState } from '../../parts/ui.js';
import { t } from '../../parts/words.js';
import { nextYear, untilWhen } from './expiry.js';

export function blankChannel() {
  return { videoname: '', description: '', id: '', outdate: nextYear(), isFlv: true, isHls: true, isCMAF: true };
}

/// `typed` and `setTyped` are the page's.
export function NewChannel({ typed, setTyped, close }) {
  const [{ busy, errors, problem }, setStatus] = useState({ busy: false, errors: {}, problem: null });
  const set = (name, value) => {
    setTyped((old) => ({ ...old, [name]: value }));
    setStatus((old) => ({ ...old, errors: { ...old.errors, [name]: undefined } }));
  };
  const submit = async (event) => {
    event.preventDefault();
    setStatus({ busy: true, errors: {}, problem: null });
    try {
      // What is empty takes its default.
      const body = Object.fromEntries(Object.entries(typed).filter(([, value]) => value !== ''));
      const { data } = await call('POST', 'videostream', { body });
      setTyped(blankChannel());
      close();
      notify(t('channels.made', { name: inSentence(nameOf(data)) }));
      go(['channels', data.id, 'addresses']);
    } catch (refusal) {
      const taken = refusal.kind === 'conflict' && typed.id !== '';
      const at = taken ? 'id' : refusal.field;
      const isHere = at in typed;
      const sentence = taken ? t('channels.idTaken') : isHere && fieldSentence(refusal);
      setStatus({ busy: false, errors: isHere ? { [at]: sentence } : {}, problem: isHere ? null : refusal });
      if (isHere) focusField(at);
    }
  };
  const text = (name, more = {}) => (given) => html`<input ...${given} ...${more} name=${name} value=${typed[name]} autocomplete="off"
    aria-invalid=${errors[name] ? 'true' : undefined} disabled=${busy} onInput=${(event) => set(name, event.target.value)} />`;
  const flag = (name) => html`<${Row} name=${name} error=${errors[name]} flag>${(given) => html`<input type="checkbox" role="switch" ...${given}
    checked=${typed[name]} disabled=${busy} onChange=${(event) => set(name, event.target.checked)} />`}</${Row}>`;
  const optional = (name) => t('channels.optional', { label: fieldName(name) });
  return html`<${Dialog} title=${t('channels.new')} onClose=${busy ? undefined : close}>
    <form onSubmit=${submit} novalidate>
      <p class="quiet">${t('channels.newText')}</p>
      <${Row} name="videoname" error=${errors.videoname}>${text('videoname', { dir: 'auto', autofocus: true })}</${Row}>
      <${Row} name="description" label=${optional('description')} error=${errors.description}>${(given) => html`
        <textarea ...${given} dir="auto" rows="2" name="description" value=${typed.description} disabled=${busy}
          aria-invalid=${errors.description ? 'true' : undefined} onInput=${(event) => set('description', event.target.value)}></textarea>`}</${Row}>
      <${Row} name="id" label=${optional('id')} help=${t('help.newId')} error=${errors.id}>
        ${text('id', { class: 'address', spellcheck: false, autocapitalize: 'none' })}
      </${Row}>
      <${Row} name="outdate" help=${untilWhen(typed.outdate)} error=${errors.outdate}>${text('outdate', { type: 'date' })}</${Row}>
      <div class="stack" role="group" aria-label=${t('channels.outputs')}>
        <h3>${t('channels.outputs')}</h3>
        ${['isFlv', 'isHls', 'isCMAF'].map(flag)}
      </div>
      ${problem && html`<p class="form-problem" role="alert">${problem.sentence}</p>`}
      <footer>
        <button type="button" onClick=${close} disabled=${busy}>${t('do.cancel')}</button>
        <button type="submit" class="primary" disabled=${busy}>${busy ? t('channels.making') : t('channels.make')}</button>
      </footer>
    </form>
  </${Dialog}>`;
}
