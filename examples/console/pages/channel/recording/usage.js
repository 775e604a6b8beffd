// The storage that a channel's recordings take, by kind, as a bar.

import { call, channelPath } from '../../../parts/api.js';
import { useLoad } from '../../../parts/hooks.js';
import { Trouble } from '../../../parts/states.js';
import { html } from '../../../parts/ui.js';
import { bytes, know, t } from '../../../parts/words.js';

know({
  'usage.title': ['Storage used', '存储用量'],
  'usage.sum': ['{bytes} in {count} objects', '{bytes}，{count} 个对象'],
  'usage.part': ['More than {bytes}: only the first {count} objects were counted', '超过 {bytes}：仅统计了前 {count} 个对象'],
  'usage.none': ['Nothing is stored yet.', '尚无存储内容。'],
  'usage.objects': ['{count} objects', '{count} 个对象'],
  'usage.objects.one': ['1 object', '1 个对象'],
});

/// The platform looks at each object.
const PATIENCE_MS = 60_000;
const KINDS = ['file', 'on-demand', 'snapshot', 'motion-clip', 'motion-snapshot'];

export function Usage({ id, round }) {
  const load = (signal) => call('GET', channelPath(id, '/usage'), { signal, patience: PATIENCE_MS }).then(({ data }) => data);
  const { data, problem, reload } = useLoad(load, [id, round]);
  // An older platform does not know it.
  if (problem && ![404, 501].includes(problem.status)) return html`<${Trouble} problem=${problem} retry=${reload} />`;
  if (!data) return null;
  const parts = KINDS.map((kind) => ({ kind, ...data.kinds[kind] })).filter(({ objects }) => objects > 0);
  const sum = data.objects
    ? t(data.complete ? 'usage.sum' : 'usage.part', { bytes: bytes(data.bytes), count: data.objects })
    : t('usage.none');
  return html`<section class="card usage" aria-labelledby="usage-title">
    <header class="row"><h2 id="usage-title" class="grow">${t('usage.title')}</h2>
      <span class="quiet">${sum}</span>
    </header>
    ${parts.length > 0 && html`
      <div class="usage-bar" aria-hidden="true">
        ${parts.map(({ kind, bytes: size }) => html`<span key=${kind} class="of-${kind}" style=${{ flexGrow: size }}></span>`)}
      </div>
      <ul class="usage-legend">${parts.map(({ kind, bytes: size, objects }) => html`<li key=${kind}>
        <span class="swatch of-${kind}" aria-hidden="true"></span><span>${t(`recording.kinds.${kind}`)}</span>
        <strong>${bytes(size)}</strong><small>${t('usage.objects', { count: objects })}</small>
      </li>`)}</ul>`}
  </section>`;
}
