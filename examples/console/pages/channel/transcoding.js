// To be written.
import { html } from '../../parts/ui.js';
export function Transcoding() { return html`<p>…</p>`; }
