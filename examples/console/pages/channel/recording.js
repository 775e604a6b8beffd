// To be written.
import { html } from '../../parts/ui.js';
export function Recording() { return html`<p>…</p>`; }
