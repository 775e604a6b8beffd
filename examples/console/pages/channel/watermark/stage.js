// The picture under the watermark, in the scale of the source, and the watermark over it: dragged, or moved by arrow keys.

import { address, call, channelPath } from '../../../parts/api.js';
import { useLoad } from '../../../parts/hooks.js';
import { html, useEffect, useId, useRef, useState } from '../../../parts/ui.js';
import { know, t } from '../../../parts/words.js';

know({
  'stage.how': ['Drag it, or use the arrow keys: one pixel, with Shift ten.', '拖动水印，或使用方向键：每次 1 像素，按住 Shift 为 10 像素。'],
  'stage.handle': ['Watermark, {left} from the left, {top} from the top', '水印：距左 {left}，距顶 {top}'],
  'stage.off': ['Switch on text or picture to see it here.', '开启文字或图片后在此显示。'],
  'stage.nothing': ['Nothing of it is seen: it is empty, or lies beside the picture. Here is where it would be.', '看不到水印：内容为空，或位于画面之外。虚线框为其位置。'],
  'stage.rough': ['Drawn roughly, as this platform cannot show a preview. The place is exact.', '此平台无法生成预览，仅为示意图；位置是准确的。'],
  'stage.snapshot': ['The newest picture of the channel', '频道的最新画面'],
  'stage.card': ['A test card, as there is no picture of the channel yet. It is taken to be {width} × {height}.', '暂无频道画面，此处为测试图，按 {width} × {height} 计算。'],
  'stage.reload': ['Newest picture', '最新画面'],
  'stage.marked': ['The picture shows the watermark that is saved beneath the one that you place now.', '画面中原有的是已保存的水印，您正在放置的水印显示在其上方。'],
  'stage.size': ['{width} × {height} pixels', '{width} × {height} 像素'],
});

const USUAL = { width: 1280, height: 720 };
const FURTHEST = 7680;
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/// The picture to draw over: `{ width, height, url, reload() }` in pixels of the source; `url` is null where there is no snapshot,
/// and `width` is 0 until it is known.
export function useSource(id, session) {
  const isLive = Boolean(session);
  const { data, problem, reload } = useLoad((signal) => posterOf(id, signal), [id, isLive]);
  // The old picture is let go when the next is shown.
  useEffect(() => () => data && URL.revokeObjectURL(data.url), [data]);
  const snapshot = data ?? (problem ? { ...USUAL, url: null } : { width: 0, height: 0, url: null });
  const video = session?.video;
  const size = snapshot.width && video?.width ? { width: video.width, height: video.height } : {};
  return { ...snapshot, ...size, reload };
}

async function posterOf(id, signal) {
  const { data } = await call('GET', channelPath(id, '/urls'), { signal });
  const answer = await fetch(data.play?.poster ?? address(`${encodeURIComponent(id)}/poster.jpg`), { signal, cache: 'no-cache' });
  if (!answer.ok) throw new Error('there is no picture');
  const image = new Image();
  image.src = URL.createObjectURL(await answer.blob());
  await image.decode();
  return { width: image.naturalWidth, height: image.naturalHeight, url: image.src };
}

/// `place(left, top)` is told where the watermark is put.
/// `isMarked`: the snapshot may show another watermark, which is saved.
export function Stage({ source, values, drawn, place, isMarked }) {
  const { width, height, url } = source;
  const hint = useId();
  const isOn = values.isWaterMark || values.isImageWaterMark;
  if (!width) return html`<div class="stage is-empty"></div>`;
  const said = (drawn.problem && !drawn.problem.field && drawn.problem.sentence)
    || (drawn.isRough && t('stage.rough'))
    || (isOn && !drawn.url && !drawn.problem && !drawn.loading && t('stage.nothing'))
    || (isOn ? '' : t('stage.off'));
  return html`
    <div class="stage" onDragStart=${(event) => event.preventDefault()} style=${{ aspectRatio: `${width} / ${height}` }}>
      ${url ? html`<img src=${url} alt=${t('stage.snapshot')} />` : html`<${TestCard} width=${width} height=${height} />`}
      ${isOn && html`<${Mark} source=${source} values=${values} drawn=${drawn} place=${place} hint=${hint} />`}
    </div>
    <div class="row stage-facts">
      <small class="grow" id=${hint}>${isOn ? t('stage.how') : ''}</small>
      ${url && html`<small>${t('stage.size', { width: String(width), height: String(height) })}</small>`}
      <button type="button" onClick=${source.reload}>${t('stage.reload')}</button>
    </div>
    ${url && isMarked && html`<p class="quiet">${t('stage.marked')}</p>`}
    ${!url && html`<p class="quiet">${t('stage.card', { width: String(width), height: String(height) })}</p>`}
    <p class="quiet" role="status">${said}</p>`;
}

