// The facts of a live session: where it comes from, what is in it, who watches, and what is wrong with it.

import { Chart } from '../../../parts/chart.js';
import { codecName } from '../../../parts/codecs.js';
import { Icon } from '../../../parts/icons.js';
import { html, useEffect, useState } from '../../../parts/ui.js';
import { bitRate, dateTime, duration, has, know, number, t } from '../../../parts/words.js';

know({
  'session.title': ['Session', '推流信息'],
  'session.since': ['Live since', '开播时间'],
  'session.for': ['On air for', '已直播'],
  'session.peer': ['Publisher', '推流端'],
  'session.node': ['Node', '节点'],
  'session.video': ['Video', '视频'],
  'session.size': ['Picture', '画面'],
  'session.fps': ['{fps} frames/s', '{fps} 帧/秒'],
  'session.gop': ['Key frame every', '关键帧间隔'],
  'session.seconds': ['{seconds} s', '{seconds} 秒'],
  'session.frames': ['{seconds} s ({frames} frames)', '{seconds} 秒（{frames} 帧）'],
  'session.audio': ['Audio', '音频'],
  'session.noVideo': ['No video', '无视频'],
  'session.noAudio': ['No audio', '无音频'],
  'session.mono': ['mono', '单声道'],
  'session.stereo': ['stereo', '立体声'],
  'session.channels': ['{count} channels', '{count} 声道'],
  'session.bitRate': ['Bit rate in, last 2 minutes', '推流码率（最近 2 分钟）'],
  'viewers.title': ['Viewers', '观众'],
  'viewers.preview': ['The preview counts as one of them.', '预览也计入其中。'],
  'viewers.protocol': ['Protocol', '协议'],
  'viewers.count': ['Viewers', '观众数'],
  'viewers.out': ['Bit rate out', '输出码率'],
  'viewers.all': ['All together', '合计'],
  'viewers.cmaf': ['Low-latency HLS, DASH', '低延迟 HLS、DASH'],
  'viewers.hls': ['HLS', 'HLS'],
  'viewers.flv': ['FLV', 'FLV'],
  'viewers.rtmp': ['RTMP', 'RTMP'],
  'doctor.title': ['Stream doctor', '推流诊断'],
  'doctor.well': ['All is well: nothing about this stream makes it worse for viewers.', '一切正常：没有发现影响观看的问题。'],
  'doctor.keyFrames': ['Key frames', '关键帧'],
  'doctor.audio': ['No sound', '没有声音'],
  'doctor.bFrames': ['B-frames', 'B 帧'],
  'doctor.frameRate': ['Uneven frame rate', '帧率不稳定'],
  'doctor.bitRate': ['Bit rate too high', '码率过高'],
  'doctor.speed': ['Slower than it plays', '推流速度不足'],
  'doctor.timestamps': ['Timestamps jumped', '时间戳跳变'],
  'doctor.tracks': ['A track is left out', '部分音视频轨未输出'],
  'doctor.renditions': ['A rendition is not made', '部分画质未生成'],
  'doctor.encoderSpeed': ['Transcoding falls behind', '转码跟不上'],
  'doctor.watermark': ['Watermark', '水印'],
  'doctor.ffmpeg': ['An encoder is missing', '缺少编码器'],
  'advice.keyFrames': [
    'OBS: Settings, Output, Keyframe Interval. ffmpeg: -g with frames a second times seconds.',
    'OBS：设置 → 输出 → 关键帧间隔；ffmpeg：-g 设为 帧率 × 秒数。',
  ],
  'advice.audio': [
    'OBS: choose a device under Settings, Audio, and see that it is not muted in the mixer.',
    'OBS：在“设置 → 音频”中选择设备，并确认混音器中没有静音。',
  ],
  'advice.bFrames': [
    'OBS: Settings, Output, Max B-frames 0, or Tune zerolatency. ffmpeg: -bf 0. It matters where delay does.',
    'OBS：设置 → 输出 → 最大 B 帧设为 0，或微调选择 zerolatency；ffmpeg：-bf 0。仅在要求低延迟时需要调整。',
  ],
  'advice.frameRate': [
    'The encoder drops or doubles pictures, mostly for want of processor or camera light. Choose a faster preset or fewer frames a second.',
    '编码器在丢帧或重复帧，通常是 CPU 不足或摄像头光线不足。请选择更快的预设或降低帧率。',
  ],
  'advice.bitRate': [
    'Lower the bit rate at the encoder, or let the platform make smaller renditions.',
    '降低编码器码率，或开启转码生成更低的画质。',
  ],
  'advice.speed': [
    'The network or the encoder is too slow. Lower the bit rate, choose a faster preset, prefer a cable to Wi-Fi.',
    '网络或编码器速度不足。请降低码率、选择更快的预设，尽量使用有线网络。',
  ],
  'advice.timestamps': [
    'The encoder set its clock anew, as at the start of another file. Players skip there; if it goes on, restart the encoder.',
    '编码器时钟被重置，例如切换到另一个文件。播放器会在此跳过；若持续出现，请重启编码器。',
  ],
  'advice.tracks': [
    'Viewers of that output miss a track. Push H.264 with AAC: every output takes them.',
    '该输出的观众缺少一路音视频。建议推送 H.264 + AAC，所有输出均支持。',
  ],
  'advice.encoderSpeed': [
    'Give transcoding a larger task size, or turn off a rendition.',
    '为转码选择更大的任务规格，或关闭一个画质。',
  ],
});

