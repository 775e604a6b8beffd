// What a channel is called, until when it may be pushed to, what it sends out; and its end.

import { DraftForm, Field, useDraft } from '../../parts/form.js';
import { CopyField } from '../../parts/copy.js';
import { Icon } from '../../parts/icons.js';
import { go } from '../../parts/router.js';
import { html } from '../../parts/ui.js';
import { dateTime, know, relative, t } from '../../parts/words.js';
import { deleteChannel } from '../channels/delete.js';
import { Expiry, untilWhen } from '../channels/expiry.js';
import '../channels/words.js';

know({
  'settings.about': ['About the channel', '基本信息'],
  'settings.expiry': ['Expiry', '有效期'],
  'settings.expiryText': [
    'A new day makes a new push key, shown with the addresses; the key in use goes on to work for as long as it did, at most up to the new day.',
    '更改日期会生成新的推流密钥，显示在“地址”页；正在使用的密钥在原有效期内继续有效，但不超过新的日期。',
  ],
  'settings.outputs': ['Live outputs', '直播输出'],
  'settings.outputsText': ['Changes reach viewers within five seconds; the publisher stays connected.', '更改在五秒内对观众生效；推流不会中断。'],
  'settings.noOutput': ['All outputs are off: only RTMP can be played.', '所有输出均已关闭：只能通过 RTMP 播放。'],
  'settings.hls': ['HLS and DASH', 'HLS 与 DASH'],
  'settings.noDash': ['An encrypted channel has no DASH.', '加密的频道没有 DASH。'],
  'settings.advanced': ['Advanced', '高级'],
  'settings.facts': ['Facts', '信息'],
  'settings.created': ['Created', '创建时间'],
  'settings.updated': ['Changed', '修改时间'],
  'settings.id': ['Id', 'ID'],
  'settings.idHint': ['It is part of the addresses and never changes.', '它是地址的一部分，不会改变。'],
  'settings.danger': ['Danger zone', '危险操作'],
  'settings.dangerText': [
    'Deleting takes away the channel, its push key and its addresses, and disconnects whoever pushes to it. Recordings stay.',
    '删除后，频道及其推流密钥和地址将不复存在，正在推流的连接会被断开。录像会保留。',
  ],
  'field.hls_time': ['Segment length (s)', '分片时长（秒）'],
  'help.hls_time': ['1 to 60. Shorter is nearer to live. A segment ends at a key frame only, so let the encoder send one at least as often.', '1 到 60。越短越接近实时。分片只在关键帧处结束，编码器的关键帧间隔不应更长。'],
  'field.hls_list_size': ['Playlist length (segments)', '播放列表长度（分片数）'],
  'help.hls_list_size': ['3 to 100. How many segments a live playlist names.', '3 到 100。直播播放列表包含的分片数量。'],
  'field.dvr_window': ['Rewind (s)', '时移（秒）'],
  'help.dvr_window': ['How far back viewers can go, up to 86,400 (a day). 0: as far as a live playlist goes.', '观众可回看的时长，最多 86,400（一天）。0：仅限直播播放列表。'],
  'field.isEncrypted': ['Encrypt HLS', '加密 HLS'],
  'help.isEncrypted': ['AES-128; keys go only to those who may watch.', 'AES-128；密钥只提供给有权观看的人。'],
  'field.key_rotation': ['New key after (segments)', '密钥轮换（分片数）'],
  'help.key_rotation': ['1 to 3,600.', '1 到 3,600。'],
  'field.logLevel': ['Log of the encoder processes', '编码进程的日志级别'],
  'help.logLevel': ['“warning” is enough as long as nothing is wrong.', '一切正常时使用 “warning” 即可。'],
  'field.isRtmps': ['RTMPS inside the platform', '平台内部使用 RTMPS'],
  'help.isRtmps': ['Between gateway and processor, from the next pull on. Without effect on one machine.', '用于网关与处理器之间，从下一次拉流起生效。单机部署时不起作用。'],
  'field.recordSize': ['Size of the recording task', '录制任务规格'],
  'help.recordSize': ['Where processors run: how much of one the recordings of this channel are counted as.', '在使用处理器的部署中：该频道的录制任务占用多少资源。'],
  'field.codecSize': ['Size of the transcoding task', '转码任务规格'],
  'help.codecSize': ['Where processors run: how much of one the renditions of this channel are counted as.', '在使用处理器的部署中：该频道的转码任务占用多少资源。'],
  ...Object.fromEntries(['recordSize', 'codecSize'].flatMap((field) => [
    [`option.${field}.micro`, ['micro: 0.25 CPU, 512 MiB', 'micro：0.25 CPU，512 MiB']],
    [`option.${field}.small`, ['small: 0.5 CPU, 1 GiB', 'small：0.5 CPU，1 GiB']],
    [`option.${field}.medium`, ['medium: 1 CPU, 2 GiB', 'medium：1 CPU，2 GiB']],
    [`option.${field}.large`, ['large: 2 CPU, 4 GiB', 'large：2 CPU，4 GiB']],
    [`option.${field}.xlarge`, ['xlarge: 4 CPU, 8 GiB', 'xlarge：4 CPU，8 GiB']],
  ])),
});

