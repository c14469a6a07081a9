// `npm run test:runtimes`: what works under each JavaScript runtime, from the checkout as it is built. Prints a table and writes results.json beside this
// file, which the README's table is made from (tools/generate-matrix-tables.mjs). The runtimes are npm packages, installed below .cache/runtimes.
//   npm run test:runtimes [-- [NAME...] [--files FILE...]]     NAME: node-20 node-22 node-24 node-26 bun deno; none: all
// --files: of the integration and escape suites, e.g. integration/1, which are run under each Node.js as well.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import path from 'node:path';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RESULTS = new URL('results.json', import.meta.url);
const DEEDS = fileURLToPath(new URL('deeds.mjs', import.meta.url));
/** `expected`: what the runtime can do; the others must end in a CloisterError that says so. */
const EVERYTHING = ['load', 'spawn', 'pipes', 'limits', 'restrict', 'threads'];
const bunArch = process.arch === 'arm64' ? 'aarch64' : process.arch;

const node = (major) => ({
  package: `node-linux-${process.arch}@${major}`,
  program: `node-linux-${process.arch}/bin/node`,
  args: [],
  expected: EVERYTHING,
  suites: true,
});
const RUNTIMES = {
  'node-20': node(20),
  'node-22': node(22),
  'node-24': node(24),
  'node-26': node(26),
  bun: {
    package: `@oven/bun-linux-${bunArch}@1`,
    program: `@oven/bun-linux-${bunArch}/bin/bun`,
    args: [],
    // It makes no streams of descriptors.
    expected: EVERYTHING.filter((deed) => deed !== 'pipes'),
  },
  deno: {
    package: `@deno/linux-${process.arch}-glibc@2`,
    program: `@deno/linux-${process.arch}-glibc/deno`,
    args: ['run', '--allow-all', '--no-lock'],
    expected: EVERYTHING,
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { files: { type: 'string', multiple: true, default: [] } },
});

function install(name) {
  const folder = path.join(ROOT, '.cache', 'runtimes', name);
  const program = path.join(folder, 'node_modules', RUNTIMES[name].program);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
    execFileSync('npm', ['install', '--silent', '--no-package-lock', '--ignore-scripts', RUNTIMES[name].package], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return program;
}

/** 'ok', or what it said instead. */
function attempt(program, args, deed) {
  const { status, signal, stdout, stderr } = spawnSync(program, [...args, DEEDS, deed], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  if (status === 0 && stdout.trim().endsWith('ok')) {
    return 'ok';
  }
  const refused = /^ERR_CLOISTER_\w+: .*$/m.exec(stdout)?.[0];
  return refused ?? `ended with ${status ?? signal}: ${(stdout + stderr).trim().slice(-600)}`;
}

function suites(program) {
  const report = path.join(ROOT, '.cache', 'runtimes', 'report.json');
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--project=integration', '--project=escape'];
  spawnSync(
    program,
    [...args, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...values.files],
    {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CLOISTER_BUILT: '1' },
    },
  );
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = JSON.parse(readFileSync(report));
  return { passed, failed, skipped, files: values.files };
}

const names = positionals.length > 0 ? positionals : Object.keys(RUNTIMES);
assert.ok(
  names.every((name) => Object.hasOwn(RUNTIMES, name)),
  `there are ${Object.keys(RUNTIMES).join(', ')}`,
);
let failed = false;
for (const name of names) {
  const { args, expected, suites: hasSuites } = RUNTIMES[name];
  const program = install(name);
  const version = /\d+\.\d+\.\d+/.exec(execFileSync(program, ['--version'], { encoding: 'utf8' }))[0];
  const deeds = Object.fromEntries(EVERYTHING.map((deed) => [deed, attempt(program, args, deed)]));
  const wrong = EVERYTHING.filter((deed) =>
    expected.includes(deed) ? deeds[deed] !== 'ok' : !deeds[deed].startsWith('ERR_CLOISTER_UNSUPPORTED: '),
  );
  const entry = { version, date: new Date().toISOString().slice(0, 10), deeds };
  if (hasSuites && values.files.length > 0) {
    entry.suites = suites(program);
  }
  const bad = wrong.length > 0 || (entry.suites?.failed ?? 0) > 0;
  failed ||= bad;
  console.log(`${bad ? 'FAIL' : 'ok  '} ${name} ${JSON.stringify(entry)}`);
  const results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
  writeFileSync(RESULTS, `${JSON.stringify({ ...results, [name]: entry }, undefined, 2)}\n`);
}
process.exitCode = failed ? 1 : 0;
