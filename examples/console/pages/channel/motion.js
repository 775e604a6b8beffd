// What moves in a channel: what counts as motion, and the events of a day.

import { DraftForm, Field, useDraft } from '../../parts/form.js';
import { DayPicker } from '../../parts/recordings/days.js';
import { asDay, today } from '../../parts/recordings/listing.js';
import { html, useState } from '../../parts/ui.js';
import { know, t } from '../../parts/words.js';
import { Events } from './motion/events.js';

know({
  'motion.settings': ['What counts as motion', '移动判定'],
  'motion.how': [
    'The platform compares each picture with the one before. Where enough of it changes enough, a clip begins and a picture is kept.',
    '平台会将每个画面与前一画面比较。变化足够大时开始保存片段，并保存一张截图。',
  ],
  'motion.sensitivity': ['How much must move', '灵敏度'],
  'motion.clips': ['The clips', '片段'],
  'motion.events': ['Motion of the day', '当天移动事件'],

  'field.isMotion': ['Look for motion', '开启移动侦测'],
  'field.motion_percent': ['Share of the picture, in percent', '画面变化比例（%）'],
  'help.motion_percent': [
    'So much of the picture must change. Lower finds small things such as a cat; higher finds what fills the picture. 5 to 10 suits a room.',
    '画面中至少有多大比例发生变化。越低越灵敏，可发现猫等小物体；越高只发现占据画面的变化。室内建议 5 到 10。',
  ],
  'field.motion_diff': ['Change of a pixel, 0 to 255', '像素变化阈值（0–255）'],
  'help.motion_diff': [
    'So much a pixel must become brighter or darker to count. Raise it when noise, rain or flicker are taken for motion.',
    '像素亮度变化超过该值才算变化。若噪点、雨水或灯光闪烁引起误报，请调高。',
  ],
  'field.motion_duration': ['Seconds after the last motion', '静止后保留秒数'],
  'help.motion_duration': ['A clip goes on for so long when all is still again.', '画面静止后，片段继续录制的时长。'],
  'field.motion_timeout': ['Longest clip, in seconds', '片段最长秒数'],
  'help.motion_timeout': ['Motion that lasts longer is cut into several clips.', '持续更久的移动会被切成多个片段。'],
});

export function Motion({ record, etag, saved, session, query }) {
  const draft = useDraft({ record, etag, saved });
  const [round, setRound] = useState(0);
  const day = asDay(query.get('day'));
  const refresh = () => setRound((count) => count + 1);
  return html`<div class="stack roomy">
    <section class="stack" aria-labelledby="motion-settings">
      <h2 id="motion-settings">${t('motion.settings')}</h2>
      <${DraftForm} draft=${draft}>
        <section class="card">
          <p class="quiet">${t('motion.how')}</p>
          <${Field} draft=${draft} name="isMotion" />
          ${draft.value('isMotion') && html`<div class="grid">
            <section class="stack"><h3>${t('motion.sensitivity')}</h3>
              <${Field} draft=${draft} name="motion_percent" /><${Field} draft=${draft} name="motion_diff" />
            </section>
            <section class="stack"><h3>${t('motion.clips')}</h3>
              <${Field} draft=${draft} name="motion_duration" /><${Field} draft=${draft} name="motion_timeout" />
            </section>
          </div>`}
        </section>
      </${DraftForm}>
    </section>
    <section class="stack" aria-labelledby="motion-events">
      <div class="toolbar recording-toolbar">
        <h2 id="motion-events">${t('motion.events')}</h2>
        <${DayPicker} day=${day} refresh=${refresh} />
      </div>
      <${Events} key=${day} record=${record} day=${day} isGrowing=${Boolean(session) && day === today()}
        round=${round} page=${query.get('page')} />
    </section>
  </div>`;
}
