// How to push to a channel: what OBS and ffmpeg want to be told, each in the words that they use for it.

import { CopyBlock, CopyField } from './copy.js';
import { html } from './ui.js';
import { know, t } from './words.js';

know({
  'push.server': ['Server', '服务器'],
  'push.streamKey': ['Stream key', '推流码'],
  'push.obs': ['With OBS Studio', '使用 OBS Studio'],
  'push.obs1': ['Open Settings, then Stream. As the service choose Custom.', '打开“设置”→“直播”，服务选择“自定义”。'],
  'push.obs2': ['Copy server and stream key into the fields of these names.', '将服务器和推流码分别复制到同名的输入框中。'],
  'push.obs3': [
    'Under Output set the key-frame interval to {seconds} s, then press Start Streaming.',
    '在“输出”中将关键帧间隔设为 {seconds} 秒，然后点击“开始直播”。',
  ],
  'push.ffmpeg': ['With ffmpeg', '使用 ffmpeg'],
  'push.test': ['A test picture with a tone', '测试画面和测试音'],
  'push.file': ['A file, over and over', '循环推送一个文件'],
});

/// Server and stream key, as OBS and its like ask for them.
export function PushFields({ push }) {
  return html`
    <${CopyField} label=${t('push.server')} value=${push.server} />
    <${CopyField} label=${t('push.streamKey')} value=${push.streamKey} secret />`;
}

/// The two ways that most people push by, step by step. `push` is as `urls` has it, `seconds` the length of a segment.
export function PushGuide({ push, seconds }) {
  const interval = Math.min(seconds, 4);
  return html`<div class="grid push-guide">
    <section class="card">
      <h3>${t('push.obs')}</h3>
      <ol>
        <li>${t('push.obs1')}</li>
        <li>${t('push.obs2')}</li>
        <li>${t('push.obs3', { seconds: interval })}</li>
      </ol>
      <${PushFields} push=${push} />
    </section>
    <section class="card">
      <h3>${t('push.ffmpeg')}</h3>
      <${CopyBlock} label=${t('push.test')} value=${testCommand(push.url, interval)} />
      <${CopyBlock} label=${t('push.file')} value=${fileCommand(push.url, interval)} />
    </section>
  </div>`;
}

const ENCODE = '-c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p';

/// Double quotes work in the shells of Linux, macOS and Windows alike.
function testCommand(url, interval) {
  const source = '-f lavfi -i testsrc2=size=1280x720:rate=25 -f lavfi -i sine=frequency=440:sample_rate=48000';
  return `ffmpeg -re ${source} ${ENCODE} -g ${interval * 25} -c:a aac -f flv "${url}"`;
}

function fileCommand(url, interval) {
  const keys = `-force_key_frames "expr:gte(t,n_forced*${interval})"`;
  return `ffmpeg -re -stream_loop -1 -i video.mp4 ${ENCODE} ${keys} -c:a aac -f flv "${url}"`;
}
