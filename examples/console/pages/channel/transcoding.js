// Transcoding: which renditions are made of the source, by what, and how that goes while the channel is live.

import { DraftForm, Field, useDraft } from '../../parts/form.js';
import { Failure, flow, speedOf, TaskBadge, taskOf, Warnings } from '../../parts/tasks.js';
import { html, useId } from '../../parts/ui.js';
import { dateTime, know, number, t } from '../../parts/words.js';

know({
  'transcoding.title': ['Renditions', '转码画质'],
  'transcoding.text': [
    'Smaller pictures for viewers with less bandwidth; players change between them by themselves. The source stays beside them as it came in.',
    '为带宽较低的观众提供较小的画面，播放器会自动切换。源流原样保留。',
  ],
  'transcoding.rendition': ['Rendition', '画质'],
  'transcoding.size': ['Fits into', '最大尺寸'],
  'transcoding.video': ['Video kbit/s', '视频 kbit/s'],
  'transcoding.audio': ['Audio kbit/s', '音频 kbit/s'],
  'transcoding.template': ['Templates', '模板'],
  'transcoding.phone': ['Phone', '手机'],
  'transcoding.web': ['Web', '网页'],
  'transcoding.full': ['Full ladder', '全部画质'],
  'transcoding.none': ['None', '不转码'],
  'transcoding.box': [
    'The aspect ratio is kept, and upright sources turn the box. No rendition is larger than the source.',
    '保持宽高比，竖屏源会旋转尺寸框。画质不会大于源画面。',
  ],
  'transcoding.offText': ['Transcoding is off: the renditions are kept, but not made.', '转码已关闭：所选画质会保留，但不会生成。'],
  'transcoding.noneChosen': ['No rendition is chosen, so nothing is made.', '未选择任何画质，因此不会生成任何输出。'],
  'transcoding.larger': ['Larger than the source: not made', '大于源画面：不生成'],
  'transcoding.not': ['Not made', '未生成'],
  'transcoding.encoder': ['Encoder', '编码器'],
  'transcoding.now': ['Now', '当前状态'],
  'transcoding.offline': [
    'The channel is offline. As soon as somebody publishes, state, bit rate and speed of each rendition are here.',
    '频道未开播。开始推流后，这里会显示每个画质的状态、码率和速度。',
  ],
  'transcoding.idle': ['Nothing is encoded for this channel.', '该频道当前没有编码任务。'],
  'transcoding.begins': ['The encoder has not begun yet.', '编码器尚未启动。'],
  'transcoding.source': ['Source with its watermark', '带水印的源画面'],
  'transcoding.fps': ['Frame rate', '帧率'],
  'transcoding.fpsValue': ['{fps} fps, as the source', '{fps} fps，与源相同'],
  'transcoding.slow': [
    'The encoder falls behind. Turn off a rendition, choose H.264, or give it a larger machine.',
    '编码速度跟不上。请关闭一个画质、改用 H.264，或使用更强的机器。',
  ],
  'field.isCodec': ['Transcode', '开启转码'],
  'help.isCodec': ['Each rendition costs processor time for as long as the channel is live.', '直播期间，每个画质都会占用 CPU。'],
  'field.ld': ['360p, smooth', '360p 流畅'],
  'field.sd': ['480p, SD', '480p 标清'],
  'field.hd': ['720p, HD', '720p 高清'],
  'field.ud': ['1080p, UHD', '1080p 超清'],
  'field.codec': ['Video codec', '视频编码'],
  'help.codec': [
    'H.264 plays everywhere. H.265 needs fewer bits, more processor time and newer players; FLV and RTMP viewers may lack it.',
    'H.264 兼容所有播放器。H.265 更省码率，但编码开销更大，且需要较新的播放器；FLV 和 RTMP 观众可能无法播放。',
  ],
  'option.codec.libx264': ['H.264 (libx264)', 'H.264（libx264）'],
  'option.codec.libx265': ['H.265 (libx265)', 'H.265（libx265）'],
});

const RENDITIONS = [
  { field: 'ld', name: '360p', width: 640, height: 360, video: 400, audio: 64 },
  { field: 'sd', name: '480p', width: 854, height: 480, video: 600, audio: 64 },
  { field: 'hd', name: '720p', width: 1280, height: 720, video: 1000, audio: 128 },
  { field: 'ud', name: '1080p', width: 1920, height: 1080, video: 2000, audio: 128 },
];
const TEMPLATES = { phone: ['ld', 'sd'], web: ['ld', 'sd', 'hd'], full: ['ld', 'sd', 'hd', 'ud'], none: [] };
/// How much larger than the source a rendition may be: sizes are rounded.
const UPSCALING = 1.01;
const BEHIND = 0.97;

