// The live picture, with a button for each way that viewers get it.

import { CopyBlock, CopyField } from '../../../parts/copy.js';
import { useKept, useLoad } from '../../../parts/hooks.js';
import { nameOf } from '../../../parts/names.js';
import { Preview } from '../../../parts/preview.js';
import { href } from '../../../parts/router.js';
import { html, useState } from '../../../parts/ui.js';
import { know, t } from '../../../parts/words.js';

know({
  'watch.title': ['Preview', '预览'],
  'watch.ways': ['Way to play', '播放方式'],
  'way.cmaf': ['Low-latency HLS', '低延迟 HLS'],
  'way.hls': ['HLS', 'HLS'],
  'way.flv': ['FLV', 'FLV'],
  'way.dash': ['DASH', 'DASH'],
  'way.rtmp': ['RTMP', 'RTMP'],
  'watch.off': ['{way} is off: turn it on in the settings', '{way} 未开启：前往设置开启'],
  'watch.encrypted': ['There is no DASH while HLS is encrypted: open the settings', 'HLS 加密时不提供 DASH：前往设置'],
  'watch.player': ['Open player page', '打开播放页'],
  'watch.picture': ['Picture', '画质'],
  'watch.all': ['Automatic', '自动'],
  'watch.source': ['Source', '原画'],
  'watch.video': ['Live picture of {channel}', '{channel} 的直播画面'],
  'watch.refused': [
    'The protection of this channel refuses this page, as it would any other viewer here. If hosts are named, name {host} too.',
    '此频道的播放保护拒绝了本页面的观看请求。如果设置了域名白名单，请将 {host} 也加入。',
  ],
  'watch.protection': ['Open protection', '打开播放保护'],
  'watch.rtmpText': [
    'Browsers play no RTMP. Take the address to a player such as ffplay or VLC.',
    '浏览器无法播放 RTMP，请用 ffplay 或 VLC 等播放器打开此地址。',
  ],
  'watch.address': ['RTMP address', 'RTMP 地址'],
  'watch.ffplay': ['With ffplay', '使用 ffplay'],
  'watch.vlc': ['With VLC', '使用 VLC'],
});

const WAYS = ['cmaf', 'hls', 'flv', 'dash', 'rtmp'];

export function Watch({ record, play, session }) {
  const [kept, keep] = useKept('way', 'cmaf');
  const [picture, setPicture] = useState('');
  const has = (way) => Boolean(play[way]);
  const way = has(kept) ? kept : WAYS.find(has);
  const renditions = (play.renditions ?? []).filter(({ name }) => isMade(name, session));
  const of = renditions.find(({ name }) => name === picture) ?? play;
  const name = nameOf(record);
  return html`<section class="card">
    <header class="row">
      <h2 class="grow">${t('watch.title')}</h2>
      ${renditions.length > 0 && html`<label class="inline-label">${t('watch.picture')}
        <select value=${of.name ?? ''} onChange=${(event) => setPicture(event.target.value)}>
          <option value="">${t(way === 'flv' || way === 'rtmp' ? 'watch.source' : 'watch.all')}</option>
          ${[...renditions].reverse().map((rendition) => html`<option key=${rendition.name} value=${rendition.name}>${rendition.name}</option>`)}
        </select>
      </label>`}
      <a class="button" href=${play.pages.best} target="_blank" rel="noopener">${t('watch.player')}</a>
    </header>
    <div class="row ways" role="group" aria-label=${t('watch.ways')}>
      ${WAYS.map((one) => has(one)
        ? html`<button key=${one} type="button" aria-pressed=${one === way ? 'true' : 'false'} onClick=${() => keep(one)}>${t(`way.${one}`)}</button>`
        : html`<${Off} key=${one} id=${record.id} way=${one} encrypted=${one === 'dash' && record.isCMAF && record.isEncrypted} />`)}
    </div>
    ${way === 'rtmp'
      ? html`<${Rtmp} url=${of.rtmp} />`
      : html`<${Preview} key=${`${way} ${of[way]}`} name=${way} url=${of[way]} alone=${of !== play} label=${t('watch.video', { channel: name })}
          waiting=${html`<${Refused} id=${record.id} url=${of[way]} />`} />`}
  </section>`;
}

/// An output that is off, and where to turn it on.
function Off({ id, way, encrypted }) {
  const label = t(encrypted ? 'watch.encrypted' : 'watch.off', { way: t(`way.${way}`) });
  return html`<a class="button is-off" href=${href(['channels', id, 'settings'])} aria-label=${label} title=${label}>${t(`way.${way}`)}<span class="badge">${t('say.off')}</span></a>`;
}

/// Viewers may be let in from some pages alone, and this one is among them or not.
function Refused({ id, url }) {
  const asked = useLoad(async (signal) => (await fetch(url, { method: 'HEAD', signal, cache: 'no-store' })).status, [url]);
  if (asked.data !== 403) return null;
  return html`<p class="note">${t('watch.refused', { host: location.hostname })} <a href=${href(['channels', id, 'protection'])}>${t('watch.protection')}</a></p>`;
}

function Rtmp({ url }) {
  return html`<div class="stack">
    <p>${t('watch.rtmpText')}</p>
    <${CopyField} label=${t('watch.address')} value=${url} qr />
    <${CopyBlock} label=${t('watch.ffplay')} value=${`ffplay -fflags nobuffer "${url}"`} />
    <${CopyBlock} label=${t('watch.vlc')} value=${`vlc "${url}"`} />
  </div>`;
}

/// Whether a rendition is there to be played: one that is larger than the source is not made.
function isMade(name, session) {
  const outputs = session.tasks.filter(({ kind }) => kind === 'transcode').flatMap((task) => task.outputs ?? []);
  return outputs.length === 0 || outputs.some((output) => output.name === name);
}
