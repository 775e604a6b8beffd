// To be written.
import { html } from '../parts/ui.js';
export function Domains() { return html`<p>…</p>`; }
