// One process of the hostile run: threads of every kind are busy, then it restricts itself, then every one of them tries what is forbidden.
// Prints one line of JSON. process.argv[2]: who restricts ('main', 'worker', 'two', 'twice'); with '+told' behind it a filter comes along, what it
// refuses is asked of another process, and told.

import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  mkdtempSync,
  openSync,
  promises,
  readFileSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const SECRET = '/etc/passwd';
const [WHO, TOLD] = (workerData?.mode ?? process.argv[2] ?? 'main').split('+');
const PACKAGE = new URL('../../dist/index.js', import.meta.url).href;
const POLICY = {
  unveil: { '/tmp': 'rwc', '/usr': 'rx', '/lib': 'rx', '/lib64': 'rx', '/dev/null': 'rw', '/proc': 'r' },
};
if (process.env.HOSTILE_ROOT !== undefined) {
  POLICY.unveil[process.env.HOSTILE_ROOT] = 'rwc';
}

if (TOLD !== undefined) {
  Object.assign(POLICY, { pledge: 'stdio rpath wpath cpath proc exec unveil', onViolation: 'error' });
}

function probe() {
  try {
    readFileSync(SECRET);
    return 'leak';
  } catch (error) {
    return error.code;
  }
}

/** Without the filter the kernel looks for the file: ENOENT. */
function probeFilter() {
  try {
    chmodSync('/nowhere/at/all', 0);
  } catch (error) {
    return error.code === 'EPERM' ? 'EACCES' : error.code;
  }
  return 'leak';
}

/** How many violations were heard of, once it is restricted. */
async function restrictHere() {
  const { restrictSelf, onSelfViolation } = await import(PACKAGE);
  let heard = 0;
  onSelfViolation(() => {
    heard += 1;
  });
  let enforcement = restrictSelf(POLICY);
  const until = Date.now() + 10_000;
  for (; TOLD !== undefined && WHO !== 'two' && heard === 0 && Date.now() < until; ) {
    probeFilter();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (WHO === 'twice') {
    enforcement = restrictSelf(POLICY);
  }
  return { enforcement, heard };
}

/** Compiled code without a call into the kernel or a safe point of the interpreter. */
function spin(rounds) {
  let sum = 0;
  for (let i = 0; i < rounds; i++) {
    sum += Math.sqrt(i);
  }
  return sum;
}

const filtered = () => (TOLD === undefined ? [] : [probeFilter()]);

const probeAsync = () =>
  promises.readFile(SECRET).then(
    () => 'leak',
    (error) => error.code,
  );

async function inWorker({ kind, depth }) {
  if (kind === 'restrict') {
    await import(PACKAGE);
    parentPort.postMessage({ ready: true });
    parentPort.once('message', () => {
      restrictHere().then(
        (restricted) => parentPort.postMessage({ restricted }),
        (error) => parentPort.postMessage({ error: String(error) }),
      );
    });
    return;
  }
  let running = true;
  parentPort.on('message', async (message) => {
    if (message === 'probe') {
      parentPort.postMessage({ results: [probe(), await probeAsync(), ...filtered()] });
    } else {
      running = false;
      parentPort.close();
    }
  });
  parentPort.postMessage({ ready: true });
  if (kind === 'busy') {
    while (running) {
      spin(200_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (kind === 'nesting' && depth > 0) {
    while (running) {
      const nested = new Worker(new URL(import.meta.url), {
        workerData: { kind: 'idle', depth: depth - 1, mode: workerData.mode },
      });
      await new Promise((resolve) => nested.once('message', resolve));
      await nested.terminate();
    }
  }
}

const answer = (worker, message, key) =>
  new Promise((resolve, reject) => {
    const listen = (reply) => {
      if (reply[key] !== undefined || reply.error !== undefined) {
        worker.off('message', listen);
        reply.error === undefined ? resolve(reply[key]) : reject(new Error(reply.error));
      }
    };
    worker.on('message', listen);
    worker.once('error', reject);
    if (message !== undefined) {
      worker.postMessage(message);
    }
  });

async function start(kind) {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { kind, depth: 1, mode: `${WHO}${TOLD === undefined ? '' : '+told'}` },
  });
  await answer(worker, undefined, 'ready');
  return worker;
}

async function restrict() {
  if (WHO === 'main' || WHO === 'twice') {
    return restrictHere();
  }
  const workers = await Promise.all(Array.from({ length: WHO === 'two' ? 2 : 1 }, () => start('restrict')));
  const [first] = await Promise.all(workers.map((worker) => answer(worker, 'go', 'restricted')));
  await Promise.all(workers.map((worker) => worker.terminate()));
  return first;
}

async function main() {
  const scratch = mkdtempSync(path.join(tmpdir(), 'hostile-'));
  const fifo = path.join(scratch, 'fifo');
  execFileSync('mkfifo', [fifo]);
  // One thread of the pool stands still in open(2) until somebody writes.
  const blocked = promises.readFile(fifo, 'utf8');
  const workers = await Promise.all(['busy', 'idle', 'nesting'].map(start));
  const shared = process.env.CHURN_FILE === undefined ? -1 : openSync(process.env.CHURN_FILE, 'r+');
  const allowed = probe() === 'leak';
  const began = performance.now();
  const { enforcement, heard } = await restrict();
  const milliseconds = performance.now() - began;
  if (shared >= 0) {
    writeSync(shared, new Uint8Array(new BigUint64Array([TOLD === undefined ? 1n : 2n]).buffer), 0, 8, 0);
  }
  const results = [probe(), await probeAsync(), await probeAsync(), ...filtered()];
  for (const worker of workers) {
    results.push(...(await answer(worker, 'probe', 'results')));
  }
  const late = new Worker(
    `const fs = require('fs'); const { parentPort } = require('worker_threads');
    try { fs.readFileSync('${SECRET}'); parentPort.postMessage('leak'); } catch (error) { parentPort.postMessage(error.code); }`,
    { eval: true },
  );
  results.push(await new Promise((resolve) => late.once('message', resolve)));
  spawn('/bin/sh', ['-c', `printf abc > ${fifo}`], { stdio: 'ignore' });
  const fromFifo = await blocked;
  await new Promise((resolve) => setTimeout(resolve, 100));
  const churn = new BigUint64Array(4);
  if (shared >= 0) {
    readSync(shared, new Uint8Array(churn.buffer), 0, 32, 0);
    closeSync(shared);
  }
  for (const worker of workers) {
    worker.postMessage('end');
  }
  rmSync(scratch, { recursive: true });
  const [, threads, tries, leaks] = [...churn].map(Number);
  console.log(
    JSON.stringify({
      allowed,
      results,
      fromFifo,
      restricted: enforcement.threads,
      heard: TOLD === undefined || WHO === 'two' || heard > 0,
      milliseconds,
      threads,
      tries,
      leaks,
    }),
  );
  process.exit(0);
}

// An orderly end would wait for the thread that stands still.
function fail(error) {
  writeSync(2, `${error.stack}\n`);
  process.kill(process.pid, 'SIGKILL');
}

await (isMainThread ? main().catch(fail) : inWorker(workerData));
