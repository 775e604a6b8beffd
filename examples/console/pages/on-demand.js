// To be written.
import { html } from '../parts/ui.js';
export function OnDemand() { return html`<p>…</p>`; }
