// Forms over a channel's record: what was changed is sent and nothing else, and two people who change different fields both win.
//
//   record, tag ── typed ──> draft ── PATCH of what differs, If-Match tag ──> saved
//                              └─ 412: read again ── other fields changed ──> sent again
//                                                 └─ the same fields ──> asked which shall count

import { call, channelPath, fields } from './api.js';
import { confirm, Dialog } from './dialog.js';
import { useLoad } from './hooks.js';
import { useGuard } from './router.js';
import { complain, notify } from './toast.js';
import { html, useId, useState } from './ui.js';
import { has, t } from './words.js';

/// A draft of some fields of `record`. `saved(record, etag)` is called with what the platform answers.
/// Answers `{ value(name), set(name, value), dirty, errors, saving, save(), discard(), conflict, problem }`.
export function useDraft({ record, etag, saved }) {
  const [changes, setChanges] = useState({});
  const [status, setStatus] = useState({ saving: false, errors: {}, problem: null, conflict: null });
  const differing = Object.fromEntries(Object.entries(changes).filter(([name, value]) => !same(value, record[name])));
  const dirty = Object.keys(differing).length > 0;
  useGuard(dirty, () => confirm({ title: t('say.leave'), text: t('say.leaveText'), action: t('do.discard') }));

  const set = (name, value) => {
    setChanges((old) => ({ ...old, [name]: value }));
    setStatus((old) => ({ ...old, errors: { ...old.errors, [name]: undefined } }));
  };
  const send = async (base, tag) => {
    setStatus({ saving: true, errors: {}, problem: null, conflict: null });
    try {
      const { data, etag: next } = await call('PATCH', channelPath(record.id), { body: differing, etag: tag });
      // What was typed while it was sent is still to be saved.
      setChanges((old) => Object.fromEntries(Object.entries(old).filter(([name, value]) => value !== changes[name])));
      setStatus({ saving: false, errors: {}, problem: null, conflict: null });
      saved(data, next);
      notify(t('say.saved'));
      return true;
    } catch (problem) {
      if (problem.kind === 'precondition-failed') return await settle(base);
      const at = problem.field && problem.field in differing ? problem.field : null;
      setStatus({ saving: false, errors: at ? { [at]: fieldSentence(problem) } : {}, problem: at ? null : problem, conflict: null });
      if (at) focusField(at);
      return false;
    }
  };
  /// Somebody was faster: what they changed and we did not counts; where both changed the same, the operator decides.
  const settle = async (base) => {
    const { data: theirs, etag: tag } = await call('GET', channelPath(record.id));
    const clashing = Object.keys(differing).filter((name) => !same(theirs[name], base[name]) && !same(theirs[name], differing[name]));
    if (clashing.length === 0) return send(theirs, tag);
    setStatus({ saving: false, errors: {}, problem: null, conflict: { theirs, tag, clashing } });
    return false;
  };
  const attempt = (base, tag) =>
    send(base, tag).catch((problem) => {
      setStatus({ saving: false, errors: {}, problem, conflict: null });
      return false;
    });
  return {
    ...status,
    dirty,
    value: (name) => changes[name] ?? record[name],
    set,
    changes: differing,
    save: () => attempt(record, etag),
    discard() {
      setChanges({});
      setStatus({ saving: false, errors: {}, problem: null, conflict: null });
    },
    keepMine: () => attempt(status.conflict.theirs, status.conflict.tag),
    keepTheirs() {
      const { theirs, tag, clashing } = status.conflict;
      setChanges((old) => Object.fromEntries(Object.entries(old).filter(([name]) => !clashing.includes(name))));
      setStatus({ saving: false, errors: {}, problem: null, conflict: null });
      saved(theirs, tag);
    },
    record,
  };
}

/// A form over a draft: fields as children, a bar with Save that appears with the first change.
export function DraftForm({ draft, children }) {
  const submit = (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    // The bar goes, and with it the button that had the focus.
    const settle = () => requestAnimationFrame(() => document.activeElement === document.body && form.focus());
    draft.save().then(settle, complain);
  };
  return html`<form class="draft" tabindex="-1" onSubmit=${submit} novalidate>
    ${children}
    ${draft.problem && html`<p class="form-problem" role="alert">${draft.problem.sentence}</p>`}
    ${draft.dirty && html`<div class="save-bar">
      <span>${t('say.unsaved')}</span>
      <button type="button" onClick=${draft.discard} disabled=${draft.saving}>${t('do.discard')}</button>
      <button type="submit" class="primary" disabled=${draft.saving}>${draft.saving ? t('do.saving') : t('do.save')}</button>
    </div>`}
    ${draft.conflict && html`<${Conflict} draft=${draft} />`}
  </form>`;
}

function Conflict({ draft }) {
  const { theirs, clashing } = draft.conflict;
  return html`<${Dialog} title=${t('conflict.title')}>
    <p>${t('conflict.text')}</p>
    <table>
      <thead><tr><th scope="col">${t('conflict.field')}</th><th scope="col">${t('conflict.mine')}</th><th scope="col">${t('conflict.theirs')}</th></tr></thead>
      <tbody>${clashing.map((name) => html`<tr key=${name}>
        <th scope="row">${fieldName(name)}</th><td dir="auto">${shownValue(name, draft.value(name))}</td><td dir="auto">${shownValue(name, theirs[name])}</td>
      </tr>`)}</tbody>
    </table>
    <footer>
      <button type="button" onClick=${draft.keepTheirs}>${t('conflict.keepTheirs')}</button>
      <button type="button" class="primary" onClick=${draft.keepMine}>${t('conflict.keepMine')}</button>
    </footer>
  </${Dialog}>`;
}

