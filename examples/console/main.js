// The frame of the console: signs in, shows where one is, draws the page that the address names.

import { onSignedOut, session, signOut } from './parts/api.js';
import { Confirmations } from './parts/dialog.js';
import { Icon } from './parts/icons.js';
import { href, mayLeave, usePlace } from './parts/router.js';
import { dress, Language, Theme } from './parts/settings.js';
import { Loading, Trouble } from './parts/states.js';
import { complain, Toasts } from './parts/toast.js';
import { Fragment, html, render, useEffect, useErrorBoundary, useRef, useState } from './parts/ui.js';
import { currentLanguage, setLanguage, t, useLanguage } from './parts/words.js';
import { hasToken, SignIn, tokenInAddress } from './pages/sign-in.js';
import { PAGES } from './pages/index.js';

const NAVIGATION = [
  ['channels', 'channels'],
  ['on-demand', 'onDemand'],
  ['domains', 'domains'],
  ['events', 'events'],
];

function Console() {
  useLanguage();
  const [{ known, problem, asks }, setState] = useState({ known: null, problem: null, asks: false });
  const waiting = useRef(null);
  /// Every way in and out ends here: who waited for a session goes on once there is one.
  const enter = (next) => {
    setState({ known: next, problem: null, asks: false });
    if (!next.signedIn) return;
    waiting.current?.resolve();
    waiting.current = null;
  };
  const open = () => tokenInAddress().then(session).then(enter, (away) => setState({ known: null, problem: away, asks: false }));
  const out = async () => {
    if (await mayLeave()) signOut().then(open, complain);
  };
  useEffect(() => {
    open();
    const moved = () => hasToken() && open();
    window.addEventListener('hashchange', moved);
    // A session that ends while somebody works is asked for over the page, which stays as it is; one dialog for all calls.
    onSignedOut(() => {
      waiting.current ??= Promise.withResolvers();
      setState((old) => ({ ...old, asks: true }));
      return waiting.current.promise;
    });
    return () => window.removeEventListener('hashchange', moved);
  }, []);
  useEffect(() => {
    if (!asks) return undefined;
    // The operator may have signed in in another tab.
    const look = () => document.visibilityState === 'visible' && session().then((next) => next.signedIn && enter(next), () => {});
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [asks]);
  if (problem) return html`<main class="alone"><${Trouble} problem=${problem} retry=${open} /></main>`;
  if (!known) return html`<main class="alone"><${Loading} /></main>`;
  if (!known.signedIn) return html`<${SignIn} passwords=${known.passwords} done=${enter} />`;
  return html`<${Fragment}>
    <${Frame} user=${known.user} signOut=${out} />
    ${asks && html`<${SignIn} over passwords=${known.passwords} done=${enter} />`}
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
    <main id="content" tabindex="-1"><${Page} key=${path.slice(0, 2).join('/')} name=${name} path=${path} query=${query} /></main>
  </div>`;
}

/// One page; a fault in it leaves the rest of the console usable.
function Page({ name, path, query }) {
  const [fault] = useErrorBoundary((error) => console.error(error));
  if (fault) return html`<${Trouble} problem=${t('app.broken')} retry=${() => location.reload()} />`;
  if (!Object.hasOwn(PAGES, name)) return html`<h1>${t('app.notFound')}</h1>`;
  return html`<${PAGES[name]} path=${path.slice(1)} query=${query} />`;
}

dress();
setLanguage(currentLanguage().tag);
render(html`<${Console} />`, document.getElementById('console'));
