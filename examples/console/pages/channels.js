// To be written.
import { html } from '../parts/ui.js';
export function Channels() { return html`<p>…</p>`; }
