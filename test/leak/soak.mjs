// Starts cells of every kind for as long as asked, ends them in every way, kills the launcher now and then, and looks each minute at what the process
// holds: descriptors, threads, processes, mounts, control groups, scratch directories, memory. Fails when any of them grows.
//   node test/leak/soak.mjs [--minutes 60] [--at-once 4]

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { probe, runIsolated, spawnIsolated } from 'cloister';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '60' }, 'at-once': { type: 'string', default: '4' } },
});
const minutes = Number(values.minutes);
const atOnce = Number(values['at-once']);
assert.ok(minutes > 0 && atOnce >= 1, 'use: soak.mjs [--minutes NUMBER] [--at-once COUNT]');

// What other programs mount meanwhile would count as growth: root looks at a mount namespace of its own.
if (process.getuid() === 0 && process.env.CLOISTER_SOAK_INSIDE === undefined) {
  const node = [process.execPath, '--expose-gc', ...process.argv.slice(1)];
  const { status } = spawnSync('unshare', ['--mount', '--propagation', 'private', ...node], {
    stdio: 'inherit',
    env: { ...process.env, CLOISTER_SOAK_INSIDE: '1' },
  });
  process.exit(status ?? 1);
}

/** A process that was read while it ended has no file any more. */
function readOf(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

/** All processes below this one, the launcher's cells included. */
function descendants() {
  const parents = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = readOf(pid, 'stat');
    parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
  }
  const below = new Set([process.pid]);
  for (let grown = true; grown; ) {
    const found = [...parents].filter(([pid, parent]) => below.has(parent) && !below.has(pid));
    found.forEach(([pid]) => below.add(pid));
    grown = found.length > 0;
  }
  below.delete(process.pid);
  return [...below];
}

const launcher = () => descendants().find((pid) => readOf(pid, 'comm').trim() === 'cloister');

function groups(folder = '/sys/fs/cgroup') {
  const directories = (at) => readdirSync(at, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  try {
    return directories(folder)
      .map(({ name }) => (name.startsWith(`cloister-${process.pid}-`) ? 1 : 0) + groups(`${folder}/${name}`))
      .reduce((sum, count) => sum + count, 0);
  } catch {
    // A group that another process removed while it was read.
    return 0;
  }
}

const kibibytes = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readOf(pid, 'status'))?.[1] ?? 0);

/** Once nothing runs: the launcher may be left, and what it holds. */
function state() {
  const helper = launcher();
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    launcherDescriptors: helper === undefined ? 0 : readdirSync(`/proc/${helper}/fd`).length,
    threads: readdirSync('/proc/self/task').length,
    processes: descendants().length,
    mounts: readFileSync('/proc/self/mounts', 'utf8').split('\n').length,
    launcherMounts: helper === undefined ? 0 : readOf(helper, 'mounts').split('\n').length,
    groups: groups(),
    scratch: readdirSync(tmpdir()).filter((name) => name.startsWith(`cloister-scratch-${process.pid}-`)).length,
  };
}

const { backends, cgroup } = probe();
const grouped = cgroup?.writable === true;
const reasons = {};
const tell = (name, reason) => {
  const key = `${name}: ${reason}`;
  reasons[key] = (reasons[key] ?? 0) + 1;
};

/** A command with these options, and how it must end; 'killed' is right for every cell whose launcher was killed. */
const run =
  (expected, command, args = [], options = {}) =>
  async (lost) => {
    const result = await runIsolated(command, args, options);
    assert.ok(result.reason === expected || (lost() && result.reason === 'killed'), `${command}: ${result.reason}`);
    return result.reason;
  };

async function ended(child, expected, lost) {
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.on('error', () => undefined);
  child.stdout?.resume();
  child.stderr?.resume();
  const { reason } = await child.outcome;
  await closed;
  assert.ok(reason === expected || (lost() && reason === 'killed'), reason);
  return reason;
}

async function aborted(lost) {
  const controller = new AbortController();
  const child = spawnIsolated('sleep', ['60'], { signal: controller.signal });
  child.once('spawn', () => controller.abort());
  return ended(child, 'aborted', lost);
}

async function killed(lost) {
  const child = spawnIsolated('sh', ['-c', 'setsid sleep 60 & (sleep 60 &); sleep 60']);
  child.once('spawn', () => child.kill('SIGKILL'));
  return ended(child, 'killed', lost);
}

async function talked(lost) {
  const child = spawnIsolated('cat');
  // The cell may be lost before it has read all.
  child.stdin.on('error', () => undefined);
  child.stdin.end('x'.repeat(200_000));
  return ended(child, 'exited', lost);
}

async function absent(lost) {
  try {
    await runIsolated('no-such-command');
  } catch (error) {
    assert.ok(error.code === 'ERR_CLOISTER_NOT_FOUND' || lost(), error);
    return error.code;
  }
  throw new Error('a missing command was run');
}

