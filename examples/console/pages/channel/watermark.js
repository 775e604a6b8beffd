// To be written.
import { html } from '../../parts/ui.js';
export function Watermark() { return html`<p>…</p>`; }
