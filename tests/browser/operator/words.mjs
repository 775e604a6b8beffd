// Every word that the console's files ask for is there, in both languages; and none is there that nobody asks for.

import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { check } from './tools.mjs';

const CONSOLE = fileURLToPath(new URL('../../../examples/console/', import.meta.url));

export default async function words() {
  const files = (await readdir(CONSOLE, { recursive: true })).filter((file) => file.endsWith('.js') && !file.startsWith('vendor'));
  const text = (await Promise.all(files.map((file) => readFile(CONSOLE + file, 'utf8')))).join('\n');
  const pairs = new Map();
  for (const [, key, values] of text.matchAll(/^ {2}'([\w-]+(?:\.[\w-]+)+)': \[((?:[^\]']|'(?:[^'\\]|\\.)*')*)\]/gms)) {
    const said = [...values.matchAll(/'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"/g)].map(([, one, two]) => one ?? two);
    check(!pairs.has(key), `${key} is said once`);
    pairs.set(key, said);
  }
  check(pairs.size > 100, 'words were found');
  const wrong = [];
  for (const [key, said] of pairs) {
    if (said.length !== 2 || said.some((words) => words.trim() === '')) wrong.push(`${key} has not two languages`);
    const given = said.map((words) => [...(words ?? '').matchAll(/\{\w+\}/g)].map(([name]) => name).sort().join());
    if (given[0] !== given[1]) wrong.push(`${key} takes different things in its languages`);
  }
  for (const [, key] of text.matchAll(/\bt\('([\w.-]+)'/g)) {
    if (!pairs.has(key)) wrong.push(`there are no words for ${key}`);
  }
  // A key may be put together: then its beginning is asked for.
  const starts = [...text.matchAll(/`([\w-]+(?:\.[\w-]+)*\.)\$\{|\bword\('(\w+)'/g)].map(([, start, kind]) => start ?? `${kind}.`);
  for (const key of pairs.keys()) {
    const plain = key.replace(/\.one$/, '');
    const isAsked = count(text, `'${plain}'`) > (plain === key ? 1 : 0) || starts.some((start) => key.startsWith(start));
    if (!isAsked) wrong.push(`nobody asks for ${key}`);
  }
  check(wrong.length === 0, `all words are right, but ${wrong.length} are not:\n${wrong.slice(0, 20).join('\n')}`);
}

function count(text, part) {
  return text.split(part).length - 1;
}