const spin = ['-c', 'while :; do :; done'];
const KINDS = [
  ['plain', run('exited', 'true')],
  ['missing', absent],
  ['aborted', aborted],
  ['killed', killed],
  ['talked', talked],
  ['terminal', (lost) => ended(spawnIsolated('true', [], { pty: { columns: 80, rows: 24 } }), 'exited', lost)],
  ['wall time', run('wall-time', 'sleep', ['60'], { limits: { wallTime: 200 } })],
  ['output', run('output', 'yes', [], { limits: { output: 20_000 } })],
  ['daemons', run('exited', 'sh', ['-c', '(setsid sleep 60 >/dev/null 2>&1 &); exit 0'])],
  [
    'mounts',
    run('exited', 'sh', ['-c', 'cat /in/file; echo x > /tmp/y'], {
      mounts: [{ type: 'file', target: '/in/file', content: 'x' }],
    }),
  ],
  ['filter', run('violation', 'sh', ['-c', 'mkdir /tmp/x'], { pledge: 'stdio rpath exec proc' })],
  ['processor', run('cpu-time', 'sh', spin, { limits: { cpuTime: '1s' } })],
  ...(grouped
    ? [['memory', run('memory', 'sh', ['-c', 'x=$(yes | head -c 200M); :'], { limits: { memory: '64MiB' } })]]
    : []),
  ...backends.map((backend) => [
    backend,
    run('exited', 'sh', ['-c', 'echo x > $TMPDIR/x || echo x > /tmp/x'], { backend }),
  ]),
];

let generation = 0;
let lastLoss = -Infinity;
async function one(number) {
  const [name, kind] = KINDS[number % KINDS.length];
  const before = generation;
  // For a moment starts still go to the launcher that was killed.
  const unsteady = performance.now() - lastLoss < 2000;
  const lost = () => unsteady || generation !== before;
  try {
    tell(name, await kind(lost));
  } catch (error) {
    // A start that the killed launcher had in hand is refused; anything else ends the run.
    if (!lost()) {
      throw new Error(`${name}: ${error.message}`, { cause: error });
    }
    tell(name, 'lost');
  }
}

async function killLauncher() {
  const helper = launcher();
  if (helper !== undefined) {
    generation += 1;
    lastLoss = performance.now();
    process.kill(helper, 'SIGKILL');
    tell('launcher', 'killed');
  }
}

let number = 0;
/** At least one of each kind, with or without a launcher that dies in their middle. */
async function round(withLoss) {
  const until = number + KINDS.length * atOnce;
  const work = async () => {
    while (number < until) {
      number += 1;
      await one(number);
      if (withLoss && number === until - KINDS.length) {
        await killLauncher();
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** What ends with its cells ends a moment later: the state that does not shrink any more. */
async function settled(wanted) {
  let now = state();
  for (let tries = 0; tries < 100; tries += 1) {
    if (wanted !== undefined && Object.keys(wanted).every((key) => now[key] <= wanted[key])) {
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, wanted === undefined && tries > 20 ? 0 : 100));
    now = state();
    if (wanted === undefined && tries > 20) {
      break;
    }
  }
  return now;
}

const deadline = performance.now() + minutes * 60_000;
await round(true);
await round(false);
const first = await settled();
const memory = [];
let last = first;
let nextReport = 0;
for (let rounds = 1; performance.now() < deadline; rounds += 1) {
  await round(rounds % 5 === 0);
  // The launcher starts with the next cell: without one there is nothing to compare with.
  await runIsolated('true');
  last = await settled(first);
  const grown = Object.keys(first).filter((key) => last[key] > first[key]);
  assert.deepEqual(grown, [], `grown: ${JSON.stringify({ first, last })}`);
  if (performance.now() >= nextReport) {
    globalThis.gc?.();
    memory.push({ own: kibibytes('self'), launcher: kibibytes(launcher()) });
    console.log(JSON.stringify({ cells: number, ...last, memory: memory.at(-1) }));
    nextReport = performance.now() + 60_000;
  }
}

// The first quarter warms caches up; from then on the level has to stay.
const settledMemory = memory.slice(Math.ceil(memory.length / 4));
const level = (key, part) => Math.min(...part.map((each) => each[key]));
const half = Math.floor(settledMemory.length / 2);
const growth = Object.fromEntries(
  ['own', 'launcher'].map((key) => [
    key,
    half === 0 ? 0 : level(key, settledMemory.slice(half)) - level(key, settledMemory.slice(0, half)),
  ]),
);
console.log(JSON.stringify({ minutes, cells: number, reasons, first, last, growthKiB: growth }, undefined, 2));
// What a collector leaves differs from run to run by some MiB; a leak of a hundred bytes a cell is more within an hour.
assert.ok(growth.own < 8192 && growth.launcher < 1024, 'memory grows');
