// Whether the platform is well: what it says of itself, and the main numbers of its metrics.

import { address, call } from '../../parts/api.js';
import { usePoll } from '../../parts/hooks.js';
import { html, useRef } from '../../parts/ui.js';
import { bytes, know, number, percent, relative, t } from '../../parts/words.js';

know({
  'health.title': ['Health', '健康状态'],
  'health.text': ['Of the process that serves this page.', '提供此页面的进程的状态。'],
  'health.alive': ['Process', '进程'],
  'health.ready': ['Service', '服务'],
  'health.ok': ['Well', '正常'],
  'health.yes': ['Ready', '就绪'],
  'health.no': ['Not ready', '未就绪'],
  'health.away': ['Out of reach', '无法访问'],
  'health.version': ['Version', '版本'],
  'health.started': ['Started', '启动时间'],
  'health.memory': ['Memory', '内存'],
  'health.cpu': ['Processor', 'CPU'],
  'health.files': ['Open files', '打开的文件'],
  'health.streams': ['Live streams', '直播流'],
  'health.viewers': ['Viewers', '观看人数'],
  'health.metrics': ['Metrics', '指标'],
  'health.api': ['OpenAPI', 'OpenAPI'],
});

const EVERY_MS = 5000;

export function Health() {
  const { data } = usePoll(look, EVERY_MS);
  const usage = useUsage(data);
  const { healthz, readyz, metrics } = data ?? {};
  const has = (name) => metrics?.has(name);
  const value = (name) => sum(metrics, name);
  const figures = data === null ? [] : [
    ['alive', badge(healthz, 'health.ok')],
    ['ready', badge(readyz, 'health.yes')],
    has('lsv_build_info') && ['version', metrics.get('lsv_build_info')[0].labels.version],
    has('process_start_time_seconds') && ['started', relative(new Date(value('process_start_time_seconds') * 1000))],
    usage !== null && ['cpu', percent(usage)],
    has('process_resident_memory_bytes') && ['memory', bytes(value('process_resident_memory_bytes'))],
    has('process_open_fds') && ['files', number(value('process_open_fds'))],
    has('lsv_streams') && ['streams', number(value('lsv_streams'))],
    has('lsv_viewers') && ['viewers', number(value('lsv_viewers'))],
  ].filter(Boolean);
  return html`<section class="card">
    <div class="row head"><h2>${t('health.title')}</h2>
      <a href=${address('metrics')}>${t('health.metrics')}</a><a href=${address('openapi.json')}>${t('health.api')}</a>
    </div>
    <dl class="health">${figures.map(([name, shown]) => html`<div key=${name}>
      <dt>${t(`health.${name}`)}</dt><dd>${shown}</dd>
    </div>`)}</dl>
    <p class="quiet">${t('health.text')}</p>
  </section>`;
}

/// Each of the three may fail alone: then the rest is told all the same.
async function look(signal) {
  const state = (path) => call('GET', path, { signal }).then(() => 'good', (problem) => (problem.status ? 'no' : 'away'));
  const numbers = call('GET', 'metrics', { signal }).then(({ data }) => data.text()).then(parse, () => null);
  const [healthz, readyz, metrics] = await Promise.all([state('healthz'), state('readyz'), numbers]);
  return { healthz, readyz, metrics, at: Date.now() };
}

function badge(state, good) {
  const word = { good, no: 'health.no', away: 'health.away' }[state];
  return html`<span class="badge ${state === 'good' ? 'is-good' : 'is-bad'}">${t(word)}</span>`;
}

/// The share of one processor between the last two looks: more than 100 % where several work.
function useUsage(data) {
  const before = useRef(null);
  const usage = useRef(null);
  const seconds = data?.metrics?.has('process_cpu_seconds_total') ? sum(data.metrics, 'process_cpu_seconds_total') : null;
  if (seconds !== null && before.current?.at !== data.at) {
    const { at, seconds: then } = before.current ?? {};
    if (at && seconds >= then) usage.current = (seconds - then) / ((data.at - at) / 1000);
    before.current = { at: data.at, seconds };
  }
  return usage.current;
}

/// The text of Prometheus by name: `[{ labels, value }]`.
function parse(text) {
  const metrics = new Map();
  for (const line of text.split('\n')) {
    const [, name, inner = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (!name) continue;
    const labels = Object.fromEntries([...inner.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, word]) => [key, word]));
    metrics.set(name, [...(metrics.get(name) ?? []), { labels, value: Number(value) }]);
  }
  return metrics;
}

function sum(metrics, name) {
  return (metrics?.get(name) ?? []).reduce((all, { value }) => all + value, 0);
}
