// Starts cells while something that a start takes is used up or forbidden: descriptors, processes, namespaces, numbers of processes, sizes. Each time the
// answer must come soon and be a clear error, or a cell that works; and when there is enough again, the next start must work. As root.
//
//   node test/faults/exhaustion.mjs

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';

const PATIENCE_MS = 60_000;
const TRIAL = fileURLToPath(new URL('exhausted-start.mjs', import.meta.url));
const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const NO_CAPABILITIES = ['setpriv', '--ambient-caps=-all', '--inh-caps=-all'];

/** In a user namespace of its own, whose settings are nobody else's. */
const inUserNamespace = (script) => [
  ...[...NOBODY, 'unshare', '--user', '--map-current-user', '--keep-caps'],
  ...['sh', '-ec', `${script}; exec "$@"`, 'sh', ...NO_CAPABILITIES],
];
const inPidNamespace = (script) => [
  ...['unshare', '--pid', '--fork', '--mount-proc', 'sh', '-ec', `${script}; exec "$@"`, 'sh', ...NOBODY],
];

const limits = (name, values) => values.map((value) => [`${name} ${value}`, NOBODY, [`--${name}=${value}`]]);
const settings = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'].flatMap((kind) =>
  [0, 1, 2].map((value) => [
    `max_${kind}_namespaces ${value}`,
    inUserNamespace(`echo ${value} > /proc/sys/user/max_${kind}_namespaces`),
    [],
  ]),
);
// Before Linux 6.14 there is one setting for all of the machine.
const [major, minor] = release().split('.').map(Number);
const numbers = [302, 304, 306, 310, 330].map((value) => [
  `pid_max ${value}`,
  inPidNamespace(`echo ${value} > /proc/sys/kernel/pid_max`),
  ['--numbers'],
]);

const TRIALS = [
  ...limits('nofile', [20, 24, 26, 28, 30, 32, 34, 36, 40, 50, 64]),
  ...limits('nproc', [1, 11, 12, 13, 14, 15, 16, 20]),
  ...limits('fsize', [4096]),
  // The launcher keeps the limit that it was started with.
  ...limits('fsize', [0, 1]).map(([name, before, options]) => [name, before, [...options, '--kept']]),
  ...limits('memlock', [0]),
  ...limits('sigpending', [0]),
  ...limits('stack', [16384, 65536, 262144]),
  ...limits('rttime', [0]),
  ...settings,
  ...(major > 6 || (major === 6 && minor >= 14) ? numbers : []),
];

let failed = 0;
for (const [name, before, options] of TRIALS) {
  const [command, ...args] = [...before, process.execPath, TRIAL, ...options];
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  });
  const good = status === 0 && stdout !== '';
  failed += good ? 0 : 1;
  console.log(`${good ? 'ok  ' : 'FAIL'} ${name}: ${good ? stdout.trim() : `${signal ?? status} ${stdout}${stderr}`}`);
}
assert.equal(failed, 0, `${failed} of the trials`);
console.log('ok');
