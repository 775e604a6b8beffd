// QR codes, drawn as one path. They hold exactly the text: black on white in any theme, with the quiet zone of ISO/IEC 18004.

import qrcode from '../vendor/qrcode.mjs';
import { html, useMemo } from './ui.js';

const QUIET = 4;

qrcode.stringToBytes = (text) => [...new TextEncoder().encode(text)];

export function Qr({ text, label }) {
  const { size, path } = useMemo(() => draw(text), [text]);
  return html`<svg class="qr" role="img" aria-label=${label} viewBox="0 0 ${size} ${size}" shape-rendering="crispEdges">
    <rect width=${size} height=${size} fill="#fff" /><path d=${path} fill="#000" />
  </svg>`;
}

function draw(text) {
  const code = qrcode(0, 'M');
  code.addData(text, 'Byte');
  code.make();
  const count = code.getModuleCount();
  let path = '';
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      if (code.isDark(row, column)) path += `M${column + QUIET} ${row + QUIET}h1v1h-1z`;
    }
  }
  return { size: count + 2 * QUIET, path };
}