const PROTOCOLS = ['cmaf', 'hls', 'flv', 'rtmp'];
const WINDOW_MS = 120_000;
const GAP_MS = 10_000;
const POINTS = 60;

/// What came in over the last two minutes, by channel: it stays while the operator looks at another tab.
const histories = new Map();

function remember({ channel, since, bitrateIn }) {
  const now = Date.now();
  const old = histories.get(channel);
  const goes = old?.since === since && now - old.points.at(-1).at < GAP_MS;
  const points = [...(goes ? old.points : []), { at: now, bits: bitrateIn }].filter(({ at }) => at > now - WINDOW_MS).slice(-POINTS);
  histories.set(channel, { since, points });
  return points.map(({ bits }) => bits);
}

/// `children` are what can be done to it.
export function Facts({ session, children }) {
  const [points, setPoints] = useState([]);
  useEffect(() => setPoints(remember(session)), [session]);
  const { video, audio, keyFrameInterval: gop } = session;
  return html`<section class="card">
    <h2>${t('session.title')}</h2>
    <dl>
      <dt>${t('session.since')}</dt><dd>${dateTime(session.since)}</dd>
      <dt>${t('session.for')}</dt><dd>${duration((Date.now() - Date.parse(session.since)) / 1000)}</dd>
      <dt>${t('session.peer')}</dt><dd dir="auto">${session.peer}</dd>
      <dt>${t('session.node')}</dt><dd>${session.node}</dd>
      <dt>${t('session.video')}</dt><dd>${video ? codecName(video.codec) : t('session.noVideo')}</dd>
      ${video && html`<dt>${t('session.size')}</dt><dd>${picture(video)}</dd>`}
      ${video && html`<dt>${t('session.gop')}</dt><dd>${gop == null ? t('say.unknown') : interval(gop, video.frameRate)}</dd>`}
      <dt>${t('session.audio')}</dt><dd>${audio ? sound(audio) : t('session.noAudio')}</dd>
    </dl>
    <${Chart} points=${points} most=${POINTS} label=${t('session.bitRate')} format=${bitRate} />
    <div class="row">${children}</div>
  </section>`;
}

function picture({ width, height, frameRate }) {
  const size = width ? `${width} × ${height}` : t('say.unknown');
  return [size, frameRate && t('session.fps', { fps: number(frameRate, 2) })].filter(Boolean).join(' · ');
}

function interval(seconds, fps) {
  const given = { seconds: number(seconds, 2), frames: Math.round(seconds * fps) };
  return t(fps ? 'session.frames' : 'session.seconds', given);
}

function sound({ codec, sampleRate, channels }) {
  const named = { 1: 'session.mono', 2: 'session.stereo' }[channels] ?? 'session.channels';
  return [codecName(codec), `${number(sampleRate / 1000, 1)} kHz`, t(named, { count: channels })].join(' · ');
}

export function Viewers({ session }) {
  const { viewers, bitrateOut } = session;
  const others = Object.keys(viewers).filter((name) => !PROTOCOLS.includes(name));
  const sum = (counts) => Object.values(counts).reduce((all, one) => all + one, 0);
  const row = (key, label, count, bits) => html`<tr key=${key}>
    <th scope="row">${label}</th><td class="number">${number(count)}</td><td class="number">${bitRate(bits)}</td>
  </tr>`;
  return html`<section class="card">
    <h2>${t('viewers.title')}</h2>
    <p class="quiet">${t('viewers.preview')}</p>
    <div class="scroll"><table>
      <thead><tr><th scope="col">${t('viewers.protocol')}</th><th scope="col" class="number">${t('viewers.count')}</th><th scope="col" class="number">${t('viewers.out')}</th></tr></thead>
      <tbody>
        ${[...PROTOCOLS, ...others].map((name) => row(name, has(`viewers.${name}`) ? t(`viewers.${name}`) : name, viewers[name] ?? 0, bitrateOut[name] ?? 0))}
        ${row('all', t('viewers.all'), sum(viewers), sum(bitrateOut))}
      </tbody>
    </table></div>
  </section>`;
}

/// The platform says in English what is wrong; what to do at the encoder is said in the operator's language as well.
export function Doctor({ warnings }) {
  return html`<section class="card">
    <h2>${t('doctor.title')}</h2>
    <div role="status">
      ${warnings.length === 0
        ? html`<p class="all-well"><${Icon} name="check" />${t('doctor.well')}</p>`
        : html`<ul class="warnings">${warnings.map(({ topic, text }) => html`<li key=${topic + text}>
            <h3>${has(`doctor.${topic}`) ? t(`doctor.${topic}`) : topic}</h3>
            <p lang="en">${text[0].toUpperCase() + text.slice(1)}.</p>
            ${has(`advice.${topic}`) && html`<p class="quiet">${t(`advice.${topic}`)}</p>`}
          </li>`)}</ul>`}
    </div>
  </section>`;
}
