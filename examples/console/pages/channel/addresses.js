// The addresses of a channel: where to push, where to play, and what to put into a web page.

import { addresses } from '../../parts/addresses.js';
import { CopyBlock, CopyField } from '../../parts/copy.js';
import { useLoad } from '../../parts/hooks.js';
import { Icon } from '../../parts/icons.js';
import { newKey } from '../../parts/publisher.js';
import { PushFields } from '../../parts/push.js';
import { Loaded } from '../../parts/states.js';
import { html } from '../../parts/ui.js';
import { dateTime, know, relative, t } from '../../parts/words.js';

know({
  'addresses.push': ['Push', '推流'],
  'addresses.pushHelp': [
    'Where an encoder sends the stream to. The address holds the push key: give it to nobody who must not publish.',
    '编码器的推流地址。地址中包含推流密钥，请勿泄露给无关人员。',
  ],
  'addresses.whole': ['Whole address, for ffmpeg and phones', '完整地址，用于 ffmpeg 和手机推流'],
  'addresses.wholeRtmps': ['Whole address over TLS (RTMPS)', '加密推流完整地址（RTMPS）'],
  'addresses.serverRtmps': ['Server over TLS (RTMPS)', '加密服务器（RTMPS）'],
  'addresses.serverRtmpsHelp': ['The stream key is the same as above.', '推流码与上面相同。'],
  'addresses.pushUntil': ['May start to publish until', '可开始推流至'],
  'addresses.pushOver': ['Nobody may start to publish any more since', '已不能开始推流，过期时间'],
  'addresses.play': ['Play', '播放'],
  'addresses.playUntil': ['These addresses are good until {time} ({away}).', '以下地址的有效期至 {time}（{away}）。'],
  'addresses.playEver': [
    'These addresses hold no credential and do not expire: whoever has one may watch, as far as Protection lets them.',
    '这些地址不含凭证，也不会过期：在“播放保护”允许的范围内，任何人拿到地址即可观看。',
  ],
  'addresses.warning': ['Viewers are not let in by these addresses.', '观众无法使用这些地址观看。'],
  'addresses.renditions': ['Renditions', '转码画质'],
  'addresses.pages': ['Player pages', '播放页面'],
  'addresses.pagesHelp': ['Pages with a player, for any browser.', '自带播放器的网页，可在任何浏览器中打开。'],
  'addresses.embed': ['In your own web page', '嵌入网页'],
  'addresses.embedCode': ['HTML code', 'HTML 代码'],
  'addresses.embedOver': [
    'The address in it stops working then; have your server ask the API for a new one for each viewer.',
    '到期后其中的地址将失效；请由您的服务器为每位观众向 API 申请新的地址。',
  ],
  'addresses.embedHosts': [
    'Pages of these hosts alone may embed the channel: {hosts}',
    '仅允许以下域名的网页嵌入此频道：{hosts}',
  ],
  'address.cmaf': ['Low-latency HLS', '低延迟 HLS'],
  'address.hls': ['HLS', 'HLS'],
  'address.index': ['HLS with all renditions', 'HLS（全部画质）'],
  'address.dash': ['DASH', 'DASH'],
  'address.flv': ['HTTP-FLV', 'HTTP-FLV'],
  'address.wsflv': ['FLV over WebSocket', 'WebSocket-FLV'],
  'address.rtmp': ['RTMP', 'RTMP'],
  'address.rtmps': ['RTMPS', 'RTMPS'],
  'page.best': ['Player that suits best', '自动选择播放器'],
  'page.hls': ['HLS player', 'HLS 播放器'],
  'page.dash': ['DASH player', 'DASH 播放器'],
  'page.flv': ['FLV player', 'FLV 播放器'],
});

const WAYS = ['cmaf', 'hls', 'index', 'dash', 'flv', 'wsflv', 'rtmp', 'rtmps'];
const PAGES = ['best', 'hls', 'dash', 'flv'];