export function Transcoding({ record, etag, saved, session }) {
  const draft = useDraft({ record, etag, saved });
  const isOn = draft.value('isCodec') === true;
  const chosen = RENDITIONS.filter(({ field }) => draft.value(field) === true).map(({ field }) => field);
  const apply = (fields) => {
    draft.set('isCodec', fields.length > 0);
    for (const { field } of RENDITIONS) draft.set(field, fields.includes(field));
  };
  return html`<div class="stack">
    <${DraftForm} draft=${draft}>
      <section class="card">
        <h2>${t('transcoding.title')}</h2>
        <p class="quiet">${t('transcoding.text')}</p>
        <${Field} draft=${draft} name="isCodec" />
        <div class="row ways" role="group" aria-label=${t('transcoding.template')}>
          ${Object.entries(TEMPLATES).map(([name, fields]) => html`<button key=${name} type="button" onClick=${() => apply(fields)}
            aria-pressed=${isSame(fields, isOn ? chosen : []) ? 'true' : 'false'}>${t(`transcoding.${name}`)}</button>`)}
        </div>
        <div class="scroll"><table class="renditions">
          <thead><tr>
            <th scope="col">${t('transcoding.rendition')}</th><th scope="col">${t('transcoding.size')}</th>
            <th scope="col" class="number">${t('transcoding.video')}</th>
            <th scope="col" class="number">${t('transcoding.audio')}</th>
          </tr></thead>
          <tbody>${RENDITIONS.map((one) => html`
            <${Rendition} key=${one.field} one=${one} draft=${draft} source=${session?.video} />`)}</tbody>
        </table></div>
        <p class="quiet">${t('transcoding.box')}</p>
        <div role="status">
          ${!isOn && chosen.length > 0 && html`<p class="note">${t('transcoding.offText')}</p>`}
          ${isOn && chosen.length === 0 && html`<p class="note">${t('transcoding.noneChosen')}</p>`}
        </div>
      </section>
      <section class="card">
        <h2>${t('transcoding.encoder')}</h2>
        <div class="grid"><${Field} draft=${draft} name="codec" /><${Field} draft=${draft} name="codecSize" /></div>
      </section>
    </${DraftForm}>
    <${Now} record=${record} session=${session} />
  </div>`;
}

function Rendition({ one, draft, source }) {
  const { field, width, height, video, audio } = one;
  const id = useId();
  const error = draft.errors[field];
  const isTooLarge = draft.value(field) === true && isLarger(one, source);
  return html`<tr data-field=${field}>
    <th scope="row"><span class="switch">
      <input id=${id} type="checkbox" role="switch" checked=${draft.value(field)} disabled=${draft.saving}
        aria-invalid=${error ? 'true' : undefined} onChange=${(event) => draft.set(field, event.target.checked)} /><label for=${id}>${t(`field.${field}`)}</label>
    </span>
      ${isTooLarge && html`<small class="larger">${t('transcoding.larger')}</small>`}
      ${error && html`<small class="error" role="alert">${error}</small>`}
    </th>
    <td class="size">${width}×${height}</td><td class="number">${number(video)}</td><td class="number">${number(audio)}</td>
  </tr>`;
}

/// What runs for the channel as it is saved.
function Now({ record, session }) {
  const task = taskOf(session, 'transcode');
  const wanted = record.isCodec ? RENDITIONS.filter(({ field }) => record[field]) : [];
  const outputs = task?.outputs ?? [];
  const extra = outputs.filter(({ name }) => !wanted.some((one) => one.name === name));
  const fps = session?.video?.frameRate;
  return html`<section class="card">
    <div class="row head"><h2>${t('transcoding.now')}</h2>${task && html`<${TaskBadge} state=${task.state} />`}</div>
    <${Warnings} session=${session} topics=${['renditions', 'encoderSpeed', 'ffmpeg', 'watermark']} />
    ${!session && html`<p class="quiet">${t('transcoding.offline')}</p>`}
    ${session && !task && html`<p class="quiet">${t(wanted.length ? 'transcoding.begins' : 'transcoding.idle')}</p>`}
    ${task && html`
      <dl>
        <dt>${t('task.speed')}</dt><dd>${speedOf(task)}</dd>
        ${fps && html`<dt>${t('transcoding.fps')}</dt><dd>${t('transcoding.fpsValue', { fps: number(fps, 2) })}</dd>`}
        <dt>${t('task.since')}</dt><dd>${dateTime(task.since)}</dd>
        <dt>${t('task.restarts')}</dt><dd>${number(task.restarts)}</dd>
      </dl>
      ${task.speed != null && task.speed < BEHIND && html`<p class="note">${t('transcoding.slow')}</p>`}
      <${Failure} task=${task} />`}
    ${session && (wanted.length > 0 || extra.length > 0) && html`<div class="scroll"><table>
      <thead><tr>
        <th scope="col">${t('transcoding.rendition')}</th><th scope="col">${t('task.state')}</th>
        <th scope="col" class="number">${t('task.bitRate')}</th>
      </tr></thead>
      <tbody>
        ${wanted.map((one) => html`<${OutputRow} key=${one.name} label=${t(`field.${one.field}`)}
          output=${outputs.find(({ name }) => name === one.name)} isTooLarge=${isLarger(one, session.video)} />`)}
        ${extra.map((output) => html`<${OutputRow} key=${output.name} output=${output}
          label=${output.name === 'source' ? t('transcoding.source') : output.name} />`)}
      </tbody>
    </table></div>`}
  </section>`;
}

function OutputRow({ label, output, isTooLarge }) {
  const state = output
    ? html`<${TaskBadge} state=${output.state} />`
    : html`<span class="badge is-warn">${t(isTooLarge ? 'transcoding.larger' : 'transcoding.not')}</span>`;
  return html`<tr>
    <th scope="row">${label}</th>
    <td>${state}${output?.problem && html`<small class="error" lang="en">${output.problem}</small>`}</td>
    <td class="number">${flow(output?.bitrate)}</td>
  </tr>`;
}

/// Whether a rendition would be larger than the source; the box is turned where the source is upright.
function isLarger({ width, height }, source) {
  if (!source?.width || !source?.height) return false;
  const [long, short] = [Math.max(source.width, source.height), Math.min(source.width, source.height)];
  return Math.min(width / long, height / short) > UPSCALING;
}

function isSame(some, others) {
  return some.length === others.length && some.every((one) => others.includes(one));
}
