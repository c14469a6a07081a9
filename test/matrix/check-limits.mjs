// Checks on the machine at hand that each limit on a whole cell is held, by the mechanism that is expected here, and that no control group is left. Times are
// generous: virtual machines without hardware support are twenty times slower.
//
//   node test/matrix/check-limits.mjs cgroup-v2|cgroup-v1|sampling

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';

import { runIsolated } from 'cloister';

const [expected] = process.argv.slice(2);
assert.ok(
  ['cgroup-v2', 'cgroup-v1', 'sampling'].includes(expected),
  'use: check-limits.mjs cgroup-v2|cgroup-v1|sampling',
);
const grouped = expected !== 'sampling';
const fork = 'i=0; while [ $i -lt 40 ]; do sleep 2 & i=$((i+1)); done; wait';
const count = 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done';

const python = (script) => ['python3', ['-c', script]];
const shell = (script) => ['sh', ['-c', script]];

const CHECKS = [
  ['memory', python('x = b"x" * (150 << 20)'), { memory: '64MiB' }, ({ reason }) => reason === 'memory'],
  ['memory, kept to', python('x = b"x" * (20 << 20)'), { memory: '64MiB' }, ({ reason }) => reason === 'exited'],
  ['cpuTime', shell('while :; do :; done'), { cpuTime: '1s' }, ({ reason }) => reason === 'cpu-time'],
  ['cpuTime, kept to', shell(count), { cpuTime: '300s' }, ({ reason }) => reason === 'exited'],
  ['processes', shell(fork), { processes: 10 }, ({ stderr }) => stderr.includes('Cannot fork')],
  ['processes, kept to', shell(fork), { processes: 60 }, ({ exitCode }) => exitCode === 0],
  ['output', shell('yes'), { output: 5000 }, ({ reason, stdout }) => reason === 'output' && stdout.length === 5000],
];
if (grouped) {
  const share = ({ usage }) => (usage.userTime + usage.systemTime) / usage.wallTime;
  CHECKS.push(['cpus', shell(count), { cpus: 0.25 }, (result) => share(result) < 0.4]);
}

// Before Linux 5.14 the kernel counts all processes of a user together.
const [major, minor] = release().split('.').map(Number);
const countsApart = grouped || process.getuid() === 0 || major > 5 || minor >= 14;
if (process.getuid() === 0) {
  // As services have it that the kernel is to spare: not even a control group would end a process then.
  writeFileSync('/proc/self/oom_score_adj', '-1000');
  const { stdout } = await runIsolated('cat', ['/proc/self/oom_score_adj']);
  assert.equal(stdout, '0\n');
  assert.equal(readFileSync('/proc/self/oom_score_adj', 'utf8'), '-1000\n');
}

const mechanismOf = (limit) => {
  if (limit === 'output') {
    return 'node';
  }
  return limit === 'processes' && !grouped ? 'rlimit' : expected;
};

for (const [name, [command, args], limits, holds] of CHECKS) {
  if ('processes' in limits && !countsApart) {
    await assert.rejects(runIsolated(command, args, { limits }), { code: 'ERR_CLOISTER_UNSUPPORTED' });
    console.log(`${name}: not here`);
    continue;
  }
  const result = await runIsolated(command, args, { limits });
  const { reason, exitCode, signal, usage, enforcement } = result;
  console.log(`${name}: ${JSON.stringify({ reason, exitCode, signal, usage, limits: enforcement.limits })}`);
  assert.ok(holds(result), name);
  const [limit] = Object.keys(limits);
  assert.equal(enforcement.limits[limit], mechanismOf(limit));
}
if (existsSync('/sys/fs/cgroup')) {
  assert.equal(execFileSync('find', ['/sys/fs/cgroup', '-name', 'cloister-*'], { encoding: 'utf8' }), '');
}
console.log('ok');
