// Compares spawnIsolated with child_process.spawn and with bubblewrap started from Node: latency at a small and a large heap, time that the event loop is
// blocked, and throughput. The contenders take turns within one run, so that the machine's moods hit all of them; what counts are the ratios.
//
//   node bench/spawn/main.mjs [--rounds N] [--seconds N]

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { contenders, ended, measure } from './contenders.mjs';

const MEGABYTE = 1024 * 1024;
const IN_FLIGHT = 8;
// Rounds that do not count: the contenders are compared as in a service that has been running for a while.
const WARM_UP = 300;
// A service that has started some thousand commands: the engine has compiled what it runs all the time.
const HOT = 3000;

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '150' }, seconds: { type: 'string', default: '3' } },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);

function buildStatic(directory) {
  const source = fileURLToPath(new URL('exit.c', import.meta.url));
  const program = path.join(directory, 'exit');
  execFileSync('cc', ['-O2', '-static', '-nostdlib', '-o', program, source]);
  return program;
}

function quantile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

function shuffled(list) {
  return list
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

async function compareLatency(title, command) {
  const entries = Object.entries(contenders(command));
  const samples = Object.fromEntries(entries.map(([name]) => [name, { call: [], whole: [] }]));
  for (let round = -WARM_UP; round < rounds; round += 1) {
    for (const [name, start] of shuffled(entries)) {
      const { call, whole } = await measure(start);
      if (round >= 0) {
        samples[name].call.push(call);
        samples[name].whole.push(whole);
      }
    }
  }
  console.log(`\n${title}`);
  const medians = {};
  for (const [name] of entries) {
    const whole = samples[name].whole.sort((a, b) => a - b);
    const call = samples[name].call.sort((a, b) => a - b);
    medians[name] = quantile(whole, 0.5);
    console.log(
      `  ${name.padEnd(14)} exit seen: median ${quantile(whole, 0.5).toFixed(3)} ms, p25 ${quantile(whole, 0.25).toFixed(3)}, ` +
        `p95 ${quantile(whole, 0.95).toFixed(3)}; call: median ${quantile(call, 0.5).toFixed(3)} ms, p95 ${quantile(call, 0.95).toFixed(3)}`,
    );
  }
  console.log(
    `  cloister / child_process ${(medians.cloister / medians.child_process).toFixed(2)}, ` +
      `cloister / bubblewrap ${(medians.cloister / medians.bubblewrap).toFixed(2)}`,
  );
}

/** Commands ended per second with a fixed number in flight. */
async function throughput(start) {
  const until = performance.now() + seconds * 1000;
  let count = 0;
  const lane = async () => {
    while (performance.now() < until) {
      const child = start();
      await ended(child);
      count += 1;
    }
  };
  const before = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return (count * 1000) / (performance.now() - before);
}

async function compareThroughput(command) {
  const entries = Object.entries(contenders(command));
  const rates = Object.fromEntries(entries.map(([name]) => [name, []]));
  for (let round = 0; round < 4; round += 1) {
    for (const [name, start] of shuffled(entries)) {
      rates[name].push(await throughput(start));
    }
  }
  console.log(`\nthroughput, ${command}, ${IN_FLIGHT} in flight, ${os.cpus().length} processors`);
  const medians = {};
  for (const [name] of entries) {
    medians[name] = quantile(
      rates[name].sort((a, b) => a - b),
      0.5,
    );
    console.log(`  ${name.padEnd(14)} ${medians[name].toFixed(0)} per second`);
  }
  console.log(
    `  cloister / bubblewrap ${(medians.cloister / medians.bubblewrap).toFixed(2)}, ` +
      `cloister / child_process ${(medians.cloister / medians.child_process).toFixed(2)}`,
  );
}

/** Active time of the event loop for each command, with nothing else going on. */
async function compareEventLoop(command) {
  console.log(`\nevent loop for one command, after ${HOT} of its kind`);
  for (const [name, start] of Object.entries(contenders(command))) {
    for (let i = 0; i < HOT; i += 1) {
      await measure(start);
    }
    const calls = [];
    const before = performance.eventLoopUtilization();
    for (let i = 0; i < rounds; i += 1) {
      const { call } = await measure(start);
      calls.push(call);
    }
    const { active } = performance.eventLoopUtilization(before);
    const median = quantile(
      calls.sort((a, b) => a - b),
      0.5,
    );
    console.log(
      `  ${name.padEnd(14)} blocked by the call: median ${median.toFixed(3)} ms; active from call to end: ${(active / rounds).toFixed(3)} ms`,
    );
  }
}

const directory = mkdtempSync('/var/tmp/cloister-bench-');
try {
  const program = buildStatic(directory);
  console.log(`${os.type()} ${os.release()}, Node ${process.version}, ${os.cpus().length} processors`);
  console.log(`${rounds} rounds, taking turns; a fresh network namespace for every cell and every bubblewrap`);
  const small = Math.round(process.memoryUsage.rss() / MEGABYTE);
  await compareLatency(`static command, ${small} MB resident`, program);
  await compareLatency(`/usr/bin/true, ${small} MB resident`, '/usr/bin/true');
  await compareEventLoop(program);
  await compareThroughput('/usr/bin/true');
  const ballast = Array.from({ length: 64 }, () => Buffer.alloc(16 * MEGABYTE, 1));
  const large = Math.round(process.memoryUsage.rss() / MEGABYTE);
  await compareLatency(`static command, ${large} MB resident`, program);
  if (ballast.some((part) => part[0] !== 1)) {
    throw new Error('the ballast is gone');
  }
} finally {
  rmSync(directory, { recursive: true });
}
