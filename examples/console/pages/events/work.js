// Nodes and tasks: where the live channels are, and what works for them.

import { Pager, pageOf } from '../../parts/pager.js';
import { href } from '../../parts/router.js';
import { Failure, flow, kindName, problemOf, speedOf, TaskBadge } from '../../parts/tasks.js';
import { html } from '../../parts/ui.js';
import { dateTime, know, number, relative, t } from '../../parts/words.js';
import { tabOf } from './sentences.js';

know({
  'nodes.title': ['Nodes', '节点'],
  'nodes.node': ['Node', '节点'],
  'nodes.channels': ['Channels', '频道'],
  'nodes.viewers': ['Viewers', '观看人数'],
  'nodes.in': ['Comes in', '入口码率'],
  'nodes.out': ['Goes out', '出口码率'],
  'nodes.tasks': ['Tasks', '任务'],
  'nodes.none': ['No channel is live, so no node has work.', '没有频道在直播，节点空闲。'],
  'tasks.title': ['Tasks', '任务'],
  'tasks.channel': ['Channel', '频道'],
  'tasks.none': [
    'No task runs. Transcoding, watermarks, snapshots, motion and relays begin as soon as a channel that has them goes live.',
    '没有任务在运行。开启了转码、水印、截图、移动侦测或转推的频道开播后，任务会显示在这里。',
  ],
});

const PAGE = 50;
const FIGURES = ['channels', 'viewers', 'in', 'out', 'tasks'];

export function Nodes({ sessions }) {
  const nodes = new Map();
  for (const session of sessions) nodes.set(session.node, [...(nodes.get(session.node) ?? []), session]);
  const row = ([name, own]) => html`<tr key=${name}>
    <th scope="row">${name}</th>
    <td class="number">${number(own.length)}</td>
    <td class="number">${number(sum(own, ({ viewers }) => total(viewers)))}</td>
    <td class="number">${flow(sum(own, ({ bitrateIn }) => bitrateIn))}</td>
    <td class="number">${flow(sum(own, ({ bitrateOut }) => total(bitrateOut)))}</td>
    <td class="number">${number(sum(own, ({ tasks }) => tasks.length))}</td>
  </tr>`;
  return html`<section class="card">
    <h2>${t('nodes.title')}</h2>
    ${nodes.size === 0 && html`<p class="quiet">${t('nodes.none')}</p>`}
    ${nodes.size > 0 && html`<div class="scroll" tabindex="0" role="group" aria-label=${t('nodes.title')}><table>
      <thead><tr><th scope="col">${t('nodes.node')}</th>
        ${FIGURES.map((name) => html`<th key=${name} scope="col" class="number">${t(`nodes.${name}`)}</th>`)}</tr></thead>
      <tbody>${[...nodes].sort(([one], [other]) => one.localeCompare(other)).map(row)}</tbody>
    </table></div>`}
  </section>`;
}

export function Tasks({ sessions, page: wanted }) {
  // What is in trouble comes first.
  const tasks = sessions.flatMap((session) => session.tasks)
    .sort((one, other) => (other.state === 'waiting') - (one.state === 'waiting') || one.channel.localeCompare(other.channel));
  const { page, pages, shown } = pageOf(tasks, wanted, PAGE);
  return html`<section class="card">
    <h2>${t('tasks.title')}</h2>
    ${tasks.length === 0 && html`<p class="quiet">${t('tasks.none')}</p>`}
    ${tasks.length > 0 && html`<div class="scroll" tabindex="0" role="group" aria-label=${t('tasks.title')}><table>
      <thead><tr>
        <th scope="col">${t('task.kind')}</th><th scope="col">${t('tasks.channel')}</th><th scope="col">${t('task.state')}</th>
        <th scope="col" class="number">${t('task.speed')}</th><th scope="col">${t('task.since')}</th>
        <th scope="col" class="number">${t('task.restarts')}</th>
      </tr></thead>
      <tbody>${shown.map((task) => html`<${TaskRow} key=${task.id} task=${task} />`)}</tbody>
    </table></div>`}
    <${Pager} page=${page} pages=${pages} />
  </section>`;
}

function TaskRow({ task }) {
  const { kind, channel, state, since, restarts, outputs = [] } = task;
  return html`<tr>
    <th scope="row">${kindName(kind)}<${Failure} task=${task} />
      ${outputs.filter(({ problem }) => problem).map((output) => html`
        <small key=${output.name} class="error" lang="en">${output.name}: ${problemOf(output)}</small>`)}
    </th>
    <td><a href=${href(['channels', channel, tabOf({ event: '', kind })])}><bdi>${channel}</bdi></a></td>
    <td><${TaskBadge} state=${state} /></td>
    <td class="number">${speedOf(task)}</td>
    <td><time dateTime=${since} title=${dateTime(since)}>${relative(since)}</time></td>
    <td class="number">${number(restarts)}</td>
  </tr>`;
}

function sum(list, of) {
  return list.reduce((all, one) => all + of(one), 0);
}

function total(counts) {
  return sum(Object.values(counts), (count) => count);
}
