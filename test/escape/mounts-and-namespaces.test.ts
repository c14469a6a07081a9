/**
 * Changing the view of files from within: mount(2), the new mount API, pivot_root(2), user namespaces that give all of that back (CVE-2022-0185,
 * CVE-2023-0386 and most kernel exploits of their years start with unshare(CLONE_NEWUSER)), and mount propagation (mount_namespaces(7)).
 */

import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells } from '../support/cells.js';
import { deedsOutside } from '../support/deeds.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const ROOT_INSIDE = { user: { uid: 0, gid: 0 } } as const;
const KINDS = ['mount', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const;

describe.each(USERS)('mounts and namespaces, as %s', (user) => {
  it('no user namespace can be made, with which all else could be', async () => {
    const deeds = ['unshare,user', 'clone,user', 'clone3,user'];
    const [result] = await inCells(user, [{ args: deeds, options: ROOT_INSIDE }]);
    const filtered = result?.enforcement.seccomp !== null;
    // Without the filter: user.max_user_namespaces is 0 in the cell. clone3 hides its flags from any filter and is answered as unknown.
    expect(Object.values(result?.deeds ?? {})).toEqual(
      filtered ? ['EPERM', 'EPERM', 'ENOSYS'] : ['ENOSPC', 'ENOSPC', 'ENOSPC'],
    );
    expect(Object.values(deedsOutside(user, deeds))).toEqual(['OK', 'OK', 'OK']);
  });

  it('the limit on user namespaces stands without the filter, and binds the cell alone', async () => {
    const setting = 'cat /proc/sys/user/max_user_namespaces';
    const [inside] = await inCells(user, [{ command: 'sh', args: ['-c', setting] }]);
    expect(inside?.stdout).toBe('0\n');
    expect(Number(spawnSync('sh', ['-c', setting], { encoding: 'utf8' }).stdout)).toBeGreaterThan(0);
  });

  it.each(KINDS)('no %s namespace can be made or entered', async (kind) => {
    const deeds = [`unshare,${kind}`, `clone,${kind}`, `setns,/proc/self/ns/${kind === 'mount' ? 'mnt' : kind}`];
    expect(Object.values(await deedsInCell(user, deeds, ROOT_INSIDE))).toEqual(['EPERM', 'EPERM', 'EPERM']);
    expect(Object.values(deedsOutside(user, deeds.slice(0, 2), { ownNamespaces: true }))).toEqual(['OK', 'OK']);
  });

  it('nothing can be mounted, moved, made writable or taken away', async () => {
    const folder = scratch(user, { 'd/secret': 'x' });
    const inTmp = '/tmp/cloister-test-mounts';
    const options = {
      ...ROOT_INSIDE,
      unveil: { [folder]: 'r', [`${folder}/d/secret`]: '' },
    };
    const deeds = [
      'mount-tmpfs,/tmp',
      'mount-proc,/proc',
      'mount-bind,/usr,/tmp',
      `remount-writable,${folder}`,
      `umount,${folder}/d/secret`,
      'umount,/proc/keys',
      'pivot-root,/tmp,/tmp',
      'open-tree,/',
      'fsopen,tmpfs',
      `mount-setattr,${folder}`,
    ];
    expect(Object.values(await deedsInCell(user, deeds, options))).toEqual(deeds.map(() => 'EPERM'));
    spawnSync('mkdir', ['-p', inTmp]);
    const outside = deedsOutside(
      user,
      [`mount-tmpfs,${inTmp}`, `umount,${inTmp}`, `mount-bind,/usr,${inTmp}`, 'open-tree,/usr/bin', 'fsopen,tmpfs'],
      { ownNamespaces: true },
    );
    spawnSync('rmdir', [inTmp]);
    expect(Object.values(outside)).toEqual(['OK', 'OK', 'OK', expect.stringMatching(/OK|EINVAL/), 'OK']);
  });

  it('a capability of the cell undoes no cover while the filter stands', async () => {
    const folder = scratch(user, { secret: 'x' });
    const options = {
      ...ROOT_INSIDE,
      capabilities: ['CAP_SYS_ADMIN', 'CAP_SYS_CHROOT'],
      unveil: { [folder]: 'r', [`${folder}/secret`]: '' },
    } as const;
    const results = await deedsInCell(
      user,
      [`umount,${folder}/secret`, `read,${folder}/secret`, 'mount-proc,/tmp', 'unshare,user'],
      options,
    );
    expect(Object.values(results)).toEqual(['EPERM', 'EACCES', 'EPERM', expect.stringMatching(/EPERM|ENOSPC/)]);
  });

  it('a hidden file is not there behind another mount, link or descriptor', async () => {
    const folder = scratch(user, { 'a/secret': 'x', 'a/other': 'y' });
    const options = { unveil: { [folder]: 'rwc', [`${folder}/a/secret`]: '' } };
    // Its directory may be renamed, and takes the cover along.
    const deeds = [
      `link,${folder}/a/secret,${folder}/c`,
      `symlink,secret,${folder}/a/link`,
      `read,${folder}/a/link`,
      `unlink,${folder}/a/secret`,
      `rename,${folder}/a/other,${folder}/a/secret`,
      `rename,${folder}/a,${folder}/b`,
      `read,${folder}/b/secret`,
    ];
    const results = Object.values(await deedsInCell(user, deeds, options));
    expect(results).toEqual([
      expect.stringMatching(/EXDEV|EPERM/),
      'OK',
      'EACCES',
      'EBUSY',
      expect.stringMatching(/EBUSY|EXDEV/),
      'OK',
      'EACCES',
    ]);
  });
});

describe.runIf(process.getuid?.() === 0)('mount propagation', () => {
  it('does not reach a running cell, nor what it keeps from being unmounted', async () => {
    const folder = scratch('root', { 'a/below': 'dir', 'b/below': 'dir' });
    const result = await inSubprocess(
      async ({ runIsolated, spawnIsolated, events, childProcess, fs, data, waitFor }) => {
        const at = data as string;
        const run = (...words: [string, ...string[]]) => childProcess.spawnSync(words[0], words.slice(1)).status;
        const child = spawnIsolated('sh', ['-c', `echo ready; read x; ls ${at}/a/below`], {
          unveil: { [`${at}/a`]: 'r' },
        });
        await events.once(child.stdout!, 'data');
        // A cell that is prepared ahead must not show, or keep, what was there before.
        await runIsolated('true');
        const mounted = run('mount', '-t', 'tmpfs', 'none', `${at}/a/below`);
        fs.writeFileSync(`${at}/a/below/new`, '');
        let listed = '';
        child.stdout!.on('data', (chunk: Buffer) => (listed += chunk.toString()));
        child.stdin!.end('\n');
        await child.outcome;
        const later = await runIsolated('ls', [`${at}/a/below`], { root: 'host', unveil: { [`${at}/a`]: 'r' } });
        const unmounted = run('umount', `${at}/a/below`);
        const gone = await runIsolated('ls', [`${at}/a/below`], { unveil: { [`${at}/a`]: 'r' } });
        await waitFor(() => true);
        return { mounted, listed, later: later.stdout, unmounted, gone: gone.stdout };
      },
      { user: 'root', data: folder },
    );
    expect(result).toEqual({ mounted: 0, listed: '', later: 'new\n', unmounted: 0, gone: '' });
  });

  it('of a shared host tree takes nothing from a cell to the host', () => {
    const folder = scratch('root', { 'x/file': 'y' });
    const script = `
      const { runIsolated } = await import(process.env.CLOISTER);
      const r = await runIsolated('sh', ['-c', 'ls ${path.join(folder, 'x')}'], { unveil: { '${folder}': 'rwc' }, mounts: [{ type: 'tmpfs', target: '/mnt/t' }] });
      process.stdout.write(r.stdout);
      const { readFileSync } = await import('node:fs');
      console.log(readFileSync('/proc/self/mountinfo', 'utf8').split('\\n').filter((line) => line.includes('${folder}')).length);
    `;
    const dist = new URL('../../dist/index.js', import.meta.url).href;
    const { stdout, stderr } = spawnSync(
      'unshare',
      ['-m', '--propagation', 'shared', process.execPath, '--input-type=module', '-e', script],
      {
        encoding: 'utf8',
        env: { ...process.env, CLOISTER: dist },
      },
    );
    expect([stdout, stderr]).toEqual(['file\n0\n', '']);
  });
});
