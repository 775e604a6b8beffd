// To be written.
import { html } from '../../parts/ui.js';
export function Addresses() { return html`<p>…</p>`; }
