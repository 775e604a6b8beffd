// To be written.
import { html } from '../parts/ui.js';
export function Events() { return html`<p>…</p>`; }
