// The names under which encoders and viewers reach the platform, and what addresses look like with them.

import { call, channelPath } from '../parts/api.js';
import { confirm } from '../parts/dialog.js';
import { focusField, fieldSentence, Row } from '../parts/form.js';
import { useLoad } from '../parts/hooks.js';
import { useGuard } from '../parts/router.js';
import { Loaded } from '../parts/states.js';
import { notify } from '../parts/toast.js';
import { html, useEffect, useState } from '../parts/ui.js';
import { know, t } from '../parts/words.js';
import { examples } from './domains/examples.js';

know({
  'domains.title': ['Domains', '域名'],
  'domains.text': [
    'The addresses that the platform gives out name the host under which you opened this page. With a domain name of your own they name that instead, for all channels.',
    '平台给出的地址默认使用您打开本页面时的主机名。设置自己的域名后，所有频道的地址都会改用该域名。',
  ],
  'domains.push': ['Push', '推流'],
  'domains.pull': ['Pull', '拉流'],
  'field.push': ['Push domain', '推流域名'],
  'help.push': ['Where encoders push to: a host name or address, with a port if it is not the platform’s own. It must lead to the platform’s RTMP port.', '编码器推流的目标：主机名或 IP 地址，端口与平台不同时需注明。它必须指向平台的 RTMP 端口。'],
  'field.pull': ['Pull domain', '拉流域名'],
  'help.pull': ['Where viewers play from: a host name or address, with a port if it is not the platform’s own. It leads to the platform, or to a CDN before it; port 443 means HTTPS.', '观众播放的来源：主机名或 IP 地址，端口与平台不同时需注明。可指向平台或其前面的 CDN；端口 443 表示 HTTPS。'],
  'domains.example': ['Addresses of {name} with it', '{name} 的地址将是'],
  'domains.saved': ['Addresses of {name}', '{name} 的地址'],
  'domains.someChannel': ['a channel', '某频道'],
  'domains.noHost': ['No example: this is no host name, such as live.example.com or live.example.com:8080.', '无法举例：这不是有效的主机名，例如 live.example.com 或 live.example.com:8080。'],
  'domains.server': ['OBS: server', 'OBS：服务器'],
  'domains.key': ['OBS: stream key', 'OBS：推流码'],
  'domains.keyValue': ['{id}?sign=…', '{id}?sign=…'],
  'domains.reload': ['Saved. The console plays from the new address once it is reloaded.', '已保存。重新加载控制台后，预览将使用新地址。'],
  'domains.reloadDo': ['Reload', '重新加载'],
  'domains.none.push': ['Use no push domain', '不使用推流域名'],
  'domains.none.pull': ['Use no pull domain', '不使用拉流域名'],
  'domains.obs': ['For those who push with OBS', '使用 OBS 推流'],
  'domains.obsText': [
    'A new push domain changes the server, the stream key stays as it is. Open Settings, Stream in OBS, keep the service “Custom…”, and put in the new server. Who pushes to the old address goes on as long as that leads to the platform: nobody is disconnected by a change here.',
    '更改推流域名只会改变服务器，推流码保持不变。在 OBS 中打开“设置 → 直播”，服务保持“自定义…”，填入新的服务器。旧地址只要仍指向平台就可以继续推流：在此更改不会断开任何人。',
  ],
  'domains.dns': ['Before you save', '保存之前'],
  'domains.dnsText': [
    'Let the name lead to the platform in your DNS first, and let its certificate cover the name where addresses begin with https. The platform does not check this. To get back to addresses without a domain, empty the field and save.',
    '请先在 DNS 中将该域名指向平台；地址以 https 开头时，证书也须包含该域名。平台不会对此进行检查。若要恢复不带域名的地址，请清空该项并保存。',
  ],
});

const NAMES = ['push', 'pull'];
const PLACEHOLDERS = { push: 'push.example.com', pull: 'live.example.com' };

export function Domains() {
  const loaded = useLoad(async (signal) => ({ saved: (await call('GET', 'streamdns', { signal })).data, urls: await someUrls(signal) }), []);
  useEffect(() => {
    document.title = `${t('domains.title')} · lsv`;
  }, []);
  return html`
    <header class="title"><h1>${t('domains.title')}</h1></header>
    <${Loaded} of=${loaded}>${(data) => html`<${DomainForm} ...${data} reload=${loaded.reload} />`}</${Loaded}>
  `;
}

