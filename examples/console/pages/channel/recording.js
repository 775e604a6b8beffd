// What is recorded of a channel: the settings, what it takes to keep, and what there is of a day.

import { DraftForm, Field, useDraft } from '../../parts/form.js';
import { DayPicker } from '../../parts/recordings/days.js';
import { asDay, today } from '../../parts/recordings/listing.js';
import { amend } from '../../parts/router.js';
import { html, useState } from '../../parts/ui.js';
import { know, t } from '../../parts/words.js';
import { Day } from './recording/day.js';
import { Usage } from './recording/usage.js';

know({
  'recording.settings': ['What is recorded', '录制内容'],
  'recording.list': ['Recordings', '录像'],
  'recording.kinds': ['Kind', '类型'],
  'recording.files': ['MP4 files', 'MP4 文件'],
  'recording.filesText': [
    'Files to download and to edit, one after another, each as long as you say.',
    '可下载、可剪辑的文件，按设定时长连续切分。',
  ],
  'recording.sessions': ['Sessions on demand', '点播（HLS）'],
  'recording.sessionsText': [
    'Each time somebody publishes, the whole session is kept as HLS: viewers can watch it later and seek in it.',
    '每次推流的完整过程以 HLS 保存，观众可随时回看并拖动进度。',
  ],
  'recording.pictures': ['Pictures', '截图'],
  'recording.picturesText': ['A JPEG of what is seen, again and again.', '按固定间隔保存当前画面的 JPEG。'],
  'recording.counts': [
    'A change counts within five seconds, also while the channel is live.',
    '更改在五秒内生效，直播中也一样。',
  ],

  'field.isVideo': ['Record MP4 files', '录制 MP4'],
  'field.video_time': ['Seconds in a file', '单个文件时长（秒）'],
  'help.video_time': ['A file ends with the first key frame after that.', '到达时长后，在下一个关键帧处切分。'],
  'field.isOnDemand': ['Record sessions on demand', '录制点播'],
  'field.ondemand_time': ['Seconds in a segment', '分片时长（秒）'],
  'help.ondemand_time': [
    'Long ones make fewer objects; short ones are seen sooner.',
    '分片越长，对象越少；分片越短，可观看得越早。',
  ],
  'field.ondemand_list_size': ['Segments kept of a session', '每次会话保留的分片数'],
  'help.ondemand_list_size': ['0 keeps all. Otherwise the oldest are deleted.', '0 表示全部保留，否则自动删除最旧的分片。'],
  'field.isImage': ['Take pictures', '定时截图'],
  'field.image_time': ['Seconds between pictures', '截图间隔（秒）'],
});

const KINDS = [['file', 'isVideo'], ['on-demand', 'isOnDemand'], ['snapshot', 'isImage']];

export function Recording({ record, etag, saved, session, query }) {
  const draft = useDraft({ record, etag, saved });
  const [round, setRound] = useState(0);
  const day = asDay(query.get('day'));
  const [kind, flag] = KINDS.find(([name]) => name === query.get('kind')) ?? KINDS.find(([, on]) => record[on]) ?? KINDS[0];
  const refresh = () => setRound((count) => count + 1);
  return html`<div class="stack roomy">
    <section class="stack" aria-labelledby="recording-settings">
      <h2 id="recording-settings">${t('recording.settings')}</h2>
      <${DraftForm} draft=${draft}>
        <div class="recording-kinds">
          <${Kind} draft=${draft} name="files" flag="isVideo" fields=${['video_time']} />
          <${Kind} draft=${draft} name="sessions" flag="isOnDemand" fields=${['ondemand_time', 'ondemand_list_size']} />
          <${Kind} draft=${draft} name="pictures" flag="isImage" fields=${['image_time']} />
        </div>
        <small>${t('recording.counts')}</small>
      </${DraftForm}>
    </section>
    <${Usage} id=${record.id} round=${round} />
    <section class="stack" aria-labelledby="recording-list">
      <h2 id="recording-list">${t('recording.list')}</h2>
      <div class="toolbar recording-toolbar">
        <div class="choices" role="group" aria-label=${t('recording.kinds')}>
          ${KINDS.map(([name]) => html`<button key=${name} type="button" aria-pressed=${name === kind ? 'true' : 'false'}
            onClick=${() => amend({ kind: name, page: '' })}>${t(`recording.short.${name}`)}</button>`)}
        </div>
        <${DayPicker} day=${day} refresh=${refresh} />
      </div>
      <${Day} key=${`${kind}/${day}`} record=${record} kind=${kind} day=${day} isOn=${record[flag]}
        isGrowing=${Boolean(session) && day === today()} round=${round} changed=${refresh} page=${query.get('page')} />
    </section>
  </div>`;
}

/// One kind of recording: its switch, and what can be set of it once that is on.
function Kind({ draft, name, flag, fields }) {
  return html`<section class="card">
    <header><h3>${t(`recording.${name}`)}</h3><p class="quiet">${t(`recording.${name}Text`)}</p></header>
    <${Field} draft=${draft} name=${flag} />
    ${draft.value(flag) && fields.map((field) => html`<${Field} key=${field} draft=${draft} name=${field} />`)}
  </section>`;
}
