// To be written.
import { html } from '../../parts/ui.js';
export function Relay() { return html`<p>…</p>`; }
