// The platform's API: one way to call it, and its refusals as sentences.

import { has, t } from './words.js';

/// Where the API is: beside the folder of the page, so that a path that a proxy puts in front stays.
const BASE = new URL('../', document.baseURI);
const TIMEOUT_MS = 20000;
const PREFIX = 'urn:lsv:problem:';

/// A refusal. `kind` is the problem's name (`invalid-value`), or `away`, `slow`, `unknown`.
export class Problem extends Error {
  constructor(kind, { status = 0, detail = '', field = null, retryAfter = null } = {}) {
    super(detail || kind);
    Object.assign(this, { kind, status, detail, field, retryAfter });
  }

  /// What went wrong, for people. What a field accepts is said beside the field as well.
  get sentence() {
    const key = `problem.${this.kind}`;
    const known = t(has(key) ? key : 'problem.unknown', { seconds: this.retryAfter ?? 60, status: this.status });
    // The platform speaks English; its own words say more than the name of the problem does.
    return [known, this.detail && sentence(this.detail)].filter(Boolean).join(' ');
  }
}

function sentence(text) {
  const closed = /[.!?。]$/.test(text) ? text : `${text}.`;
  return closed[0].toUpperCase() + closed.slice(1);
}

let csrf = null;
let signInAgain = null;

/// Says who asks again for the sign-in when a session has ended: `ask()` resolves when there is a new one.
export function onSignedOut(ask) {
  signInAgain = ask;
}

/// The address of a call, for an EventSource.
export function address(path) {
  return new URL(path, BASE).href;
}

/// Calls the API. Answers `{ data, etag, next, headers }`: JSON, a Blob or nothing, the record's tag, the path of the next page.
/// A session that has ended is asked for again, and the call then made once more: nothing that was typed is lost.
export async function call(method, path, { body, etag, signal, patience = TIMEOUT_MS } = {}) {
  for (let tries = 0; ; tries += 1) {
    const headers = { accept: 'application/json, */*;q=0.5' };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (etag) headers['if-match'] = etag;
    if (csrf && method !== 'GET') headers['x-csrf-token'] = csrf;
    try {
      return await ask(method, path, headers, body, signal, patience);
    } catch (problem) {
      if (problem.status === 401 && signInAgain && !path.startsWith('console/')) await signInAgain();
      // Another tab has signed in anew: its cookie is this page's too, and wants the value that belongs to it.
      else if (problem.kind === 'csrf' && tries === 0) await session();
      else throw problem;
    }
  }
}

async function ask(method, path, headers, body, signal, patience) {
  const late = AbortSignal.timeout(patience);
  const options = { method, headers, signal: signal ? AbortSignal.any([signal, late]) : late, cache: 'no-store' };
  if (body !== undefined) options.body = JSON.stringify(body);
  try {
    return await take(await fetch(address(path), options));
  } catch (error) {
    if (signal?.aborted || error instanceof Problem) throw error;
    throw new Problem(late.aborted ? 'slow' : 'away');
  }
}

async function take(answer) {
  const { status, headers } = answer;
  const kind = headers.get('content-type') ?? '';
  const isJson = kind.includes('json');
  if (!answer.ok) {
    const document = isJson ? await answer.json() : {};
    const retryAfter = Number(headers.get('retry-after')) || null;
    const name = document.type?.startsWith(PREFIX) ? document.type.slice(PREFIX.length) : 'unknown';
    throw new Problem(name, { status, detail: document.detail, field: document.field ?? null, retryAfter });
  }
  // A page in the place of an answer is that of something in between.
  if (kind.includes('html')) throw new Problem('unknown', { status });
  const data = status === 204 ? null : await (isJson ? answer.json() : answer.blob());
  return { data, etag: headers.get('etag'), next: nextPage(headers.get('link')), headers };
}

/// The path in `Link: </videostream?cursor=x>; rel="next"`, relative to the API.
function nextPage(link) {
  const found = /<\/?([^>]+)>\s*;\s*rel="next"/.exec(link ?? '');
  return found ? found[1] : null;
}

/// Every item of a paged listing, page after page; `told` is called with all so far after each.
export async function all(path, { signal, told = () => {} } = {}) {
  const items = [];
  for (let next = path; next; ) {
    const page = await call('GET', next, { signal });
    items.push(...page.data);
    next = page.next;
    told([...items], next === null);
  }
  return items;
}

/// A channel's address in the API.
export function channelPath(id, rest = '') {
  return `videostream/${encodeURIComponent(id)}${rest}`;
}

/// What is known of the session: `{ signedIn, user, expires, passwords }`.
export async function session() {
  return remember((await call('GET', 'console/session')).data);
}

export async function signIn(credentials) {
  return remember((await call('POST', 'console/session', { body: credentials })).data);
}

export async function signOut() {
  await call('DELETE', 'console/session');
  csrf = null;
}

function remember(data) {
  csrf = data.csrf ?? null;
  return data;
}

let schema = null;

/// What each field of a channel accepts, from the API's own description: `{ hls_time: { minimum, maximum, default } }`.
export function fields() {
  schema ??= call('GET', 'openapi.json').then(
    ({ data }) => data.components.schemas.Channel.properties,
    (problem) => {
      schema = null;
      throw problem;
    },
  );
  return schema;
}
