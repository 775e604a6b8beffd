// The frame of the console: signs in, shows where one is, draws the page that the address names.

import { onSignedOut, session, signOut } from './parts/api.js';
import { Confirmations } from './parts/dialog.js';
import { useKept } from './parts/hooks.js';
import { Icon } from './parts/icons.js';
import { href, usePlace } from './parts/router.js';
import { Loading, Trouble } from './parts/states.js';
import { complain, Toasts } from './parts/toast.js';
import { Fragment, html, render, useEffect, useErrorBoundary, useState } from './parts/ui.js';
import { currentLanguage, LANGUAGES, setLanguage, t, useLanguage } from './parts/words.js';
import { SignIn, tokenInAddress } from './pages/sign-in.js';
import { PAGES } from './pages/index.js';

const NAVIGATION = [
  ['channels', 'channels'],
  ['on-demand', 'onDemand'],
  ['domains', 'domains'],
  ['events', 'events'],
];

function Console() {
  useLanguage();
  const [state, setState] = useState({ known: null, problem: null, again: null });
  const open = () =>
    tokenInAddress().then(() => session()).then(
      (known) => setState({ known, problem: null, again: null }),
      (problem) => setState({ known: null, problem, again: null }),
    );
  useEffect(() => {
    open();
    // A session that ends while somebody works is asked for over the page, which stays as it is; one dialog for all calls.
    let waiting = null;
    onSignedOut(() => {
      waiting ??= new Promise((resolve) => {
        setState((old) => ({ ...old, again: () => { waiting = null; resolve(); } }));
      });
      return waiting;
    });
  }, []);
  const { known, problem, again } = state;
  if (problem) return html`<main class="alone"><${Trouble} problem=${problem} retry=${open} /></main>`;
  if (!known) return html`<main class="alone"><${Loading} /></main>`;
  if (!known.signedIn) return html`<${SignIn} passwords=${known.passwords} done=${(next) => setState({ known: next, problem: null, again: null })} />`;
  const out = () => signOut().then(open, complain);
  return html`<${Fragment}>
    <${Frame} user=${known.user} signOut=${out} />
    ${again && html`<${SignIn} over passwords=${known.passwords} done=${(next) => { setState({ known: next, problem: null, again: null }); again(); }} />`}
    <${Confirmations} />
    <${Toasts} />
  </${Fragment}>`;
}

function Frame({ user, signOut }) {
  const { path, query } = usePlace();
  const [isOpen, setOpen] = useState(false);
  const name = path[0] ?? 'channels';
  useEffect(() => setOpen(false), [location.hash]);
  return html`<div class="frame">
    <a class="skip" href="#content" onClick=${(event) => { event.preventDefault(); document.getElementById('content').focus(); }}>${t('app.skip')}</a>
    <header class="bar">
      <button type="button" class="plain icon-only menu" aria-expanded=${isOpen ? 'true' : 'false'} aria-controls="navigation" aria-label=${t('app.menu')} onClick=${() => setOpen(!isOpen)}><${Icon} name="menu" /></button>
      <a class="brand" href="#/"><span class="mark" aria-hidden="true"></span>lsv</a>
    </header>
    <nav id="navigation" class=${isOpen ? 'side is-open' : 'side'} aria-label=${t('app.name')}>
      <a class="brand" href="#/"><span class="mark" aria-hidden="true"></span>lsv</a>
      <ul>${NAVIGATION.map(([page, key]) => html`<li key=${page}>
        <a href=${href([page])} aria-current=${name === page ? 'page' : undefined}><${Icon} name=${key} />${t(`nav.${key}`)}</a>
      </li>`)}</ul>
      <div class="settings">
        <${Language} /><${Theme} />
        <button type="button" onClick=${signOut}>${t('app.signOut')}${user ? ` (${user})` : ''}</button>
      </div>
    </nav>
    <main id="content" tabindex="-1"><${Page} key=${`${path.slice(0, 2).join('/')}/${currentLanguage().tag}`} name=${name} path=${path} query=${query} /></main>
  </div>`;
}

/// One page; a fault in it leaves the rest of the console usable.
function Page({ name, path, query }) {
  const [fault] = useErrorBoundary((error) => console.error(error));
  if (fault) return html`<${Trouble} problem=${t('app.broken')} retry=${() => location.reload()} />`;
  const Named = PAGES[name];
  if (!Named) return html`<p>${t('app.notFound')}</p>`;
  return html`<${Named} path=${path.slice(1)} query=${query} />`;
}

export function Language() {
  return html`<label>${t('app.language')}
    <select value=${currentLanguage().tag} onChange=${(event) => setLanguage(event.target.value)}>
      ${LANGUAGES.map(({ tag, name }) => html`<option key=${tag} value=${tag} lang=${tag}>${name}</option>`)}
    </select>
  </label>`;
}

function Theme() {
  const [theme, keep] = useKept('theme', 'auto');
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  return html`<label>${t('app.theme')}
    <select value=${theme} onChange=${(event) => keep(event.target.value)}>
      ${['auto', 'light', 'dark'].map((name) => html`<option key=${name} value=${name}>${t(`app.theme.${name}`)}</option>`)}
    </select>
  </label>`;
}

setLanguage(currentLanguage().tag);
render(html`<${Console} />`, document.getElementById('console'));
