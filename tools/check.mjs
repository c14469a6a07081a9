// Runs every "check:NAME" script of package.json and prints a table. Arguments choose some by name:
//   npm run check -- format types

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { scripts } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const all = Object.keys(scripts)
  .filter((name) => name.startsWith('check:'))
  .map((name) => name.slice('check:'.length));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`no such check: ${unknown.join(', ')}; there are ${all.join(', ')}`);
  process.exit(2);
}

/** Runs an npm script and collects what it prints, both streams in their order. */
function run(script) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', script], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    child.stderr.on('data', (chunk) => chunks.push(chunk));
    const finish = (passed, extra = '') => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      resolve({ passed, seconds, output: Buffer.concat(chunks).toString() + extra });
    };
    child.once('error', (error) => finish(false, error.message));
    child.once('close', (code) => finish(code === 0));
  });
}

// Several checks look at what is built (publint, attw, the child's symbols), so that comes first.
console.log('building');
const build = await run('build');
if (!build.passed) {
  console.error(build.output);
  console.error('check: the build failed, nothing was checked');
  process.exit(1);
}

const queue = wanted.length > 0 ? [...wanted] : [...all];
const results = new Map();

async function work() {
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    const result = await run(`check:${name}`);
    results.set(name, result);
    console.log(`${result.passed ? 'ok  ' : 'FAIL'} ${name} (${result.seconds} s)`);
  }
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work));

const failed = [...results].filter(([, result]) => !result.passed);
for (const [name, result] of failed) {
  console.log(`\n--- ${name} ${'-'.repeat(Math.max(0, 100 - name.length))}\n${result.output.trimEnd()}`);
}

console.log('\ncheck                 result   seconds');
for (const name of all.filter((each) => results.has(each))) {
  const { passed, seconds } = results.get(name);
  console.log(`${name.padEnd(21)} ${(passed ? 'ok' : 'FAILED').padEnd(8)} ${seconds.padStart(7)}`);
}
console.log(`\n${results.size - failed.length} of ${results.size} checks are green`);
process.exit(failed.length > 0 ? 1 : 0);