function Mark({ source, values, drawn, place, hint }) {
  const { width, height } = source;
  const button = useRef(null);
  const grip = useRef(null);
  const [size, setSize] = useState(null);
  const [left, top] = [whole(values.WaterMarkLeft), whole(values.WaterMarkTop)];
  const put = (x, y) => place(clamp(x, width - 1), clamp(y, height - 1));
  const key = (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const by = event.shiftKey ? 10 : 1;
    put(left + step[0] * by, top + step[1] * by);
  };
  const down = (event) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    grip.current = { x: event.clientX, y: event.clientY, left, top };
  };
  const move = (event) => {
    if (!grip.current) return;
    const scale = width / button.current.parentElement.clientWidth;
    put(grip.current.left + (event.clientX - grip.current.x) * scale, grip.current.top + (event.clientY - grip.current.y) * scale);
  };
  const up = () => {
    grip.current = null;
  };
  const shown = drawn.url && size?.url === drawn.url;
  const [dx, dy] = shown ? drawn.offset : [0, 0];
  const [wide, high] = shown ? [size.width, size.height] : roughSize(values);
  const style = {
    left: percent(left + dx, width), top: percent(top + dy, height), width: percent(wide, width), height: percent(high, height),
    color: values.WaterMarkFontColor, fontSize: `${(whole(values.WaterMarkFontSize) / width) * 100}cqw`,
  };
  return html`<button type="button" ref=${button} class=${shown ? 'mark-over' : 'mark-over is-rough'} style=${style}
      data-text=${drawn.isRough && values.isWaterMark ? values.WaterMarkText : ''}
      aria-label=${t('stage.handle', { left: String(left), top: String(top) })} aria-describedby=${hint}
      onKeyDown=${key} onPointerDown=${down} onPointerMove=${move} onPointerUp=${up} onPointerCancel=${up}>
    ${drawn.url && html`<img src=${drawn.url} alt="" draggable=${false} hidden=${!shown}
      onLoad=${({ target }) => setSize({ url: drawn.url, width: target.naturalWidth, height: target.naturalHeight })} />`}
  </button>`;
}

/// About how large it is, where the platform has not drawn it.
function roughSize(values) {
  const font = whole(values.WaterMarkFontSize);
  const lines = values.WaterMarkText.split('\n');
  const longest = Math.max(1, ...lines.map((line) => [...line].length));
  const text = values.isWaterMark ? [longest * font * 0.6, lines.length * font * 1.3] : [0, 0];
  const picture = values.isImageWaterMark ? [whole(values.ImageWidth), whole(values.ImageHeight)] : [0, 0];
  return [Math.max(text[0], picture[0], 8), Math.max(text[1], picture[1], 8)];
}

/// A neutral picture of greys: a watermark is judged on bright and on dark.
function TestCard({ width, height }) {
  const canvas = useRef(null);
  useEffect(() => {
    const card = canvas.current.getContext('2d');
    const bars = 8;
    for (let bar = 0; bar < bars; bar += 1) {
      const grey = 225 - bar * 25;
      card.fillStyle = `rgb(${grey} ${grey} ${grey + 4})`;
      card.fillRect(Math.floor((bar * width) / bars), 0, Math.ceil(width / bars), height);
    }
    card.strokeStyle = 'rgb(128 128 132)';
    card.lineWidth = Math.max(2, height / 240);
    card.beginPath();
    card.arc(width / 2, height / 2, height * 0.4, 0, 2 * Math.PI);
    card.moveTo(0, height / 2);
    card.lineTo(width, height / 2);
    card.moveTo(width / 2, 0);
    card.lineTo(width / 2, height);
    card.stroke();
  }, [width, height]);
  return html`<canvas ref=${canvas} width=${width} height=${height} aria-hidden="true"></canvas>`;
}

function whole(value) {
  return Math.max(0, Math.round(Number(value)) || 0);
}

function clamp(value, most) {
  return Math.round(Math.min(Math.max(0, value), Math.min(most, FURTHEST)));
}

function percent(part, all) {
  return `${(part / all) * 100}%`;
}
