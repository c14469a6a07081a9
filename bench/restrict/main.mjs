// What restrictSelf costs: the call itself against the number of threads, and files and connections before and after. Each figure comes from a process of its
// own, since there is no way back; with and without take turns.
//
//   node bench/restrict/main.mjs [--rounds N]

import { execFile } from 'node:child_process';
import os from 'node:os';
import { parseArgs, promisify } from 'node:util';
import { fileURLToPath } from 'node:url';

const run = promisify(execFile);
const BODY = fileURLToPath(new URL('body.mjs', import.meta.url));
const WORKERS = [0, 4, 16, 64];

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const rounds = Number(values.rounds);

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

async function measure(what) {
  const { stdout } = await run(process.execPath, [BODY, JSON.stringify(what)]);
  return JSON.parse(stdout);
}

console.log(
  `${os.type()} ${os.release()}, Node ${process.version}, ${os.cpus().length} processors, ${rounds} processes each`,
);

console.log('\nthe call, in milliseconds');
for (const workers of WORKERS) {
  const results = [];
  for (let round = 0; round < rounds; round += 1) {
    results.push(await measure({ kind: 'call', workers }));
  }
  const spread = (times) =>
    `median ${median(times).toFixed(2)}, shortest ${Math.min(...times).toFixed(2)}, longest ${Math.max(...times).toFixed(2)}`;
  console.log(
    `  ${String(results[0].threads).padStart(3)} threads: unveil and pledge, first call: ${spread(results.map(({ first }) => first))}; ` +
      `unveil alone, warm: ${spread(results.map(({ last }) => last))}`,
  );
}

console.log('\nthroughput, restricted / free');
for (const kind of ['readFileSync', 'readFile', 'http']) {
  const rates = { free: [], files: [], all: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const policy of Object.keys(rates)) {
      rates[policy].push((await measure({ kind, policy })).perSecond);
    }
  }
  const free = median(rates.free);
  console.log(
    `  ${kind.padEnd(13)} ${free.toFixed(0).padStart(7)} per second free; unveil ${(median(rates.files) / free).toFixed(2)}, ` +
      `unveil and pledge ${(median(rates.all) / free).toFixed(2)}`,
  );
}
