// Writes what the README says of kernels and runtimes between its marks, from what `npm run test:kernels` and `npm run test:runtimes` have found.
//   node tools/generate-matrix-tables.mjs [--check]

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { MACHINES } from '../test/matrix/machines.mjs';
import { writeGenerated } from './write-generated.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

function resultsOf(name) {
  const file = path.join(root, 'test', name, 'results.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

const table = (head, rows) =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

function counted({ passed, failed, skipped }) {
  return [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ].join(', ');
}

function kernels() {
  const results = resultsOf('matrix');
  const rows = [...MACHINES].flatMap(([name, { title }]) => {
    const found = results[name];
    if (found === undefined) {
      return [];
    }
    const suites = found.files.length > 0 ? `\`${found.files.join(' ')}\`` : 'integration, escape';
    return [[title, found.kernel, `${suites}: ${counted(found)}`, found.date]];
  });
  const absent = [...MACHINES].filter(([name]) => results[name] === undefined).map(([, { title }]) => title);
  const missing = absent.length > 0 ? [`Not run yet: ${absent.join('; ')}.`] : [];
  return [table(['`npm run test:kernels`', 'Debian kernel', 'Tests', 'Date'], rows), ...missing].join('\n\n');
}

const TITLES = {
  load: 'import',
  spawn: 'cells',
  pipes: "`stdio: 'pipe'`",
  limits: 'limits',
  restrict: '`restrictSelf`',
  threads: 'its other threads',
};
const NAMES = { node: 'Node.js', bun: 'Bun', deno: 'Deno' };

/** One sentence: most can do everything. */
function runtimes() {
  const results = Object.entries(resultsOf('runtimes'));
  const sentences = results.map(([name, { version, deeds }]) => {
    const without = Object.keys(TITLES).filter((deed) => deeds[deed] !== 'ok');
    const refused = without.every((deed) => deeds[deed].startsWith('ERR_CLOISTER_'));
    const lacks = without.map((deed) => TITLES[deed]).join(', ');
    const end = without.length > 0 ? ` (not ${lacks}: ${refused ? 'an error says so' : 'fails'})` : '';
    return `${NAMES[name.split('-')[0]]} ${version}${end}`;
  });
  const dates = results.map(([, { date }]) => date).sort();
  const what = Object.values(TITLES).join(', ');
  return `Runtimes, by \`npm run test:runtimes\` (${dates.at(-1) ?? 'never'}), each with ${what}: ${sentences.join(', ')}.`;
}

const readme = readFileSync(path.join(root, 'README.md'), 'utf8');
const begin = '<!-- Made by tools/generate-matrix-tables.mjs -->';
const end = '<!-- End of what it makes -->';
const [start, stop] = [readme.indexOf(begin), readme.indexOf(end)];
if (start < 0 || stop < start) {
  throw new Error(`README.md has no place for the tables: ${begin} ... ${end}`);
}
const content = [kernels(), runtimes()].join('\n\n');
const text = `${readme.slice(0, start + begin.length)}\n\n${content}\n\n${readme.slice(stop)}`;
writeGenerated('README.md', text);
