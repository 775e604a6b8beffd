// Events and health: whether the platform is well, what happens on it now, which nodes and tasks work.

import { call } from '../parts/api.js';
import { usePoll } from '../parts/hooks.js';
import { Loaded } from '../parts/states.js';
import { html, useEffect } from '../parts/ui.js';
import { know, t } from '../parts/words.js';
import { Happenings } from './events/happenings.js';
import { Health } from './events/health.js';
import { Nodes, Tasks } from './events/work.js';

know({
  'events.title': ['Events and health', '事件与健康'],
});

const ONLINE_MS = 5000;

export function Events({ query }) {
  const online = usePoll((signal) => call('GET', 'videostream/online', { signal }).then(({ data }) => data), ONLINE_MS);
  useEffect(() => {
    document.title = `${t('events.title')} · lsv`;
  }, []);
  return html`
    <header class="title"><h1>${t('events.title')}</h1></header>
    <div class="stack">
      <${Health} />
      <${Happenings} channel=${query.get('channel') ?? ''} />
      <${Loaded} of=${online}>${(sessions) => html`
        <${Nodes} sessions=${sessions} /><${Tasks} sessions=${sessions} page=${query.get('page')} />`}</${Loaded}>
    </div>`;
}
