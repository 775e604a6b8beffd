// A small chart of one value over time, drawn as SVG.

import { html, useId } from './ui.js';

const WIDTH = 320;
const HEIGHT = 64;

/// `points` are numbers, oldest first, evenly spaced; `most` of them fill the width. `label` says it in words.
export function Chart({ points, most = 60, label, format }) {
  const id = useId();
  const top = Math.max(...points, 1) * 1.1;
  const x = (at) => ((at + most - points.length) / Math.max(most - 1, 1)) * WIDTH;
  const y = (value) => HEIGHT - (value / top) * (HEIGHT - 2) - 1;
  const line = points.map((value, at) => `${at ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join('');
  const area = points.length > 1 ? `${line}L${WIDTH} ${HEIGHT}L${x(0).toFixed(1)} ${HEIGHT}Z` : '';
  return html`<figure class="chart">
    <svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-labelledby=${id}>
      <path class="area" d=${area} /><path class="line" d=${line} />
    </svg>
    <figcaption id=${id}><span>${label}</span><strong>${points.length ? format(points.at(-1)) : '–'}</strong></figcaption>
  </figure>`;
}