/// The addresses of some channel, to show what they look like: the newest; null where there is none.
async function someUrls(signal) {
  const { data: [record] } = await call('GET', 'videostream?limit=1', { signal });
  if (!record) return null;
  const { data } = await call('GET', channelPath(record.id, '/urls'), { signal });
  return { id: record.id, ...data };
}

function DomainForm({ saved, urls, reload }) {
  const [typed, setTyped] = useState({});
  const [{ busy, errors, problem }, setStatus] = useState({ busy: false, errors: {}, problem: null });
  const value = (name) => typed[name] ?? saved[name];
  const changed = Object.fromEntries(NAMES.map((name) => [name, value(name).trim()]).filter(([name, text]) => text !== saved[name]));
  const dirty = Object.keys(changed).length > 0;
  useGuard(dirty, () => confirm({ title: t('say.leave'), text: t('say.leaveText'), action: t('do.discard') }));

  const set = (name, text) => {
    setTyped((old) => ({ ...old, [name]: text }));
    setStatus((old) => ({ ...old, errors: { ...old.errors, [name]: undefined } }));
  };
  const save = async (event) => {
    event.preventDefault();
    setStatus({ busy: true, errors: {}, problem: null });
    try {
      await call('PUT', 'streamdns', { body: changed });
      setStatus({ busy: false, errors: {}, problem: null });
      setTyped({});
      // What the page may fetch from is fixed when it is loaded, so the preview needs it anew.
      if ('pull' in changed) notify(t('domains.reload'), { undo: { label: t('domains.reloadDo'), act: () => location.reload() } });
      else notify(t('say.saved'));
      reload();
    } catch (refusal) {
      const isHere = NAMES.includes(refusal.field);
      setStatus({ busy: false, errors: isHere ? { [refusal.field]: fieldSentence(refusal) } : {}, problem: isHere ? null : refusal });
      if (isHere) focusField(refusal.field);
    }
  };
  return html`<form onSubmit=${save} novalidate>
    <p class="reading">${t('domains.text')}</p>
    <div class="grid">
      ${NAMES.map((name) => html`<section key=${name} class="card">
        <h2>${t(`domains.${name}`)}</h2>
        <${Row} name=${name} error=${errors[name]}>${(given) => html`<input ...${given} class="address" value=${value(name)} placeholder=${PLACEHOLDERS[name]}
          inputmode="url" autocomplete="off" autocapitalize="none" spellcheck=${false} disabled=${busy} aria-invalid=${errors[name] ? 'true' : undefined}
          onInput=${(event) => set(name, event.target.value)} />`}</${Row}>
        ${value(name) !== '' && html`<div>
          <button type="button" disabled=${busy} onClick=${() => set(name, '')}>${t(`domains.none.${name}`)}</button>
        </div>`}
        <${Example} name=${name} typed=${value(name).trim()} saved=${saved} urls=${urls} changed=${name in changed} />
      </section>`)}
      <section class="card"><h2>${t('domains.obs')}</h2><p>${t('domains.obsText')}</p></section>
      <section class="card"><h2>${t('domains.dns')}</h2><p>${t('domains.dnsText')}</p></section>
    </div>
    ${problem && html`<p class="form-problem" role="alert">${problem.sentence}</p>`}
    ${dirty && html`<div class="save-bar">
      <span>${t('say.unsaved')}</span>
      <button type="button" disabled=${busy} onClick=${() => setTyped({})}>${t('do.discard')}</button>
      <button type="submit" class="primary" disabled=${busy}>${busy ? t('do.saving') : t('do.save')}</button>
    </div>`}
  </form>`;
}

function Example({ name, typed, saved, urls, changed }) {
  const shown = examples(name, typed, saved, urls);
  const channel = urls ? `\u2068${urls.id}\u2069` : t('domains.someChannel');
  if (!shown) return html`<p class="note">${t('domains.noHost')}</p>`;
  return html`<div class="stack example">
    <h3>${t(changed ? 'domains.example' : 'domains.saved', { name: channel })}</h3>
    <dl>${shown.map(([label, address]) => html`<dt key=${label}>${label}</dt><dd class="address">${address}</dd>`)}</dl>
  </div>`;
}
