// Who may watch a channel: its settings, and a tool that makes an address for one viewer.

import { addresses } from '../../parts/addresses.js';
import { DraftForm, Field, useDraft } from '../../parts/form.js';
import { useLoad } from '../../parts/hooks.js';
import { Loaded } from '../../parts/states.js';
import { html } from '../../parts/ui.js';
import { know, t } from '../../parts/words.js';
import { SignedAddress } from './protection/signed.js';

know({
  'protection.now': ['At the moment', '当前状态'],
  'protection.open': [
    'Viewers need no credential: whoever has an address may watch, unless the limits for pages, networks and numbers on this page keep them out.',
    '观众无需凭证：任何人拿到地址即可观看，除非受到本页的域名、网络或人数限制。',
  ],
  'protection.signed': [
    'Viewers need a signed address. One without a signature, or with one that is over, is refused.',
    '观众需要签名地址。没有签名或签名已过期的请求会被拒绝。',
  ],
  'protection.isOpen': ['Open', '公开'],
  'protection.isSigned': ['Signed addresses', '签名地址'],
  'protection.isShut': ['Nobody gets in', '无人可观看'],
  'protection.credentials': ['Signed addresses', '签名地址'],
  'protection.pages': ['Pages that embed it', '防盗链'],
  'protection.networks': ['Networks', '网络'],
  'protection.numbers': ['How many', '观众上限'],
  'protection.ways': [
    'All of it counts on every way out: players, RTMP, recordings and pictures. A change counts within two seconds for who asks then.',
    '所有设置对每种播放方式都生效：播放器、RTMP、录像和图片。更改在两秒内对新的请求生效。',
  ],

  'field.playToken': ['Playback token', '播放令牌'],
  'help.playToken': [
    'A token is part of the address and stops working after a while. One for a single IP address is of no use to anybody else.',
    '令牌附在播放地址中，到期失效。绑定 IP 的令牌转发给他人后无法使用。',
  ],
  'option.playToken.platform': ['As the platform says', '跟随平台'],
  'option.playToken.off': ['Not needed', '不需要'],
  'option.playToken.on': ['Needed', '需要'],
  'option.playToken.ip': ['Needed, for one IP address each', '需要，且绑定观众 IP'],
  'field.playCloudFront': ['Signed by CloudFront', 'CloudFront 签名'],
  'help.playCloudFront': [
    'Signed URLs and cookies of CloudFront let viewers in; without one, only a token does, if tokens are on.',
    '通过 CloudFront 签名 URL 或 Cookie 观看；没有签名时，仅在启用令牌时可凭令牌观看。',
  ],
  'option.playCloudFront.platform': ['As the platform says', '跟随平台'],
  'option.playCloudFront.off': ['Not taken', '不启用'],
  'option.playCloudFront.on': ['Needed', '需要'],
  'field.playHosts': ['Hosts whose pages may embed it', '允许嵌入的域名'],
  'help.playHosts': [
    'Such as example.com, *.example.com, separated by commas; * for any. Empty: as the platform says. Players on other pages are refused, and so is this console unless its host is named.',
    '例如 example.com, *.example.com，以逗号分隔；* 表示任意域名，留空则跟随平台。其他网页上的播放会被拒绝；若未列出本控制台的域名，控制台也无法预览。',
  ],
  'field.playEmptyReferer': ['Viewers who come from no page', '无来源页面的观众'],
  'help.playEmptyReferer': [
    'Apps, VLC and some browsers do not say which page they come from. It counts only where hosts are named.',
    '应用、VLC 以及部分浏览器不携带 Referer。仅在设置了域名时生效。',
  ],
  'option.playEmptyReferer.platform': ['As the platform says', '跟随平台'],
  'option.playEmptyReferer.allow': ['May watch', '允许'],
  'option.playEmptyReferer.refuse': ['Are refused', '拒绝'],
  'field.playAllow': ['Only these networks may watch', '仅允许的网络'],
  'help.playAllow': [
    'Such as 10.0.0.0/8, 2001:db8::1, separated by commas. Empty: as the platform says.',
    '例如 10.0.0.0/8, 2001:db8::1，以逗号分隔。留空则跟随平台。',
  ],
  'field.playDeny': ['These networks may not watch', '禁止的网络'],
  'help.playDeny': [
    'Beside those that the platform keeps out. A network that is in both lists is kept out.',
    '在平台禁止的网络之外追加。同时出现在两个列表中的网络将被禁止。',
  ],
  'field.maxViewers': ['Most viewers at once', '最大同时观众数'],
  'help.maxViewers': [
    'On each node, of all protocols together. 0: as many as the platform lets in.',
    '每个节点上所有协议合计。0 表示以平台上限为准。',
  ],
  'field.maxViewersPerIp': ['Most viewers at once at one IP address', '单个 IP 最大同时观众数'],
  'help.maxViewersPerIp': [
    'Offices and mobile networks share an address: leave some room. 0: as many as the platform lets in.',
    '办公室和移动网络常共用一个 IP，请留有余量。0 表示以平台上限为准。',
  ],
});

const GROUPS = [
  ['credentials', ['playToken', 'playCloudFront']],
  ['pages', ['playHosts', 'playEmptyReferer']],
  ['networks', ['playAllow', 'playDeny']],
  ['numbers', ['maxViewers', 'maxViewersPerIp']],
];

export function Protection({ record, etag, saved }) {
  const draft = useDraft({ record, etag, saved });
  const urls = useLoad((signal) => addresses(record, { signal }), [record.id, record.updatedAt]);
  return html`<div class="split">
    <${DraftForm} draft=${draft}>
      ${GROUPS.map(([group, fields]) => html`<section key=${group} class="card">
        <h2>${t(`protection.${group}`)}</h2>
        ${fields.filter((name) => name in record).map((name) => html`<${Field} key=${name} draft=${draft} name=${name} />`)}
      </section>`)}
    </${DraftForm}>
    <div class="stack">
      <section class="card">
        <h2>${t('protection.now')}</h2>
        <${Loaded} of=${urls}>${({ play }) => html`<${Now} play=${play} />`}</${Loaded}>
        <p class="quiet">${t('protection.ways')}</p>
      </section>
      <${SignedAddress} record=${record} dirty=${draft.dirty} />
    </div>
  </div>`;
}

/// What viewers need, as the platform's own answer shows it: the platform's settings are in it as well.
function Now({ play }) {
  if (play.warning) return html`<div class="stack"><span class="row"><span class="badge is-bad">${t('protection.isShut')}</span></span><p lang="en">${play.warning[0].toUpperCase() + play.warning.slice(1)}.</p></div>`;
  if (play.expires) return html`<div class="stack"><span class="row"><span class="badge is-good">${t('protection.isSigned')}</span></span><p>${t('protection.signed')}</p></div>`;
  return html`<div class="stack"><span class="row"><span class="badge is-warn">${t('protection.isOpen')}</span></span><p>${t('protection.open')}</p></div>`;
}
