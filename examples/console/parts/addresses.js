// The addresses of a channel, as the API makes them.

import { call, channelPath } from './api.js';

/// Asks for the addresses of `record`: `{ push, pushRtmps, play }`. `query` says for how long and for whom: `{ ttl, ip }`.
export async function addresses(record, { signal, query = {} } = {}) {
  const search = new URLSearchParams(query).toString();
  const { data } = await call('GET', channelPath(record.id, `/urls${search && `?${search}`}`), { signal });
  return record.isEncrypted ? { ...data, play: withoutDash(data.play) } : data;
}

/// Encrypted HLS is AES-128 over whole segments, which DASH has not.
function withoutDash({ dash, pages, renditions, ...rest }) {
  const { dash: page, ...others } = pages;
  return { ...rest, pages: others, renditions: renditions?.map(({ dash: own, ...kept }) => kept) };
}