const OUTPUTS = ['isFlv', 'isHls', 'isCMAF'];

export function Settings({ record, etag, saved }) {
  const draft = useDraft({ record, etag, saved });
  const on = (name) => draft.value(name) === true;
  const outdate = draft.value('outdate');
  const remove = async () => (await deleteChannel(record)) && go(['channels']);
  return html`<div class="stack">
    <${DraftForm} draft=${draft}>
      <div class="grid">
        <section class="card">
          <h2>${t('settings.about')}</h2>
          <${Field} draft=${draft} name="videoname" />
          <${Field} draft=${draft} name="description" as="area" />
        </section>
        <section class="card">
          <div class="row"><h2 class="grow">${t('settings.expiry')}</h2><${Expiry} outdate=${record.outdate} /></div>
          <${Field} draft=${draft} name="outdate" as="day" />
          <p>${untilWhen(outdate)}</p>
          <p class="quiet">${t('settings.expiryText')}</p>
        </section>
        <section class="card">
          <h2>${t('settings.outputs')}</h2>
          <p class="quiet">${t('settings.outputsText')}</p>
          ${OUTPUTS.map((name) => html`<${Field} key=${name} draft=${draft} name=${name} />`)}
          ${!OUTPUTS.some(on) && html`<p class="note" role="status">${t('settings.noOutput')}</p>`}
        </section>
        <section class="card">
          <h2>${t('settings.hls')}</h2>
          <${Field} draft=${draft} name="hls_time" />
          <${Field} draft=${draft} name="hls_list_size" />
          <${Field} draft=${draft} name="dvr_window" />
          <${Field} draft=${draft} name="isEncrypted" />
          ${on('isEncrypted') && html`<${Field} draft=${draft} name="key_rotation" />`}
          ${on('isEncrypted') && on('isCMAF') && html`<p class="note">${t('settings.noDash')}</p>`}
        </section>
      </div>
      <details class="card">
        <summary>${t('settings.advanced')}</summary>
        <div class="grid">
          <${Field} draft=${draft} name="logLevel" />
          <${Field} draft=${draft} name="recordSize" />
          <${Field} draft=${draft} name="codecSize" />
          <${Field} draft=${draft} name="isRtmps" />
        </div>
      </details>
    </${DraftForm}>
    <section class="card">
      <h2>${t('settings.facts')}</h2>
      <${CopyField} label=${t('settings.id')} value=${record.id} hint=${t('settings.idHint')} />
      <dl>
        ${[['settings.created', record.createdAt], ['settings.updated', record.updatedAt]].map(([key, time]) => html`
          <dt key=${key}>${t(key)}</dt><dd>${dateTime(time)} <small>${relative(time)}</small></dd>`)}
      </dl>
    </section>
    <section class="card danger-zone">
      <h2>${t('settings.danger')}</h2>
      <div class="row">
        <p class="grow">${t('settings.dangerText')}</p>
        <button type="button" class="danger" onClick=${remove}><${Icon} name="trash" />${t('channels.deleteDo')}</button>
      </div>
    </section>
  </div>`;
}
