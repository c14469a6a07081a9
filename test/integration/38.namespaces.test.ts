import { readlinkSync } from 'node:fs';

import { describe, expect, it, onTestFinished } from 'vitest';

import { deedsInCell, inCells, shell } from '../support/cells.js';
import { deedsOutside } from '../support/deeds.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { idOf } from '../support/scratch.js';

const KINDS = ['user', 'mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const;

describe.each(USERS)('namespaces of a cell, as %s', (user) => {
  it('are all its own, but for the network where that is the host’s', async () => {
    const script = KINDS.map((kind) => `readlink /proc/self/ns/${kind}`).join(';');
    const [own, shared] = await inCells(user, [shell(script), shell(script, { net: 'host' })]);
    const host = KINDS.map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    const names = own?.stdout.trim().split('\n') ?? [];
    expect(names).toHaveLength(KINDS.length);
    expect(names.filter((name) => host.includes(name))).toEqual([]);
    expect((shared?.stdout.trim().split('\n') ?? []).filter((name) => host.includes(name))).toEqual([
      host[KINDS.indexOf('net')],
    ]);
    expect([...(own?.enforcement.namespaces ?? [])].sort()).toEqual([
      'cgroup',
      'ipc',
      'mount',
      'net',
      'pid',
      'user',
      'uts',
    ]);
  });

  it('show no process but the cell’s, and an init that reaps', async () => {
    const script = 'sleep 0.02 & (sleep 0.01 & ) ; sleep 0.2; cat /proc/[0-9]*/stat | cut -d" " -f1-3';
    const [result] = await inCells(user, [shell(script)]);
    const lines = result?.stdout.trim().split('\n') ?? [];
    expect(lines[0]).toBe('1 (cloister-init) S');
    expect(lines.filter((line) => line.endsWith(' Z')).every((line) => line.includes('(sleep)'))).toBe(true);
    expect(lines.length).toBeLessThanOrEqual(5);
    expect(Number(/\d+/.exec(deedsOutside(user, ['processes'])['processes'] ?? '')?.[0])).toBeGreaterThan(10);
  });

  it('have System V memory and message queues of their own', async () => {
    const key = String(0x10_0000 + (process.pid % 0xffff) * 4 + (idOf(user) % 3));
    const queue = `/cloister-test-${String(process.pid)}-${user}`;
    expect(Object.values(deedsOutside(user, [`make-memory,${key}`, `make-queue,${queue}`]))).toEqual(['OK', 'OK']);
    onTestFinished(() => {
      deedsOutside(user, [`remove-memory,${key}`, `remove-queue,${queue}`]);
    });
    const find = [`find-memory,${key}`, `find-queue,${queue}`];
    expect(Object.values(deedsOutside(user, find))).toEqual(['OK', 'OK']);
    expect(Object.values(await deedsInCell(user, find))).toEqual(['ENOENT', 'ENOENT']);
    const results = await deedsInCell(user, [`make-memory,${key}`, `make-queue,${queue}`, ...find]);
    expect(Object.values(results)).toEqual(['OK', 'OK', 'OK', 'OK']);
  });

  it('keep mounts of the host and of the cell apart', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, events, mounts }) => {
        const before = mounts();
        const child = spawnIsolated('sleep', ['20'], { mounts: [{ type: 'tmpfs', target: '/mnt/x' }] });
        await events.once(child, 'spawn');
        const during = mounts();
        child.kill('SIGKILL');
        await child.outcome;
        return [during - before, mounts() - before];
      },
      { user },
    );
    expect(result).toEqual([0, 0]);
  });

  it('have a /proc that shows the cell, read-only and without the host’s keys', async () => {
    const deeds = [
      'read,/proc/self/status',
      'read,/proc/1/status',
      'read,/proc/keys',
      'read,/proc/key-users',
      'write,/proc/self/comm',
      'read,/proc/kcore',
      'create,/proc/x',
    ];
    expect(Object.values(await deedsInCell(user, deeds))).toEqual([
      'OK',
      'OK',
      'EACCES',
      'EACCES',
      'EROFS',
      expect.stringMatching(/^(EACCES|ENOENT)$/),
      'ENOENT',
    ]);
    expect(Object.values(deedsOutside(user, ['read,/proc/key-users', 'write,/proc/self/comm']))).toEqual(['OK', 'OK']);
  });

  it('have devices that do nothing to the host', async () => {
    const [result] = await inCells(user, [
      shell(
        'ls /dev; ls /dev/pts /dev/shm; echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c; (echo > /dev/full) 2>&1',
      ),
    ]);
    expect(result?.stdout.replace(/\n/g, ' ')).toMatch(
      /^fd full null ptmx pts random shm stderr stdin stdout tty urandom zero \/dev\/pts: ptmx {2}\/dev\/shm: 3 3 .*(No space left on device|I\/O error) $/,
    );
    const deeds = [
      'mknod,/tmp/sda,b,8,0',
      'mknod,/tmp/mem,c,1,1',
      'mknod,/dev/kmsg,c,1,11',
      'mknod,/tmp/pipe,p',
      'new-terminal',
      'access,/dev/kmsg',
      'access,/dev/fuse',
      'access,/dev/kvm',
    ];
    const results = Object.values(await deedsInCell(user, deeds, { user: { uid: 0, gid: 0 } }));
    expect(results).toEqual([
      'EPERM',
      'EPERM',
      expect.stringMatching(/EPERM|EROFS/),
      'OK',
      'OK:/dev/pts/0',
      'ENOENT',
      'ENOENT',
      'ENOENT',
    ]);
  });
});
