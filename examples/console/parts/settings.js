// What this browser remembers of its operator: the language, and light or dark.

import { kept, useKept } from './hooks.js';
import { html, useEffect } from './ui.js';
import { currentLanguage, LANGUAGES, setLanguage, t } from './words.js';

const THEMES = ['auto', 'light', 'dark'];

/// Gives the page the look that was chosen, before anything is drawn.
export function dress(theme = kept('theme', THEMES[0])) {
  document.documentElement.dataset.theme = theme;
}

export function Language() {
  return html`<label>${t('app.language')}
    <select value=${currentLanguage().tag} onChange=${(event) => setLanguage(event.target.value)}>
      ${LANGUAGES.map(({ tag, name }) => html`<option key=${tag} value=${tag} lang=${tag}>${name}</option>`)}
    </select>
  </label>`;
}

export function Theme() {
  const [theme, keep] = useKept('theme', THEMES[0]);
  useEffect(() => dress(theme), [theme]);
  return html`<label>${t('app.theme')}
    <select value=${theme} onChange=${(event) => keep(event.target.value)}>
      ${THEMES.map((name) => html`<option key=${name} value=${name}>${t(`app.theme.${name}`)}</option>`)}
    </select>
  </label>`;
}
