// What addresses look like with a domain name that is only typed yet: by the rules of the platform, from addresses that it made.

import { t } from '../../parts/words.js';

const RTMP_PORT = '1935';
const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?)(?::(\d{1,5}))?$/i;

/// `[label, address]` pairs for `push` or `pull` set to `text`; null where that is no host. `saved` are the names that `urls`
/// were made with (`urls` null: there is no channel yet).
export function examples(name, text, saved, urls) {
  const wanted = split(text);
  if (!wanted) return null;
  const id = urls?.id ?? 'stage-1';
  if (name === 'push') {
    const server = `rtmp://${rtmp(wanted, urls, saved)}/stream`;
    return [[t('domains.server'), server], [t('domains.key'), t('domains.keyValue', { id })]];
  }
  const origin = web(wanted, urls, saved);
  return [
    ['HLS', `${origin}/${id}/live.m3u8`],
    ['HTTP-FLV', `${origin}/${id}/live.flv`],
    ['RTMP', `rtmp://${rtmp(wanted, urls, saved)}/stream/${id}`],
  ];
}

/// `{ host, port }`, both empty for no name; null for what is none.
function split(text) {
  if (text === '') return { host: '', port: '' };
  const found = HOST.exec(text);
  if (!found || Number(found[2] ?? 1) > 65535 || Number(found[2] ?? 1) < 1) return null;
  return { host: found[1].toLowerCase(), port: found[2] ?? '' };
}

/// Host and port of RTMP: the listener's own port unless the name brings one.
function rtmp({ host, port }, urls, saved) {
  const made = [[saved.push, urls?.push.server], [saved.pull, urls?.play.rtmp]];
  const own = made.find(([name, address]) => address && !split(name)?.port)?.[1];
  const listener = own ? new URL(own.replace(/^rtmp/, 'http')).port || '80' : RTMP_PORT;
  return `${host || location.hostname}:${port || listener}`;
}

/// Scheme, host and port of what is had over HTTP: those of the platform unless the name brings a port.
function web({ host, port }, urls, saved) {
  const own = new URL(urls && !split(saved.pull)?.port ? urls.play.pages.best : location.href);
  if (!host) return location.origin;
  if (port === '443') return `https://${host}`;
  if (port && port !== own.port) return `http://${host}${port === '80' ? '' : `:${port}`}`;
  return `${own.protocol}//${host}${own.port ? `:${own.port}` : ''}`;
}