export function Addresses({ record, etag, saved }) {
  const urls = useLoad((signal) => addresses(record, { signal }), [record.id, record.key, record.updatedAt]);
  return html`<${Loaded} of=${urls}>${({ push, pushRtmps, play }) => html`<div class="grid addresses">
    <div class="stack">
      <${PushCard} push=${push} pushRtmps=${pushRtmps} renew=${() => newKey(record, etag, saved)} />
      <${PagesCard} play=${play} />
    </div>
    <div class="stack">
      <${PlayCard} play=${play} />
      <${EmbedCard} record=${record} play=${play} />
    </div>
  </div>`}</${Loaded}>`;
}

function PushCard({ push, pushRtmps, renew }) {
  const isOver = Date.parse(push.expires) < Date.now();
  return html`<section class="card">
    <header class="row">
      <h2 class="grow">${t('addresses.push')}</h2>
      <button type="button" onClick=${renew}><${Icon} name="key" />${t('key.do')}</button>
    </header>
    <p class="quiet">${t('addresses.pushHelp')}</p>
    <${PushFields} push=${push} />
    <${CopyField} label=${t('addresses.whole')} value=${push.url} secret qr />
    ${pushRtmps && html`
      <${CopyField} label=${t('addresses.serverRtmps')} value=${pushRtmps.server} hint=${t('addresses.serverRtmpsHelp')} />
      <${CopyField} label=${t('addresses.wholeRtmps')} value=${pushRtmps.url} secret qr />`}
    <p class=${isOver ? 'note' : 'quiet'}>${t(isOver ? 'addresses.pushOver' : 'addresses.pushUntil')} <strong>${dateTime(push.expires)}</strong> (${relative(push.expires)})</p>
  </section>`;
}

function PlayCard({ play }) {
  return html`<section class="card">
    <h2>${t('addresses.play')}</h2>
    <${Access} play=${play} />
    ${WAYS.filter((way) => play[way]).map((way) => html`<${CopyField} key=${way} label=${t(`address.${way}`)} value=${play[way]} qr />`)}
    ${play.renditions?.length > 0 && html`
      <h3>${t('addresses.renditions')}</h3>
      ${play.renditions.map((rendition) => html`<details key=${rendition.name}>
        <summary>${rendition.name}</summary>
        <div class="stack">${WAYS.filter((way) => rendition[way]).map((way) => html`
          <${CopyField} key=${way} label="${rendition.name} · ${t(`address.${way}`)}" value=${rendition[way]} qr />`)}</div>
      </details>`)}`}
  </section>`;
}

/// Who gets in by the play addresses, and for how long.
export function Access({ play }) {
  if (play.warning) return html`<p class="note"><strong>${t('addresses.warning')}</strong> <span lang="en">${play.warning}.</span></p>`;
  if (!play.expires) return html`<p class="quiet">${t('addresses.playEver')}</p>`;
  return html`<p class="quiet">${t('addresses.playUntil', { time: dateTime(play.expires), away: relative(play.expires) })}</p>`;
}

function PagesCard({ play }) {
  return html`<section class="card">
    <h2>${t('addresses.pages')}</h2>
    <p class="quiet">${t('addresses.pagesHelp')}</p>
    ${PAGES.filter((page) => play.pages[page]).map((page) => html`<div key=${page} class="with-link">
      <${CopyField} label=${t(`page.${page}`)} value=${play.pages[page]} qr />
      <a class="button" href=${play.pages[page]} target="_blank" rel="noopener" aria-label="${t('do.open')}: ${t(`page.${page}`)}">${t('do.open')}</a>
    </div>`)}
  </section>`;
}

function EmbedCard({ record, play }) {
  return html`<section class="card">
    <h2>${t('addresses.embed')}</h2>
    <${CopyBlock} label=${t('addresses.embedCode')} value=${embed(play.pages.best)} />
    ${play.expires && html`<p class="quiet">${t('addresses.embedOver')}</p>`}
    ${record.playHosts && html`<p class="quiet">${t('addresses.embedHosts', { hosts: record.playHosts })}</p>`}
  </section>`;
}

function embed(url) {
  const quoted = url.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
  return `<iframe src="${quoted}" width="640" height="360" style="border: 0" allow="autoplay; fullscreen; picture-in-picture"></iframe>`;
}
