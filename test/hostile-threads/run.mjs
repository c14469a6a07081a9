// Restricts fresh processes full of hostile threads, over and over: `node test/hostile-threads/run.mjs [RUNS] [NODE...]`.
// A leak is a thread that can still open a forbidden file afterwards. Needs a C compiler.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const runs = Number(process.argv[2] ?? 1000);
const nodes = process.argv.length > 3 ? process.argv.slice(3) : [process.execPath];
const PATIENCE = 60_000;
const WAYS = ['main', 'worker', 'two', 'twice'];
const MODES = [...WAYS, ...WAYS.map((way) => `${way}+told`)];

const scratch = mkdtempSync(path.join(tmpdir(), 'hostile-run-'));
const library = path.join(scratch, 'churn.so');
execFileSync(process.env.CC ?? 'cc', [
  '-O2',
  '-shared',
  '-fPIC',
  '-pthread',
  '-o',
  library,
  path.join(here, 'churn.c'),
]);

function one(index) {
  const node = nodes[index % nodes.length];
  const mode = MODES[Math.floor(index / nodes.length) % MODES.length];
  const churn = path.join(scratch, `churn-${index}`);
  writeFileSync(churn, new Uint8Array(32));
  const flags = index % 10 === 9 ? ['--inspect=127.0.0.1:0'] : [];
  return new Promise((resolve) => {
    const child = spawn(node, [...flags, path.join(here, 'body.mjs'), mode], {
      env: { ...process.env, LD_PRELOAD: library, CHURN_FILE: churn, HOSTILE_ROOT: path.resolve(here, '../..') },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const text = { out: '', err: '' };
    child.stdout.on('data', (data) => (text.out += data));
    child.stderr.on('data', (data) => (text.err += data));
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      child.kill('SIGKILL');
    }, PATIENCE);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      rmSync(churn);
      resolve({ node, mode, hung, code, signal, ...text });
    });
  });
}

const total = { runs: 0, leaks: 0, hangs: 0, failures: 0, threads: 0, tries: 0 };
const times = [];

function count(outcome) {
  total.runs += 1;
  if (outcome.hung) {
    total.hangs += 1;
  } else if (outcome.code !== 0) {
    total.failures += 1;
    console.log(
      `${outcome.node} ${outcome.mode}: ended with ${outcome.code ?? outcome.signal}\n${outcome.err.slice(0, 2000)}`,
    );
  } else {
    const report = JSON.parse(outcome.out);
    const leaked = report.leaks > 0 || report.results.some((result) => result !== 'EACCES');
    const sane = report.allowed && report.fromFifo === 'abc' && report.heard;
    total.leaks += leaked ? 1 : 0;
    total.failures += sane ? 0 : 1;
    total.threads += report.threads;
    total.tries += report.tries;
    times.push(report.milliseconds);
    if (leaked || !sane) {
      console.log(`${outcome.node} ${outcome.mode}: ${outcome.out}`);
    }
  }
}

let next = 0;
async function lane() {
  while (next < runs) {
    count(await one(next++));
    if (total.runs % 50 === 0) {
      console.log(JSON.stringify(total));
    }
  }
}
await Promise.all([lane(), lane()]);
rmSync(scratch, { recursive: true });
times.sort((a, b) => a - b);
const quantile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]?.toFixed(1);
console.log(
  JSON.stringify({
    ...total,
    milliseconds: { median: quantile(0.5), p95: quantile(0.95), most: times.at(-1)?.toFixed(1) },
  }),
);
process.exit(total.leaks + total.hangs + total.failures > 0 ? 1 : 0);
