/** Programs with set-user-ID and file capabilities, and device nodes, in what a cell is shown (user_namespaces(7), mount(2) MS_NOSUID, MS_NODEV). */

import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, shell } from '../support/cells.js';
import { deedsOutside, deedsProgram } from '../support/deeds.js';
import { USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const isRoot = process.getuid?.() === 0;

describe.each(USERS)('privileged programs and devices, as %s', (user) => {
  it('programs of the system gain nothing', async () => {
    const script =
      'for p in /usr/bin/su /usr/bin/passwd /usr/bin/mount /usr/bin/newgrp; do stat -c %A $p; done; grep -h NoNewPrivs /proc/self/status; grep nosuid /proc/self/mountinfo | grep -c " /usr "';
    const [result] = await inCells(user, [shell(script, { user: { uid: 1000, gid: 1000 } })]);
    expect(result?.stdout).toMatch(/NoNewPrivs:\s1\n1\n$/);
    const [su] = await inCells(user, [shell('su -c id 2>&1; echo $?', { user: { uid: 1000, gid: 1000 } })]);
    expect(su?.stdout).not.toMatch(/uid=0/);
  });

  it('file capabilities cannot be set', async () => {
    const folder = scratch(user, { file: 'x' });
    const deeds = [
      'setxattr,/data/file,security.capability,x',
      'setxattr,/data/file,trusted.overlay.opaque,y',
      'setxattr,/data/file,user.note,z',
    ];
    const results = await deedsInCell(user, deeds, {
      mounts: [{ type: 'bind', source: folder, target: '/data', writable: true }],
      user: { uid: 0, gid: 0 },
    });
    expect(Object.values(results)).toEqual([expect.stringMatching(/EPERM|EINVAL/), 'EPERM', 'OK']);
  });

  it('device nodes can be made nowhere, not even as whiteouts that would be devices', async () => {
    const folder = scratch(user);
    const deeds = [
      'mknod,/data/a,b,8,0',
      'mknod,/data/b,c,1,1',
      'mknod,/tmp/c,c,1,3',
      'mknod,/dev/shm/d,b,254,0',
      'mknod,/data/pipe,p',
      'mknod,/data/sock,s',
    ];
    const results = await deedsInCell(user, deeds, {
      mounts: [{ type: 'bind', source: folder, target: '/data', writable: true }],
      user: { uid: 0, gid: 0 },
    });
    expect(Object.values(results)).toEqual(['EPERM', 'EPERM', 'EPERM', 'EPERM', 'OK', 'OK']);
    if (user === 'root') {
      expect(Object.values(deedsOutside(user, [`mknod,${folder}/x,c,1,3`]))).toEqual(['OK']);
    }
  });
});

describe.runIf(isRoot).each(USERS)('what the host’s root has put into a shown directory, as %s', (user) => {
  it('neither opens a device nor gives an id or a capability', async () => {
    const folder = scratch('root');
    spawnSync('mknod', ['-m', '666', path.join(folder, 'zero'), 'c', '1', '5']);
    spawnSync('install', ['-m', '4755', deedsProgram(), path.join(folder, 'setuid')]);
    spawnSync('install', ['-m', '2755', deedsProgram(), path.join(folder, 'setgid')]);
    spawnSync('install', ['-m', '755', deedsProgram(), path.join(folder, 'capable')]);
    spawnSync('setcap', ['cap_sys_admin,cap_net_raw=eip', path.join(folder, 'capable')]);
    const options = {
      mounts: [{ type: 'bind', source: folder, target: '/data', writable: true }],
      user: { uid: 1000, gid: 1000 },
    } as const;
    const results = await inCells(user, [
      { args: ['read,/data/zero', 'read,/dev/zero'], options },
      { command: '/data/setuid', args: ['ids'], options },
      { command: '/data/setgid', args: ['ids'], options },
      { command: '/data/capable', args: ['mount-tmpfs,/tmp', 'socket,17,3,0', 'ids'], options },
    ]);
    const ids = 'OK:1000 1000 1000 1000 1000 1000';
    expect(results.map(({ deeds }) => Object.values(deeds))).toEqual([
      ['EACCES', 'OK'],
      [ids],
      [ids],
      ['EPERM', 'EPERM', ids],
    ]);
  });
});