/// One field of a draft: its label and help by the words `field.<name>` and `help.<name>`, its control by what the API says that
/// it accepts. `as` chooses another control: `area`, `colour`, `day`; `options` are words `option.<name>.<value>`.
export function Field({ draft, name, as = null, disabled = false }) {
  const { data: schema } = useLoad(fields, []);
  const about = schema?.[name] ?? {};
  const value = draft.value(name);
  const error = draft.errors[name];
  const input = { name, disabled, 'aria-invalid': error ? 'true' : undefined };
  if (typeof value === 'boolean') {
    return html`<${Row} name=${name} error=${error} flag>${(given) => html`
      <input type="checkbox" role="switch" ...${given} ...${input} checked=${value} onChange=${(event) => draft.set(name, event.target.checked)} />`}</${Row}>`;
  }
  const typed = (event) => draft.set(name, asType(event.target.value, about));
  return html`<${Row} name=${name} error=${error} about=${about}>${(given) => {
    const common = { ...given, ...input };
    if (about.enum) {
      return html`<select ...${common} value=${value} onChange=${typed}>
        ${about.enum.map((word) => html`<option key=${word} value=${word}>${optionName(name, word)}</option>`)}
      </select>`;
    }
    if (as === 'area') return html`<textarea ...${common} dir="auto" rows="3" value=${value} onInput=${typed}></textarea>`;
    if (as === 'day') return html`<input type="date" ...${common} value=${String(value).slice(0, 10)} onInput=${typed} />`;
    if (as === 'colour') {
      return html`<span class="joined"><input type="color" aria-label=${fieldName(name)} value=${hex(value)} onInput=${typed} />
        <input type="text" ...${common} value=${value} onInput=${typed} /></span>`;
    }
    const isNumber = about.type === 'integer';
    return html`<input type=${isNumber ? 'number' : 'text'} inputmode=${isNumber ? 'numeric' : undefined} ...${common} dir="auto"
      min=${about.minimum} max=${about.maximum} value=${value} onInput=${typed} />`;
  }}</${Row}>`;
}

/// Label, control, help and error of one field, tied to each other for screen readers. `children(given)` draws the control.
export function Row({ name, error = null, about = null, flag = false, label = null, help = null, children }) {
  const id = useId();
  const hint = help ?? (has(`help.${name}`) ? t(`help.${name}`) : null);
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ') || undefined;
  return html`<div class=${flag ? 'field flag' : 'field'} data-field=${name}>
    <label for=${id}>${label ?? fieldName(name)}</label>
    ${children({ id, 'aria-describedby': described })}
    ${hint && html`<small id="${id}-hint">${hint}</small>`}
    ${error && html`<small id="${id}-error" class="error" role="alert">${error}</small>`}
  </div>`;
}

/// A field's name for people.
export function fieldName(name) {
  return has(`field.${name}`) ? t(`field.${name}`) : name;
}

/// A value for people; keys of relays are in their addresses, and shown nowhere but where they are edited.
function shownValue(name, value) {
  if (typeof value === 'boolean') return t(value ? 'say.on' : 'say.off');
  if (name === 'relayURL') return String(value).replace(/\/[^/,]+(,|$)/g, '/…$1');
  return optionName(name, String(value));
}

function optionName(name, word) {
  return has(`option.${name}.${word}`) ? t(`option.${name}.${word}`) : word;
}

/// What is wrong with the field that a problem names. What the platform says in English is said in the operator's language,
/// where it is one of the usual things.
export function fieldSentence(problem) {
  const [accepts, key] = ACCEPTS.find(([words]) => words.test(problem.detail)) ?? [];
  if (!key) return `${fieldName(problem.field)}: ${problem.sentence}`;
  const numbers = Object.entries(accepts.exec(problem.detail).groups ?? {}).map(([name, digits]) => [name, Number(digits)]);
  return `${fieldName(problem.field)}: ${t('problem.invalid-value')} ${t(key, Object.fromEntries(numbers))}`;
}

const ACCEPTS = [
  [/text of up to (?<max>\d+) characters/, 'accepts.text'],
  [/a whole number from (?<min>\d+) to (?<max>\d+)/, 'accepts.whole'],
  [/1 to 64 of A-Z/, 'accepts.id'],
  [/a colour name such as red/, 'accepts.color'],
  [/YYYY-MM-DD or/, 'accepts.day'],
  [/a host name or address, with or without a port/, 'accepts.host'],
];

/// Puts the focus on a field that was refused.
export function focusField(name) {
  requestAnimationFrame(() => document.querySelector(`[data-field="${CSS.escape(name)}"] :is(input, select, textarea)`)?.focus());
}

function asType(text, about) {
  // What is no number is sent as it was typed, so that the platform says what it accepts.
  if (about.type === 'integer' && /^\d+$/.test(text)) return Number(text);
  return text;
}

/// `<input type=color>` knows `#rrggbb` alone.
function hex(color) {
  if (/^#[0-9a-f]{6}$/i.test(color)) return color;
  const canvas = document.createElement('canvas').getContext('2d');
  canvas.fillStyle = '#ff0000';
  canvas.fillStyle = color;
  return canvas.fillStyle;
}

function same(one, other) {
  return String(one) === String(other);
}
