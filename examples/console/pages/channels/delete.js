// Deleting a channel: asked for by its name, from the list and from its settings.

import { call, channelPath } from '../../parts/api.js';
import { confirm } from '../../parts/dialog.js';
import { inSentence, nameOf } from '../../parts/names.js';
import { complain, notify } from '../../parts/toast.js';
import { t } from '../../parts/words.js';
import './words.js';

/// Asks, and deletes; true when the channel is gone.
export async function deleteChannel(record) {
  const name = inSentence(nameOf(record));
  const sure = await confirm({
    title: t('channels.deleteTitle', { name }),
    text: t('channels.deleteText', { id: record.id }),
    action: t('channels.deleteDo'),
  });
  if (!sure) return false;
  try {
    await call('DELETE', channelPath(record.id));
  } catch (problem) {
    // Gone is gone, whoever was faster.
    if (problem.kind !== 'not-found') {
      complain(problem);
      return false;
    }
  }
  notify(t('channels.deleted', { name }));
  return true;
}
