// The tasks of a live session: what works for it beside the remuxing, how that goes, and why it failed.

import { html } from './ui.js';
import { bitRate, dateTime, has, know, number, t } from './words.js';

know({
  'task.kind': ['Task', '任务'],
  'task.state': ['State', '状态'],
  'task.speed': ['Speed', '速度'],
  'task.restarts': ['Restarts', '重启次数'],
  'task.since': ['Since', '开始时间'],
  'task.bitRate': ['Bit rate now', '当前码率'],
  'task.problem': ['Problem', '问题'],
  'task.starting': ['Starting', '启动中'],
  'task.running': ['Running', '运行中'],
  'task.waiting': ['Trying again', '等待重试'],
  'task.stopping': ['Stopping', '停止中'],
  'task.process': ['Processing', '处理'],
  'task.record': ['Recording', '录制'],
  'task.transcode': ['Transcoding', '转码'],
  'task.snapshot': ['Snapshots', '截图'],
  'task.motion': ['Motion detection', '移动侦测'],
  'task.relay': ['Relay', '转推'],
  'task.distribute': ['Distribution', '分发'],
  'task.times': ['{speed}× real time', '{speed} 倍速'],
  'task.failedAt': ['Last failure, {time}', '最近一次故障：{time}'],
  'task.said': ['Last words of the process', '进程最后的输出'],
});

const COLOURS = { running: 'is-good', starting: 'is-warn', waiting: 'is-bad', stopping: '' };

/// The first task of `kind` that works for a session, if it is live and there is one.
export function taskOf(session, kind) {
  return session?.tasks?.find((task) => task.kind === kind) ?? null;
}

export function kindName(kind) {
  return has(`task.${kind}`) ? t(`task.${kind}`) : kind;
}

export function TaskBadge({ state }) {
  return html`<span class="badge ${COLOURS[state] ?? ''}">${has(`task.${state}`) ? t(`task.${state}`) : state}</span>`;
}

/// How much of real time it gets through, in words; nothing where it does not say.
export function speedOf(task) {
  return task?.speed == null ? '–' : t('task.times', { speed: number(task.speed, 2) });
}

/// A bit rate, or a dash where nothing flows.
export function flow(bits) {
  return bits > 0 ? bitRate(bits) : '–';
}

/// What is wrong with an output, as a sentence; its name stands beside it already.
export function problemOf({ name, problem }) {
  const told = problem.startsWith(`${name}: `) ? problem.slice(name.length + 2) : problem;
  return `${told[0].toUpperCase()}${told.slice(1)}.`;
}

/// What is wrong with a task now, and the last failure of what it runs, with the process's last words to open.
export function Failure({ task }) {
  const { problem, lastFailure } = task;
  if (!problem && !lastFailure) return null;
  const said = lastFailure?.said ?? [];
  return html`<div class="failure">
    ${problem && html`<p class="form-problem" role="status" lang="en">${problem}</p>`}
    ${lastFailure && html`<details>
      <summary>${t('task.failedAt', { time: dateTime(lastFailure.at) })}</summary>
      <div class="stack">
        <p lang="en">${lastFailure.problem}</p>
        ${said.length > 0 && html`<p class="quiet">${t('task.said')}</p>
          <pre tabindex="0" lang="en"><code>${said.join('\n')}</code></pre>`}
      </div>
    </details>`}
  </div>`;
}

/// Warnings of a live session about some topics, as the platform words them.
export function Warnings({ session, topics }) {
  const about = (session?.warnings ?? []).filter(({ topic }) => topics.includes(topic));
  return html`<div role="status">${about.map(({ topic, text }) => html`
    <p class="note" key=${topic} lang="en">${text[0].toUpperCase() + text.slice(1)}.</p>`)}</div>`;
}
