// What every scenario works with: pages that are watched, the API beside them, checks that say what they wanted.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const MODULES = fileURLToPath(new URL('../node_modules/', import.meta.url));

/// Throws, saying what was to be, unless `holds`.
export function check(holds, what) {
  if (!holds) throw new Error(`not so: ${what}`);
}

export function equal(seen, wanted, what) {
  const [left, right] = [JSON.stringify(seen), JSON.stringify(wanted)];
  if (left !== right) throw new Error(`${what}: ${left} where ${right} was to be`);
}

export class Operator {
  faults = [];
  foreign = new Set();
  facts = {};

  static async start(options) {
    const operator = new Operator();
    operator.options = options;
    operator.url = options.url;
    operator.browser = await chromium.launch({
      executablePath: process.env.LSV_CHROMIUM ?? '/usr/bin/chromium',
      headless: true,
      chromiumSandbox: false,
      args: ['--disable-gpu', '--disable-background-networking', '--disable-component-update', '--no-first-run',
        '--autoplay-policy=no-user-gesture-required'],
    });
    return operator;
  }

  async close() {
    await this.browser.close();
  }

  report() {
    return { facts: this.facts, faults: this.faults.slice(0, 20), requests_to_other_hosts: [...this.foreign] };
  }

  /// Another browser's page at `path` (`#/channels`), signed in by the printed link unless `signedIn` is false.
  async page(path = '', { signedIn = true, ...context } = {}) {
    const opened = await this.browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en', ...context });
    const page = await opened.newPage();
    page.setDefaultTimeout(20000);
    this.watch(page);
    this.last = page;
    if (signedIn) {
      await page.goto(`${this.url}#token=${this.options.token}`);
      await page.waitForSelector('main#content');
    }
    if (path || !signedIn) await page.goto(this.url + path);
    return page;
  }

  /// Notes what no page may do: faults of its own, of its policy, and requests to another host.
  watch(page) {
    const { host } = new URL(this.url);
    const visit = (address) => {
      const url = new URL(address);
      if (url.host && url.host !== host) this.foreign.add(url.origin);
    };
    page.on('request', (request) => visit(request.url()));
    page.on('websocket', (socket) => visit(socket.url()));
    page.on('pageerror', (error) => this.faults.push(`${page.url()}: ${error}`));
    page.on('console', (message) => {
      const text = message.text();
      const isFault = /Content Security Policy|violates|Uncaught/.test(text);
      if (message.type() === 'error' && isFault) this.faults.push(`${page.url()}: ${text}`);
    });
    page.on('dialog', (dialog) => {
      // Nobody's name may run as a script; only the browser's own question before leaving is to be expected.
      if (dialog.type() !== 'beforeunload') this.faults.push(`${page.url()}: a dialog of a script: ${dialog.message()}`);
      dialog.accept();
    });
  }

  /// Calls the API with the token: `{ status, body, headers }`.
  async api(method, path, body) {
    const answer = await fetch(new URL(`../${path}`, this.url), {
      method,
      headers: { authorization: `Bearer ${this.options.token}`, ...(body && { 'content-type': 'application/json' }) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    const isJson = /json/.test(answer.headers.get('content-type') ?? '');
    return { status: answer.status, body: isJson ? JSON.parse(text) : text, headers: answer.headers };
  }

  /// Makes a channel for one scenario and answers its record.
  async channel(fields) {
    const { status, body } = await this.api('POST', 'videostream', fields);
    equal(status, 201, 'a channel is made');
    return body;
  }

  async keepFailure(name) {
    const { screenshots } = this.options;
    if (screenshots && this.last) await this.last.screenshot({ path: `${screenshots}/failed-${name}.png` }).catch(() => {});
  }
}

/// What a QR code says, as a phone would read it from the screen.
export async function decode(operator, locator) {
  const picture = (await locator.screenshot()).toString('base64');
  const reader = await operator.browser.newPage();
  await reader.addScriptTag({ path: `${MODULES}jsqr/dist/jsQR.js` });
  const text = await reader.evaluate(async (base64) => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
    canvas.drawImage(image, 0, 0);
    const { data, width, height } = canvas.getImageData(0, 0, image.width, image.height);
    return window.jsQR(data, width, height)?.data ?? null;
  }, picture);
  await reader.close();
  return text;
}

/// Saves the form that is open, and waits until it is.
export async function save(page) {
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.locator('.save-bar').waitFor({ state: 'detached' });
}

let axe = null;

/// What axe finds that is serious or worse, as short texts.
export async function accessibility(page) {
  axe ??= await readFile(`${MODULES}axe-core/axe.min.js`, 'utf8');
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}
