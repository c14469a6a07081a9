// One process of the bench: restricts itself as asked and tells one figure.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { Agent, createServer, get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

import { restrictSelf } from '../../dist/index.js';

const DURATION_MS = 400;
const AT_ONCE = 16;
const FILE = fileURLToPath(import.meta.url);
const unveil = { [FILE]: 'r' };
const POLICIES = { files: { unveil }, all: { unveil, pledge: 'stdio rpath inet' } };

const { kind, policy, workers = 0 } = JSON.parse(process.argv[2]);

async function perSecond(act) {
  const until = performance.now() + DURATION_MS;
  let count = 0;
  const lane = async () => {
    while (performance.now() < until) {
      await act();
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return (count * 1000) / DURATION_MS;
}

async function request(port, agent) {
  const [response] = await once(get({ host: '127.0.0.1', port, agent }), 'response');
  response.resume();
  await once(response, 'end');
}

async function call() {
  // The pool of libuv has its threads from the first use on.
  await readFile(FILE);
  const source = "require('node:worker_threads').parentPort.on('message', () => {}).postMessage(0)";
  const all = Array.from({ length: workers }, () => new Worker(source, { eval: true }));
  await Promise.all(all.map((worker) => once(worker, 'message')));
  const times = [];
  let threads;
  for (const policy of [POLICIES.all, POLICIES.files, POLICIES.files]) {
    const before = performance.now();
    ({ threads } = restrictSelf(policy));
    times.push(performance.now() - before);
  }
  // The first one compiles the filter, and its JavaScript is new; the last one is little but stopping the threads.
  return { first: times[0], last: times[2], threads };
}

async function throughput() {
  const server = createServer((_, response) => response.end('text')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  const agent = new Agent({ keepAlive: true });
  await Promise.all([readFile(FILE), request(port, agent)]);
  if (policy !== 'free') {
    restrictSelf(POLICIES[policy]);
  }
  const acts = {
    readFileSync: () => readFileSync(FILE),
    readFile: () => readFile(FILE),
    http: () => request(port, agent),
  };
  return { perSecond: await perSecond(acts[kind]) };
}

console.log(JSON.stringify(await (kind === 'call' ? call() : throughput())));
process.exit(0);
