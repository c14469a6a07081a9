// Sends standard input through a program in a cell, as with node:child_process: pipes, events, an AbortSignal. The program sees two descriptors and nothing
// of the host but its system files.
//
//   node examples/filter-stream.mjs sort -u < names

import { pipeline } from 'node:stream/promises';

import { spawnIsolated } from 'cloister';

const [command = 'cat', ...args] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const child = spawnIsolated(command, args, { stdio: ['pipe', 'pipe', 'inherit'], signal: stop.signal });
child.once('spawn', () => console.error(`-- process ${child.pid}`));

const flow = Promise.allSettled([
  pipeline(process.stdin, child.stdin),
  pipeline(child.stdout, process.stdout, { end: false }),
]);
try {
  const { reason, exitCode, signal } = await child.outcome;
  await flow;
  console.error(`-- ${reason}, ${signal ?? `exit code ${exitCode}`}`);
  process.exitCode = exitCode ?? 1;
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
}
