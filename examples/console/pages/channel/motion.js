// To be written.
import { html } from '../../parts/ui.js';
export function Motion() { return html`<p>…</p>`; }
