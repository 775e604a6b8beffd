// Icons: 24 by 24, drawn with the colour of the text beside them.

import { html } from './ui.js';

const SHAPES = {
  alert: 'M12 3 2 20h20L12 3Zm0 6v5m0 3v.01',
  back: 'm15 5-7 7 7 7',
  channels: 'M4 5h16v11H4zM8 20h8M12 16v4',
  check: 'm5 12 5 5 9-10',
  close: 'M6 6l12 12M18 6 6 18',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  domains: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18',
  download: 'M12 4v11m-5-4 5 5 5-5M4 20h16',
  edit: 'M4 20l1-4L16 5l3 3L8 19l-4 1ZM14 7l3 3',
  events: 'M3 12h4l3 7 4-14 3 7h4',
  forward: 'm9 5 7 7-7 7',
  full: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  key: 'M8 15a4 4 0 1 1 3.5-2H21v3h-3v3h-3v-3h-3.5A4 4 0 0 1 8 15Z',
  menu: 'M4 7h16M4 12h16M4 17h16',
  motion: 'M13 4a2 2 0 1 0 0 4 2 2 0 0 0 0-4ZM11 21l2-6-3-3 1-4 4 3h3M8 21l2-4M11 8l-4 2-1 3M2 8h2M2 12h1',
  muted: 'M4 10v4h4l5 4V6l-5 4H4Zm12 0 4 4m0-4-4 4',
  onDemand: 'M4 5h16v14H4zM10 9l5 3-5 3z',
  pause: 'M8 5v14M16 5v14',
  picture: 'M4 5h16v14H4zm0 11 5-5 4 4 3-3 4 4M15 9v.01',
  play: 'M8 5v14l11-7z',
  plus: 'M12 5v14M5 12h14',
  qr: 'M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h2v2h-2zM18 18h2v2h-2zM18 14h2M14 18v2',
  refresh: 'M20 5v5h-5M4 19v-5h5M19 10a8 8 0 0 0-14-2m0 6a8 8 0 0 0 14 2',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm5 12 5 5',
  sound: 'M4 10v4h4l5 4V6l-5 4H4Zm12-1a4 4 0 0 1 0 6m2-9a8 8 0 0 1 0 12',
  stop: 'M6 6h12v12H6z',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5m4-5v5',
  users: 'M9 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6Zm-6 9c0-4 2-6 6-6s6 2 6 6M16 5a3 3 0 0 1 0 6m2 3c2 .6 3 2.500 3 6',
};

/// An icon that says nothing by itself: what it stands for is in the text beside it or in a label.
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${SHAPES[name]} /></svg>`;
}
