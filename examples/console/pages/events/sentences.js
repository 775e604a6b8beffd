// Events in words. The channel's name stands before each sentence.

import { kindName } from '../../parts/tasks.js';
import { bytes, has, know, number, t } from '../../parts/words.js';

know({
  'event.published': ['Published', '开始推流'],
  'event.unpublished': ['Unpublished', '结束推流'],
  'event.rejected': ['Refused', '拒绝'],
  'event.recording-written': ['Recording written', '录像完成'],
  'event.recording-gap': ['Recording gap', '录像缺失'],
  'event.motion': ['Motion', '移动侦测'],
  'event.task-started': ['Task started', '任务开始'],
  'event.task-stopped': ['Task ended', '任务结束'],
  'event.task-failed': ['Task failed', '任务失败'],
  'event.channel-created': ['Channel created', '创建频道'],
  'event.channel-changed': ['Channel changed', '修改频道'],
  'event.channel-deleted': ['Channel deleted', '删除频道'],
  'event.lost': ['Missed', '遗漏'],

  'told.published': ['went live, pushed from {peer}.', '开始直播，推流来自 {peer}。'],
  'told.unpublished': ['is no longer live.', '直播结束。'],
  'told.rejected-publish': ['refused a publisher from {peer}: {reason}.', '拒绝了来自 {peer} 的推流：{reason}。'],
  'told.rejected-play': ['refused a viewer from {peer}: {reason}.', '拒绝了来自 {peer} 的观看：{reason}。'],
  'told.recording-written': ['has a new {what}, {size}: {name}.', '生成了新的{what}，{size}：{name}。'],
  'told.recording-gap': [
    'lost {seconds} s of {name}, as the store was out of reach for too long.',
    '丢失了 {name} 中 {seconds} 秒的内容：存储长时间无法访问。',
  ],
  'told.motion': ['sees something move.', '画面中有物体移动。'],
  'told.task-started': ['has begun: {kind}.', '已开始{kind}任务。'],
  'told.task-stopped': ['has ended: {kind}.', '已结束{kind}任务。'],
  'told.task-failed': ['has a failure in {kind}: {message}', '{kind}任务失败：{message}'],
  'told.channel-created': ['was created.', '已创建。'],
  'told.channel-changed': ['was changed.', '已修改。'],
  'told.channel-deleted': ['was deleted.', '已删除。'],
  'told.lost': ['{count} events came too fast to be told here.', '{count} 条事件来得太快，未能显示。'],

  'written.video': ['recording', '录像'],
  'written.image': ['snapshot', '截图'],
  'written.vod': ['part of the video on demand', '点播文件'],
  'written.motion-video': ['clip of motion', '移动侦测片段'],
  'written.motion-image': ['picture of motion', '移动侦测截图'],
  'written.other': ['file', '文件'],

  'reason.missing': ['no credential was given', '未提供凭证'],
  'reason.malformed': ['the credential is not one', '凭证格式不正确'],
  'reason.not-allowed': ['the credential is signed in a way that is not turned on', '未启用该签名方式'],
  'reason.expired': ['its time is over', '已过期'],
  'reason.revoked': ['the credential was taken back', '凭证已被撤销'],
  'reason.mismatch': ['the credential belongs to something else', '凭证不匹配'],
  'reason.network': ['its network may not watch', '所在网络不允许观看'],
  'reason.referer': ['the page may not embed the channel', '页面来源不允许（防盗链）'],
  'reason.too-many-viewers': ['as many watch as may', '观看人数已达上限'],
  'reason.unknown-channel': ['there is no such channel', '频道不存在'],
  'reason.not-publishable': ['the platform makes that stream itself', '该流由平台生成，不能推流'],
  'reason.busy': ['somebody else publishes', '已有其他推流'],
  'reason.too-many-attempts': ['too many attempts of that address failed', '该地址失败次数过多'],
  'reason.too-many-publishers': ['as many publish as may', '推流数量已达上限'],
  'reason.bit-rate': ['the bit rate that may come in is used up', '入口码率已达上限'],
  'reason.loop': ['the request came back to where it was', '请求出现环路'],
  'reason.unavailable': ['it could not be decided in time', '暂时无法判断'],
});

/// The kind of an event, in a word or two.
export function kindWord(name) {
  return has(`event.${name}`) ? t(`event.${name}`) : name;
}

/// What happened, to be read behind the name of the channel.
export function sentenceOf(one) {
  switch (one.event) {
    case 'rejected':
      return t(`told.rejected-${one.access}`, { peer: one.peer, reason: word('reason', one.reason) });
    case 'recording-written':
      return t('told.recording-written', { what: t(`written.${whatIs(one.name)}`), size: bytes(one.size), name: fileOf(one.name) });
    case 'recording-gap':
      return t('told.recording-gap', { seconds: number(one.millis / 1000, 1), name: fileOf(one.name) });
    case 'task-started':
    case 'task-stopped':
    case 'task-failed':
      return t(`told.${one.event}`, { kind: kindName(one.kind), message: one.message });
    default:
      return has(`told.${one.event}`) ? t(`told.${one.event}`, one) : one.event;
  }
}

/// The tab of the channel where more about it is.
export function tabOf({ event, kind }) {
  if (event === 'motion' || kind === 'motion') return 'motion';
  if (event.startsWith('recording-') || kind === 'record' || kind === 'snapshot') return 'recording';
  if (kind === 'transcode') return 'transcoding';
  if (kind === 'relay') return 'relay';
  return event.startsWith('channel-') ? 'settings' : 'live';
}

/// What a name in the store stands for: `record/cam/mp4/…`, `images`, `vod`, `motion/mp4`, `motion/images`.
function whatIs(name) {
  const [, , first, second] = name.split('/');
  const known = { mp4: 'video', images: 'image', vod: 'vod' };
  if (first === 'motion') return second === 'images' ? 'motion-image' : 'motion-video';
  return known[first] ?? 'other';
}

function fileOf(name) {
  return name.split('/').at(-1);
}

function word(group, name) {
  return has(`${group}.${name}`) ? t(`${group}.${name}`) : name;
}
