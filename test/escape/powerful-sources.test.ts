/**
 * Places on the host that are more than files: sockets of daemons that act for anybody (the container escapes by docker.sock), devices, another
 * /proc inside of a shown tree (CVE-2022-0492's and CVE-2019-19921's neighbours), and what overlayfs makes of attributes (CVE-2021-3493, CVE-2023-0386).
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { deedsUnder, of } from '../support/backends.js';
import { deedsInCell, inCells, refusal, shell } from '../support/cells.js';
import { deedsOutside } from '../support/deeds.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const isRoot = process.getuid?.() === 0;

describe.each(USERS)('powerful sources, as %s', (user) => {
  it.each([
    '/run/docker.sock',
    '/var/run/docker.sock',
    '/run/dbus/system_bus_socket',
    '/run/user/1000/bus',
    '/run',
    '/var/run',
  ])('unveil does not show %s', async (name) => {
    const error = await refusal(user, { unveil: { [name]: 'rw' } });
    // A name that leads there through a link is known as powerful once it leads to something.
    expect(error.code).toMatch(
      name.startsWith('/var/run/') ? /^ERR_CLOISTER_(POLICY|NOT_FOUND)$/ : /^ERR_CLOISTER_POLICY$/,
    );
  });

  it.each(
    ['/dev/kmsg', '/dev/vda', '/dev/mem', '/dev/fuse', '/dev/ptmx', '/dev/console'].filter((name) =>
      lstatSync(name, { throwIfNoEntry: false }),
    ),
  )('no mount shows the device %s', async (name) => {
    const error = await refusal(user, { mounts: [{ type: 'bind', source: name, target: '/device', writable: true }] });
    expect(error).toMatchObject({ code: 'ERR_CLOISTER_POLICY' });
  });

  it.each(['/proc', '/proc/sys', '/proc/self/fd', '/proc/1/root', '/sys/fs/cgroup', '/dev', '/dev/pts'])(
    'no writable bind shows %s',
    async (name) => {
      const error = await refusal(user, { mounts: [{ type: 'bind', source: name, target: '/x', writable: true }] });
      expect(error.code).toMatch(/^ERR_CLOISTER_(POLICY|SETUP|NOT_FOUND)$/);
    },
  );

  it('harmless devices can be shown', async () => {
    const results = await deedsInCell(user, ['read,/x/zero'], {
      mounts: [{ type: 'bind', source: '/dev/zero', target: '/x/zero' }],
    });
    expect(Object.values(results)).toEqual(['OK']);
  });

  it('attributes that overlayfs reads lead nowhere', async () => {
    const folder = scratch(user, { 'low/d/file': 'x', upper: 'dir', 'outside/secret': 'y' });
    const mounts = [
      { type: 'overlay', lower: path.join(folder, 'low'), upper: path.join(folder, 'upper'), target: '/o' },
    ] as const;
    const attack = ['user.overlay.redirect,/../outside', 'user.overlay.metacopy,x', 'user.overlay.origin,x'].map(
      (attribute) => `setxattr,/o/d,${attribute}`,
    );
    await deedsInCell(
      user,
      ['create,/o/d/new', 'mkdir,/o/e', ...attack, 'setxattr,/o/e,user.overlay.redirect,/../../outside'],
      { mounts },
    );
    const results = await deedsInCell(user, ['read,/o/d/new', 'read,/o/d/secret', 'read,/o/e/secret', 'climb,/o/e'], {
      mounts,
    });
    expect(Object.values(results)).toEqual(['OK', 'ENOENT', 'ENOENT', 'EXDEV']);
  });

  it('what a cell leaves in a kept directory is no device and no link that is followed', async () => {
    const folder = scratch(user, { 'low/file': 'x', upper: 'dir' });
    const mounts = [
      { type: 'overlay', lower: path.join(folder, 'low'), upper: path.join(folder, 'upper'), target: '/o' },
    ] as const;
    await deedsInCell(user, ['unlink,/o/file', 'symlink,/etc/shadow,/o/link', 'mknod,/o/dev,b,8,0'], { mounts });
    // A whiteout is a device with numbers 0 and 0, which no driver has.
    const { rdev } = lstatSync(path.join(folder, 'upper/file'));
    expect([rdev, lstatSync(path.join(folder, 'upper/link')).isSymbolicLink()]).toEqual([0, true]);
    expect(lstatSync(path.join(folder, 'upper/dev'), { throwIfNoEntry: false })).toBeUndefined();
  });
});

describe.runIf(isRoot).each(USERS)('a /proc in a shown tree, as %s', (user) => {
  it('is covered, wherever the tree is shown', async () => {
    const folder = scratch('root', {
      'root/inner/proc': 'dir',
      'root/proc': 'dir',
      'root/dev': 'dir',
      'root/tmp': 'dir',
      'root/bin': 'dir',
    });
    const proc = path.join(folder, 'root/inner/proc');
    expect(spawnSync('mount', ['-t', 'proc', 'none', proc]).status).toBe(0);
    onTestFinished(() => {
      spawnSync('umount', [proc]);
    });
    const deeds = (at: string) => [`read,${at}/1/status`, `access,${at}/self`, `read,${at}/sys/kernel/core_pattern`];
    expect(Object.values(deedsOutside('root', deeds(proc)))).toEqual(['OK', 'OK', 'OK']);
    const covered = ['EACCES', 'EACCES', 'EACCES'];
    const options = [
      { unveil: { [`${folder}/root`]: 'r' } },
      { mounts: [{ type: 'bind', source: path.join(folder, 'root'), target: `${folder}/root` }] },
      { root: 'host', unveil: { [folder]: 'r' } },
    ] as const;
    if (user === 'root') {
      // There are no id-mapped mounts of /proc: for the id of its own that a root caller's cell has, nothing of the tree is shown.
      expect(await refusal(user, options[0])).toMatchObject({ code: 'ERR_CLOISTER_SETUP', stage: 'mounts' });
    }
    const caller = user === 'root' ? { user: { hostRoot: true } } : {};
    for (const option of options) {
      expect(Object.values(await deedsInCell(user, deeds(proc), { ...option, ...caller }))).toEqual(covered);
    }
    const [listed] = await inCells(user, [shell(`ls ${proc}`, { ...options[0], ...caller })]);
    expect(listed?.stderr).toMatch(/Permission denied/);
  });
});

describe.runIf(isRoot)('a /proc in a shown tree, where the caller does not get', () => {
  it.each(of('namespaces', 'landlock').filter(({ user }) => user === 'nobody'))(
    'keeps no cell from starting, and is not reached, by backend $backend',
    async (combination) => {
      // Landlock's cell has another /tmp.
      const folder = scratch('root', { 'shown/file': 'x', 'shown/closed/proc': 'dir' }, '/var/tmp');
      const proc = path.join(folder, 'shown/closed/proc');
      expect(spawnSync('mount', ['-t', 'proc', 'none', proc]).status).toBe(0);
      onTestFinished(() => {
        spawnSync('umount', [proc]);
      });
      const deeds = [`read,${folder}/shown/file`, `read,${proc}/1/status`, `access,${proc}/self`];
      const options = { unveil: { [`${folder}/shown`]: 'r' } };
      const inside = async () => Object.values(await deedsUnder(combination, deeds, options));
      expect(Object.values(deedsOutside('nobody', deeds))).toEqual(['OK', 'OK', 'OK']);
      if (combination.backend === 'landlock') {
        // Nothing can be covered there.
        await expect(inside()).rejects.toThrow(`${proc} is covered`);
      }
      chmodSync(path.dirname(proc), 0o700);
      expect(Object.values(deedsOutside('root', deeds))).toEqual(['OK', 'OK', 'OK']);
      expect(await inside()).toEqual(['OK', 'EACCES', 'EACCES']);
    },
  );
});

describe.runIf(isRoot)('a /proc that is mounted between two cells of one process', () => {
  it('is covered in the second one', async () => {
    const folder = scratch('root', { 'shown/proc': 'dir' });
    const proc = path.join(folder, 'shown/proc');
    onTestFinished(() => {
      spawnSync('umount', [proc]);
    });
    const result = await inSubprocess(
      async ({ runIsolated, childProcess, fs, data }) => {
        const { shown, at } = data as { shown: string; at: string };
        const look = async () => {
          const { stdout, stderr } = await runIsolated('cat', [`${at}/1/status`], {
            unveil: { [shown]: 'r' },
            user: { hostRoot: true },
          });
          return { bytes: stdout.length, stderr };
        };
        const before = await look();
        const { status } = childProcess.spawnSync('mount', ['-t', 'proc', 'none', at]);
        return { before, status, onHost: fs.existsSync(`${at}/1/status`), after: await look() };
      },
      { user: 'root', data: { shown: path.join(folder, 'shown'), at: proc } },
    );
    expect(result.before.stderr).toMatch(/No such file/);
    expect([result.status, result.onHost]).toEqual([0, true]);
    expect(result.after).toEqual({ bytes: 0, stderr: expect.stringMatching(/Permission denied/) as string });
  });
});
