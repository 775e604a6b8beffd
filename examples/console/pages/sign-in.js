// The sign-in: by the API's token, or by user and password where the operator set them. Alone, or over the page that is open.

import { signIn } from '../parts/api.js';
import { Dialog } from '../parts/dialog.js';
import { Language } from '../parts/settings.js';
import { html, useState } from '../parts/ui.js';
import { know, t } from '../parts/words.js';

know({
  'signIn.title': ['Sign in', '登录'],
  'signIn.again': ['Your session has ended. Sign in to go on; what you typed is kept.', '会话已结束。请重新登录以继续；您输入的内容已保留。'],
  'signIn.token': ['API token', 'API 令牌'],
  'signIn.tokenHelp': [
    'lsv prints it on its first start, and keeps it in the file api-token of its data folder.',
    'lsv 首次启动时会打印该令牌，并保存在数据目录的 api-token 文件中。',
  ],
  'signIn.user': ['User', '用户'],
  'signIn.password': ['Password', '密码'],
  'signIn.withToken': ['Sign in with the API token', '使用 API 令牌登录'],
  'signIn.withPassword': ['Sign in with a password', '使用密码登录'],
  'signIn.wrong': ['That is not right. Check what you typed.', '不正确，请检查您的输入。'],
  'signIn.do': ['Sign in', '登录'],
});

const TOKEN = /^#token=(.+)$/;
let given = null;

/// Whether the address brings a token.
export function hasToken() {
  return TOKEN.test(location.hash);
}

/// The link that lsv prints brings the token behind `#token=`: it becomes a session, and goes from the address at once. Where the
/// platform cannot be asked it is kept for another try.
export async function tokenInAddress() {
  if (hasToken()) {
    given = decodeURIComponent(TOKEN.exec(location.hash)[1]);
    history.replaceState(null, '', `${location.pathname}${location.search}`);
    window.dispatchEvent(new HashChangeEvent('hashchange'));
  }
  if (given === null) return;
  try {
    await signIn({ token: given });
  } catch (problem) {
    if (problem.kind !== 'unauthorized') throw problem;
  }
  given = null;
}

export function SignIn({ passwords, done, over = false }) {
  const [byPassword, setByPassword] = useState(passwords);
  const [state, setState] = useState({ busy: false, problem: null });
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setState({ busy: true, problem: null });
    try {
      done(await signIn(Object.fromEntries(form)));
    } catch (problem) {
      setState({ busy: false, problem });
    }
  };
  const { busy, problem } = state;
  const wrong = problem?.kind === 'unauthorized' ? t('signIn.wrong') : problem?.sentence;
  const form = html`<form class="sign-in" onSubmit=${submit}>
    ${byPassword
      ? html`<label>${t('signIn.user')}<input name="user" required autocomplete="username" autofocus /></label>
          <label>${t('signIn.password')}<input name="password" type="password" required autocomplete="current-password" /></label>`
      : html`<label>${t('signIn.token')}<input name="token" type="password" required autocomplete="off" autofocus aria-describedby="token-help" /></label>
          <small id="token-help">${t('signIn.tokenHelp')}</small>`}
    ${wrong && html`<p class="form-problem" role="alert">${wrong}</p>`}
    <button type="submit" class="primary" disabled=${busy}>${t('signIn.do')}</button>
    ${passwords && html`<button type="button" class="plain" onClick=${() => setByPassword(!byPassword)}>${byPassword ? t('signIn.withToken') : t('signIn.withPassword')}</button>`}
  </form>`;
  if (over) return html`<${Dialog} title=${t('signIn.title')}><p>${t('signIn.again')}</p>${form}</${Dialog}>`;
  return html`<main class="alone"><div class="card"><h1><span class="mark" aria-hidden="true"></span>lsv</h1>${form}<div class="settings"><${Language} /></div></div></main>`;
}
