// To be written.
import { html } from '../../parts/ui.js';
export function Live() { return html`<p>…</p>`; }
