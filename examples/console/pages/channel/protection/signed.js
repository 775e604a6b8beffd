// Makes an address that lets one viewer in: for how long, from where, for which output.

import { addresses } from '../../../parts/addresses.js';
import { CopyField } from '../../../parts/copy.js';
import { Row } from '../../../parts/form.js';
import { Icon } from '../../../parts/icons.js';
import { html, useEffect, useState } from '../../../parts/ui.js';
import { dateTime, know, relative, t } from '../../../parts/words.js';

know({
  'signed.title': ['Make a signed address', '生成签名地址'],
  'signed.text': ['An address for one viewer or many, that stops working by itself.', '生成一个到期自动失效的播放地址。'],
  'signed.for': ['Good for', '有效期'],
  'signed.unit': ['Unit', '单位'],
  'signed.minutes': ['minutes', '分钟'],
  'signed.hours': ['hours', '小时'],
  'signed.days': ['days', '天'],
  'signed.ip': ['IP address of the viewer (optional)', '观众 IP 地址（可选）'],
  'signed.ipHelp': [
    'Such as 192.0.2.7. The address then works there alone. Where tokens must be for one IP address and this is empty, it is made for yours.',
    '例如 192.0.2.7，生成的地址仅可在该 IP 使用。若频道要求绑定 IP 而此处留空，则绑定您的 IP。',
  ],
  'signed.output': ['Output', '输出'],
  'signed.do': ['Make address', '生成地址'],
  'signed.busy': ['Making it', '正在生成'],
  'signed.result': ['Address', '地址'],
  'signed.until': ['Good until {time} ({away}).', '有效期至 {time}（{away}）。'],
  'signed.open': [
    'Viewers of this channel need no credential at the moment: this address is not signed, works for anybody and does not expire. Turn playback tokens on to change that.',
    '当前该频道的观众无需凭证：此地址没有签名，任何人可用且不会过期。启用播放令牌后才会生成签名。',
  ],
  'signed.off': ['This output is off. Turn it on in the settings, or choose another.', '该输出未开启。请在设置中开启，或选择其他输出。'],
  'signed.saved': ['It is made for the settings that are saved, not for the changes beside.', '地址按已保存的设置生成，不包含尚未保存的更改。'],
  'signed.page': ['Player page', '播放页面'],
  'signed.wrong.ttl': ['A whole number, and a year at most.', '请输入整数，最长一年。'],
  'signed.wrong.ip': ['An IP address such as 192.0.2.7 or 2001:db8::1.', '请输入 IP 地址，例如 192.0.2.7 或 2001:db8::1。'],
});

const UNITS = { minutes: 60, hours: 3600, days: 86400 };
const OUTPUTS = ['page', 'cmaf', 'hls', 'index', 'dash', 'flv', 'wsflv', 'rtmp', 'rtmps'];
const address = (play, output) => (output === 'page' ? play.pages.best : play[output]);

export function SignedAddress({ record, dirty }) {
  const [asked, setAsked] = useState({ count: '1', unit: 'hours', ip: '', output: 'page' });
  const [status, setStatus] = useState({ busy: false, problem: null, play: null });
  const type = (name) => (event) => {
    setAsked((old) => ({ ...old, [name]: event.target.value }));
    // Another output is in the same answer; all else makes it another one.
    if (name !== 'output') setStatus({ busy: false, problem: null, play: null });
  };
  useEffect(() => setStatus({ busy: false, problem: null, play: null }), [record.updatedAt]);
  const make = async (event) => {
    event.preventDefault();
    setStatus({ busy: true, problem: null, play: null });
    const ttl = /^\d+$/.test(asked.count) ? String(asked.count * UNITS[asked.unit]) : asked.count;
    const query = { ttl, ...(asked.ip.trim() && { ip: asked.ip.trim() }) };
    try {
      const { play } = await addresses(record, { query });
      setStatus({ busy: false, problem: null, play });
    } catch (problem) {
      setStatus({ busy: false, problem, play: null });
    }
  };
  const { busy, problem, play } = status;
  const at = (field) => (problem?.field === field ? t(`signed.wrong.${field}`) : null);
  return html`<form class="card" onSubmit=${make} novalidate>
    <h2>${t('signed.title')}</h2>
    <p class="quiet">${t('signed.text')}</p>
    <${Row} name="ttl" label=${t('signed.for')} error=${at('ttl')}>${(given) => html`<span class="joined">
      <input type="text" inputmode="numeric" autocomplete="off" ...${given} aria-invalid=${at('ttl') ? 'true' : undefined} value=${asked.count} onInput=${type('count')} />
      <select aria-label=${t('signed.unit')} value=${asked.unit} onChange=${type('unit')}>
        ${Object.keys(UNITS).map((unit) => html`<option key=${unit} value=${unit}>${t(`signed.${unit}`)}</option>`)}
      </select>
    </span>`}</${Row}>
    <${Row} name="ip" label=${t('signed.ip')} help=${t('signed.ipHelp')} error=${at('ip')}>${(given) => html`
      <input type="text" dir="ltr" autocomplete="off" spellcheck=${false} ...${given} aria-invalid=${at('ip') ? 'true' : undefined} value=${asked.ip} onInput=${type('ip')} />`}</${Row}>
    <${Row} name="output" label=${t('signed.output')}>${(given) => html`
      <select ...${given} value=${asked.output} onChange=${type('output')}>
        ${OUTPUTS.map((output) => html`<option key=${output} value=${output}>${t(output === 'page' ? 'signed.page' : `address.${output}`)}</option>`)}
      </select>`}</${Row}>
    ${problem && !at('ttl') && !at('ip') && html`<p class="form-problem" role="alert">${problem.sentence}</p>`}
    ${dirty && html`<p class="quiet">${t('signed.saved')}</p>`}
    <div class="row"><button type="submit" class="primary" disabled=${busy}><${Icon} name="key" />${busy ? t('signed.busy') : t('signed.do')}</button></div>
    <div role="status" class="stack">${play && html`<${Made} play=${play} url=${address(play, asked.output)} />`}</div>
  </form>`;
}

function Made({ play, url }) {
  if (!url) return html`<p class="note">${t('signed.off')}</p>`;
  return html`
    <${CopyField} label=${t('signed.result')} value=${url} qr />
    ${play.warning
      ? html`<p class="note"><strong>${t('addresses.warning')}</strong> <span lang="en">${play.warning}.</span></p>`
      : play.expires
        ? html`<p>${t('signed.until', { time: dateTime(play.expires), away: relative(play.expires) })}</p>`
        : html`<p class="note">${t('signed.open')}</p>`}`;
}
