// To be written.
import { html } from '../../parts/ui.js';
export function Protection() { return html`<p>…</p>`; }
