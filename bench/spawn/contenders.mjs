// The three ways to start a command that are compared. Each answers once the command's end has been seen in Node.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { spawnIsolated } from '../../dist/index.js';

/** What a cell shows of /etc when the policy does not say otherwise (docs/policies.md). */
const SHOWN = [
  ...['ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'nsswitch.conf', 'hosts', 'ssl/certs', 'ssl/openssl.cnf'],
  ...['alternatives', 'mime.types', 'fonts'],
]
  .map((name) => `/etc/${name}`)
  .filter((name) => existsSync(name));

/** What bubblewrap needs to do the same: all namespaces, a new root with the same files, /proc, /dev, a private /tmp, a clean environment. */
function bubblewrapArguments(command) {
  const merged = ['bin', 'sbin', 'lib', 'lib64'].filter((name) => existsSync(`/usr/${name}`));
  return [
    '--unshare-all',
    '--die-with-parent',
    '--new-session',
    '--clearenv',
    ...['--setenv', 'PATH', '/usr/bin:/bin'],
    ...['--ro-bind', '/usr', '/usr'],
    ...SHOWN.flatMap((name) => ['--ro-bind', name, name]),
    ...merged.flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
    ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp'],
    ...(command.startsWith('/usr/') ? [] : ['--ro-bind', path.dirname(command), path.dirname(command)]),
    command,
  ];
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      if (code === 0) {
        resolve();
      } else {
        reject(new Error(`ended with ${code ?? signal}`));
      }
    });
  });
}

export function contenders(command) {
  const unveil = command.startsWith('/usr/') ? {} : { [path.dirname(command)]: 'rx' };
  const bubblewrap = bubblewrapArguments(command);
  return {
    child_process: () => spawn(command, [], { stdio: 'ignore' }),
    bubblewrap: () => spawn('bwrap', bubblewrap, { stdio: 'ignore' }),
    cloister: () => spawnIsolated(command, [], { stdio: 'ignore', unveil }),
  };
}

/** Starts one command; tells how long the call took and how long until the end was seen, in milliseconds. */
export async function measure(start) {
  const before = performance.now();
  const child = start();
  const called = performance.now();
  await ended(child);
  const seen = performance.now();
  // Nothing of a cell is left when the next one starts: its teardown is not charged to whoever comes after.
  if (child.outcome !== undefined) {
    await child.outcome;
  }
  return { call: called - before, whole: seen - before };
}

export { ended };
