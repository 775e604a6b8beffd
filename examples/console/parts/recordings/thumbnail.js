// A picture of a recording: of an MP4 file its first frame, of a session a tile of its sheet, of a picture itself.

import { useSeen } from '../hooks.js';
import { Icon } from '../icons.js';
import { html, useRef, useState } from '../ui.js';
import { isPicture } from './listing.js';
import { Tile, useTiles } from './sheet.js';

/// Loads when it comes into view. `picture` is shown in place of the first frame. Moving over a session goes through its tiles.
export function Thumbnail({ recording, picture = null }) {
  const ref = useRef(null);
  const seen = useSeen(ref);
  return html`<span class="recording-thumbnail" ref=${ref}>
    <${Icon} name=${isPicture(recording) ? 'picture' : 'onDemand'} />
    ${seen && html`<${Content} recording=${picture ?? recording} />`}
  </span>`;
}

function Content({ recording }) {
  const [failed, setFailed] = useState(false);
  const fail = () => setFailed(true);
  if (failed || recording.storageClass === 'cold') return null;
  if (recording.kind === 'on-demand') return html`<${Session} url=${recording.thumbnails} />`;
  if (isPicture(recording)) return html`<img src=${recording.url} alt="" loading="lazy" decoding="async" onError=${fail} />`;
  return html`<video src="${recording.url}#t=0.1" preload="metadata" muted playsinline tabindex="-1" aria-hidden="true"
    onError=${fail}></video>`;
}

function Session({ url }) {
  const tiles = useTiles(url);
  const [share, setShare] = useState(null);
  if (tiles.length === 0) return null;
  const over = ({ currentTarget, clientX }) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    setShare((clientX - left) / width);
  };
  // The first picture is often black; one a little later says more.
  const at = Math.min(tiles.length - 1, Math.floor((share ?? 0.2) * tiles.length));
  return html`<span class="recording-scrub" onPointerMove=${over} onPointerLeave=${() => setShare(null)}>
    <${Tile} tile=${tiles[at]} />
    ${share !== null && html`<span class="recording-share" style=${{ width: `${Math.round(share * 100)}%` }}></span>`}
  </span>`;
}
