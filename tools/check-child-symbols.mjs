// What the code between clone and exec can call. Starts at the objects of native/child, follows every undefined symbol
// into the project's other objects, and compares what is left over with tools/child-symbols.allow: no allocator, no lock,
// no stdio can be reached that is not on that list. An object is followed as a whole, so this errs on the strict side.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { listSources } from './list-sources.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const objects = path.join(root, 'build/Release/obj.target/cloister-launcher');

/** One symbol a line; a comment after # says why the child may call it. */
function allowedSymbols() {
  const lines = readFileSync(path.join(root, 'tools/child-symbols.allow'), 'utf8').split('\n');
  return new Set(lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== ''));
}

function symbols(object, option) {
  const output = execFileSync('nm', ['--format=posix', option, object], { encoding: 'utf8' });
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' ')[0]);
}

function readable(names) {
  const output = execFileSync('c++filt', { input: names.join('\n'), encoding: 'utf8' });
  return output.trimEnd().split('\n');
}

const sources = listSources('launcher');
const objectOf = (source) => path.join(objects, source.replace(/\.cc$/, '.o'));
const missing = sources.filter((source) => !existsSync(objectOf(source)));
if (missing.length > 0) {
  console.error(`not built: ${missing.join(' ')}\nrun "npm run build:native" first`);
  process.exit(1);
}

const definedIn = new Map();
for (const source of sources) {
  for (const symbol of symbols(objectOf(source), '--defined-only')) {
    definedIn.set(symbol, source);
  }
}

const allowed = allowedSymbols();
const used = new Set();
const reached = new Map(listSources('child').map((source) => [source, 'native/child']));
const refused = [];
for (const source of reached.keys()) {
  for (const symbol of symbols(objectOf(source), '--undefined-only')) {
    if (definedIn.has(symbol)) {
      const definition = definedIn.get(symbol);
      reached.set(definition, reached.get(definition) ?? source);
    } else if (allowed.has(symbol)) {
      used.add(symbol);
    } else {
      refused.push({ symbol, source });
    }
  }
}

const names = readable(refused.map(({ symbol }) => symbol));
refused.forEach(({ source }, index) => {
  console.error(`${source} (reached from ${reached.get(source)}): ${names[index]} is not in tools/child-symbols.allow`);
});
// gcc and clang may turn any code into calls of these, depending on version and processor.
const byCompiler = /^(_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|(__)?mem(cpy|move|set|cmp)(_chk)?)$/;
const unused = [...allowed].filter((symbol) => !used.has(symbol) && !byCompiler.test(symbol));
for (const symbol of unused) {
  console.error(`tools/child-symbols.allow: nothing calls ${symbol}; take it off the list`);
}
console.log(`${reached.size} objects, ${used.size} symbols from outside, ${refused.length + unused.length} problems`);
process.exit(refused.length + unused.length > 0 ? 1 : 0);
