// To be written.
import { html } from '../../parts/ui.js';
export function Settings() { return html`<p>…</p>`; }
