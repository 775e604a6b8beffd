// Small pictures of a session: WebVTT that says which part of which sheet shows which time.

import { useLoad } from '../hooks.js';
import { html } from '../ui.js';

/// The tiles of a recording as soon as `wanted`: `[{ start, end, sheet, left, top, width, height }]`; none while they load or where
/// there are none.
export function useTiles(url, wanted = true) {
  return useLoad((signal) => (url && wanted ? tilesOf(url, signal) : Promise.resolve([])), [url, wanted]).data ?? [];
}

async function tilesOf(url, signal) {
  const answer = await fetch(url, { signal, credentials: 'omit' });
  if (!answer.ok) return [];
  return parse(await answer.text(), new URL(url, document.baseURI));
}

export function parse(text, base) {
  return text.split(/\r?\n\r?\n/).flatMap((block) => {
    const found = /^(\S+) --> (\S+)[^\n]*\n(\S+)#xywh=(\d+),(\d+),(\d+),(\d+)\s*$/m.exec(block);
    if (!found) return [];
    const [, start, end, file, ...place] = found;
    const [left, top, width, height] = place.map(Number);
    const sheet = new URL(file, base);
    // What lets a viewer see the list lets them see the pictures.
    sheet.search = base.search;
    return width && height ? [{ start: seconds(start), end: seconds(end), sheet: sheet.href, left, top, width, height }] : [];
  });
}

function seconds(clock) {
  return clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

/// The tile that shows `time`.
export function tileAt(tiles, time) {
  return tiles.find(({ start, end }) => time >= start && time < end) ?? tiles.at(-1);
}

/// One tile, as large as its box. Says nothing by itself: what it is of is in the text beside it.
export function Tile({ tile }) {
  const { sheet, left, top, width, height } = tile;
  // A drawing within a drawing cuts the tile out, whatever the size of the sheet is.
  return html`<svg class="tile" viewBox="0 0 ${width} ${height}" preserveAspectRatio="xMidYMid slice" aria-hidden="true">
    <svg width=${width} height=${height} viewBox="${left} ${top} ${width} ${height}"><image href=${sheet} /></svg>
  </svg>`;
}
