// Checks on the machine at hand which backends there are, which one is picked, and that each keeps its cell in. For virtual machines with other kernels
// and settings; there all takes twenty times longer.
//
//   node test/matrix/check-backends.mjs PICKED [BACKEND...]
//
// PICKED: what 'auto' comes to, or 'none'. BACKEND: all that probe() lists, in its order.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';

import { probe, runIsolated, spawnIsolated } from 'cloister';

const [picked, ...backends] = process.argv.slice(2);
const { kernel, landlock, backends: found, namespacesBlockedBy } = probe();
console.log(
  `${kernel}, uid ${process.getuid()}, Landlock ${landlock?.abi ?? 0}, ${found.join()}, ${namespacesBlockedBy}`,
);
assert.deepEqual(found, backends);

const rootFileSystems = { namespaces: 'pivot_root', chroot: 'pivot_root', landlock: 'landlock' };

if (picked === 'none') {
  await assert.rejects(runIsolated('true'), { code: 'ERR_CLOISTER_UNSUPPORTED', hint: /'degrade'/ });
} else {
  const { enforcement } = await runIsolated('true');
  assert.equal(enforcement.rootFileSystem, rootFileSystems[picked]);
  assert.equal(enforcement.namespaces.includes('user'), picked === 'namespaces');
  assert.deepEqual(enforcement.missing, []);
}

const sleepers = () =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep\u000098.');
    } catch {
      return false;
    }
  }).length;
const scratch = () => readdirSync(tmpdir()).filter((name) => name.startsWith('cloister-scratch-'));

/** `whole`: all that is promised; otherwise what an old Landlock can do. */
async function check(options, whole) {
  // Where no cell has anything of its own.
  const secret = `/var/tmp/secret-${process.pid}`;
  writeFileSync(secret, 'secret', { mode: 0o600 });
  const server = net.createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const victim = spawn('sleep', ['98.1']);
  const script = `
import os, socket, sys
def attempt(name, deed):
    try: deed(); print(name, 'done')
    except OSError as error: print(name, 'refused')
attempt('read', lambda: open('${secret}').read())
attempt('write', lambda: open('${secret}', 'a').close())
attempt('mode', lambda: os.chmod('${secret}', 0o777))
attempt('make', lambda: open('${secret}-new', 'w').close())
attempt('shadow', lambda: open('/etc/shadow').read())
attempt('connect', lambda: socket.create_connection(('127.0.0.1', ${server.address().port}), 5))
attempt('signal', lambda: os.kill(${victim.pid}, 9))
attempt('limit', lambda: __import__('resource').prlimit(${victim.pid}, 0))
open(os.environ.get('TMPDIR', '/tmp') + '/own', 'w').write('x')
print('own done')
`;
  const result = await runIsolated('python3', ['-c', script], options);
  assert.equal(result.stderr, '');
  const lines = result.stdout.trim().split('\n');
  const expected = ['read', 'write', 'mode', 'make', 'shadow', 'connect', 'signal', 'limit'].map((deed) =>
    deed === 'signal' && !whole ? `${deed} done` : `${deed} refused`,
  );
  assert.deepEqual(lines, [...expected, 'own done']);
  victim.kill('SIGKILL');
  server.close();
  rmSync(secret);

  const daemons = 'setsid sh -c "(sleep 98.2 &) ; sleep 98.3" & sleep 98.4 & kill -STOP $!; sleep 1; echo ready';
  const ended = await runIsolated('sh', ['-c', `${daemons} >&2`], { ...options, stdio: ['pipe', 'ignore', 'pipe'] });
  assert.equal(ended.reason, 'exited');
  assert.equal((await runIsolated('sleep', ['98.5'], { ...options, limits: { wallTime: '2s' } })).reason, 'wall-time');
  const child = spawnIsolated('sh', ['-c', `${daemons}; sleep 98.6`], options);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  assert.equal((await child.outcome).reason, 'killed');
  assert.equal(sleepers(), 0);
  assert.deepEqual(scratch(), []);
  return result.enforcement;
}

for (const backend of backends) {
  await check({ backend }, true);
  console.log(`${backend}: ok`);
}
if (picked === 'none' && landlock !== null) {
  const { missing } = await check({ onUnsupported: 'degrade' }, false);
  assert.ok(missing.some(({ feature }) => feature === 'scope'));
  console.log(`landlock, degraded: without ${missing.map(({ feature }) => feature).join('; ')}`);
}
console.log('ok');
