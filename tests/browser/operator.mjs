// Uses the console of a running lsv as an operator does, and prints what it saw as one line of JSON.
//
//   node operator.mjs --url http://127.0.0.1:8080/console/ --token TOKEN [--only errors,channels] [--screenshots FOLDER]
//        [--live cam]
//
// Each scenario is a file of `operator/`, called with the same tools (operator/tools.mjs). `--live` names a channel that is
// pushed to all the while. With --screenshots every page is kept as a picture: light, dark and as wide as a phone.
// Exits with 0 when every scenario did what it should, nothing left the host and no page had a fault.

import { parseArgs } from 'node:util';
import { Operator } from './operator/tools.mjs';

const SCENARIOS = [
  'words',
  'sign-in', 'channels', 'together', 'addresses', 'live', 'processing', 'recording', 'platform', 'errors', 'pages', 'weight', 'kick',
];

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    token: { type: 'string' },
    live: { type: 'string', default: 'cam' },
    only: { type: 'string', default: SCENARIOS.join() },
    screenshots: { type: 'string' },
  },
});
if (!options.url || !options.token) throw new Error('--url or --token is missing');

const operator = await Operator.start(options);
const scenarios = {};
for (const name of options.only.split(',')) {
  const { default: scenario } = await import(`./operator/${name}.mjs`);
  const since = Date.now();
  let failure = null;
  try {
    await scenario(operator);
  } catch (error) {
    failure = String(error.stack ?? error).split('\n').slice(0, 12).join('\n');
    await operator.keepFailure(name);
  }
  scenarios[name] = { ok: failure === null, seconds: (Date.now() - since) / 1000, failure };
}
const report = { scenarios, ...operator.report() };
await operator.close();
report.ok = Object.values(scenarios).every(({ ok }) => ok) && report.faults.length === 0 && report.requests_to_other_hosts.length === 0;
console.log(JSON.stringify(report));
process.exitCode = report.ok ? 0 : 1;
