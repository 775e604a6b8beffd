// What is done to whoever publishes a channel: sent away, or given a new key. Asked for first, as it cannot be taken back.

import { call, channelPath } from './api.js';
import { confirm } from './dialog.js';
import { complain, notify } from './toast.js';
import { know, t } from './words.js';

know({
  'kick.do': ['Disconnect', '断开推流'],
  'kick.title': ['Disconnect the publisher?', '断开当前推流？'],
  'kick.text': [
    'Viewers lose the picture. The encoder may come back by itself within seconds, unless you make a new key as well.',
    '观众将失去画面。除非同时更换密钥，编码器可能会在几秒内自动重新推流。',
  ],
  'kick.done': ['The publisher is disconnected. To keep it out, make a new key.', '已断开推流。若要阻止其重新推流，请更换密钥。'],
  'kick.gone': ['Nobody publishes this channel any more.', '该频道已经没有推流。'],
  'key.do': ['New key', '更换密钥'],
  'key.title': ['Make a new push key?', '更换推流密钥？'],
  'key.text': [
    'The old key and every earlier one stop working for whoever starts to publish. Who publishes now goes on. Encoders need the new key.',
    '旧密钥以及更早的密钥将不能再用于新的推流；正在进行的推流不受影响。编码器需要填写新的密钥。',
  ],
  'key.done': ['The new key counts. Give it to your encoders.', '新密钥已生效，请填写到编码器中。'],
  'key.other': ['Somebody else made a new key just now. It is the one that is shown.', '其他人刚刚更换了密钥，当前显示的就是新密钥。'],
});

/// Disconnects the publisher of a channel; `then()` is called when there is none any more.
export async function kick(id, then) {
  if (!(await confirm({ title: t('kick.title'), text: t('kick.text'), action: t('kick.do') }))) return;
  try {
    await call('DELETE', channelPath(id, '/session'));
    notify(t('kick.done'));
  } catch (problem) {
    if (problem.kind !== 'not-found') return complain(problem);
    notify(t('kick.gone'));
  }
  then();
}

/// Makes a new push key; `saved(record, etag)` takes the channel with it.
export async function newKey(record, etag, saved) {
  if (!(await confirm({ title: t('key.title'), text: t('key.text'), action: t('key.do') }))) return;
  try {
    const { data, etag: next, isOthers } = await make(record, etag);
    saved(data, next);
    notify(t(isOthers ? 'key.other' : 'key.done'));
  } catch (problem) {
    complain(problem);
  }
}

async function make(record, etag) {
  try {
    return await call('POST', channelPath(record.id, '/key'), { etag });
  } catch (problem) {
    if (problem.kind !== 'precondition-failed') throw problem;
    // Another field may have changed; another key must not be thrown away unseen.
    const now = await call('GET', channelPath(record.id));
    return now.data.key === record.key ? make(now.data, now.etag) : { ...now, isOthers: true };
  }
}
