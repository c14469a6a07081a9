import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, refusal, shell } from '../support/cells.js';
import { deedsOutside, deedsProgram } from '../support/deeds.js';
import { USERS } from '../support/in-subprocess.js';
import { idOf, listing, scratch } from '../support/scratch.js';

describe.each(USERS)('bind mounts, as %s', (user) => {
  it('show a directory at another path, read-only unless asked otherwise', async () => {
    const folder = scratch(user, { 'd/file': 'text' });
    const deeds = (at: string) => [
      `read,${at}/file`,
      `write,${at}/file`,
      `create,${at}/new`,
      `unlink,${at}/file`,
      `chmod,${at}/file,600`,
    ];
    const before = listing(folder);
    const results = await deedsInCell(user, deeds('/data'), {
      mounts: [{ type: 'bind', source: path.join(folder, 'd'), target: '/data' }],
    });
    expect(Object.values(results)).toEqual(['OK', 'EROFS', 'EROFS', 'EROFS', 'EROFS']);
    expect(listing(folder)).toEqual(before);
    const writable = await deedsInCell(user, deeds('/data'), {
      mounts: [{ type: 'bind', source: path.join(folder, 'd'), target: '/data', writable: true }],
    });
    expect(Object.values(writable)).toEqual(['OK', 'OK', 'OK', 'OK', 'ENOENT']);
    expect(listing(folder)).toEqual([
      `d 40755 ${idOf(user)}:${idOf(user)}`,
      `d/new 100644 ${idOf(user)}:${idOf(user)} 0`,
    ]);
  });

  it('store what is written as the caller’s, whatever the cell looks like inside', async () => {
    const folder = scratch(user);
    const own = idOf(user);
    const mounts = [{ type: 'bind', source: folder, target: '/data', writable: true }] as const;
    const inside = await deedsInCell(
      user,
      ['create,/data/a', 'mkdir,/data/b', 'symlink,x,/data/c', 'stat,/data/a', 'ids'],
      {
        mounts,
        user: { uid: 1234, gid: 4321 },
      },
    );
    expect(inside).toMatchObject({ 'stat,/data/a': 'OK:100644 1234 4321', ids: 'OK:1234 1234 1234 4321 4321 4321' });
    for (const name of ['a', 'b', 'c']) {
      const { uid, gid } = lstatSync(path.join(folder, name));
      expect([uid, gid]).toEqual([own, own]);
    }
  });

  it('show files of others as nobody’s, and keep their permissions', async () => {
    const folder = scratch('root', { secret: 'x', public: 'y' });
    chmodSync(path.join(folder, 'secret'), 0o600);
    const mounts = [{ type: 'bind', source: folder, target: '/data' }] as const;
    const results = await deedsInCell(user, ['read,/data/secret', 'read,/data/public', 'stat,/data/public'], {
      mounts,
      user: { uid: 7, gid: 7 },
    });
    const isOwner = idOf(user) === 0;
    expect(results).toEqual({
      'read,/data/secret': isOwner ? 'OK' : 'EACCES',
      'read,/data/public': 'OK',
      'stat,/data/public': isOwner ? 'OK:100644 7 7' : 'OK:100644 65534 65534',
    });
  });

  it('are executable unless asked otherwise', async () => {
    const folder = scratch(user);
    spawnSync('install', ['-m', '755', deedsProgram(), path.join(folder, 'program')]);
    const deeds = ['exec,/data/program', 'map-executable,/data/program'];
    const bind = { type: 'bind', source: folder, target: '/data' } as const;
    expect(Object.values(await deedsInCell(user, deeds, { mounts: [bind] }))).toEqual(['OK', 'OK']);
    expect(Object.values(await deedsInCell(user, deeds, { mounts: [{ ...bind, executable: false }] }))).toEqual([
      'EACCES',
      'EPERM',
    ]);
  });

  it('take what a symbolic link leads to, files, pipes and sockets as sources', async () => {
    const folder = scratch(user, { 'real/file': 'text', link: '-> real', linked: '-> real/file', pipe: 'fifo' });
    const mounts = ['link', 'linked', 'pipe'].map(
      (name) => ({ type: 'bind', source: path.join(folder, name), target: `/show/${name}` }) as const,
    );
    const results = await deedsInCell(
      user,
      ['read,/show/link/file', 'stat,/show/link', 'read,/show/linked', 'write,/show/linked', 'stat,/show/pipe'],
      {
        mounts,
        user: { uid: 0, gid: 0 },
      },
    );
    expect(results).toEqual({
      'read,/show/link/file': 'OK',
      'stat,/show/link': 'OK:40755 0 0',
      'read,/show/linked': 'OK',
      'write,/show/linked': 'EROFS',
      'stat,/show/pipe': 'OK:10644 0 0',
    });
  });

  it('lie at the same path where no target is given', async () => {
    const folder = scratch(user, { file: 'text' });
    const [result] = await inCells(user, [shell(`cat ${folder}/file`, { mounts: [{ type: 'bind', source: folder }] })]);
    expect(result?.stdout).toBe('text');
    const [without] = await inCells(user, [shell(`cat ${folder}/file`)]);
    expect(without).toMatchObject({ exitCode: 1, stdout: '' });
  });

  it('leave a missing source out only when it is optional', async () => {
    const folder = scratch(user);
    const missing = path.join(folder, 'missing');
    const error = await refusal(user, { mounts: [{ type: 'bind', source: missing, target: '/data' }] });
    expect(error).toMatchObject({ code: 'ERR_CLOISTER_NOT_FOUND', path: missing });
    const optional = await deedsInCell(user, ['access,/data', 'access,/there'], {
      mounts: [
        { type: 'bind', source: missing, target: '/data', optional: true },
        { type: 'bind', source: folder, target: '/there', optional: true },
      ],
    });
    expect(optional).toEqual({ 'access,/data': 'ENOENT', 'access,/there': 'OK' });
    expect(listing(folder)).toEqual([]);
  });

  it('make a target that is missing in a read-only tree without touching the host', async () => {
    const folder = scratch(user, { 'tree/a': 'a', 'tree/sub/b': 'b', 'other/c': 'c', single: 'd' });
    const before = listing(folder);
    const mounts = [
      { type: 'bind', source: path.join(folder, 'tree'), target: '/tree' },
      { type: 'bind', source: path.join(folder, 'other'), target: '/tree/sub/new/deep', writable: true },
      { type: 'bind', source: path.join(folder, 'single'), target: '/tree/file' },
    ] as const;
    const run = shell('cd /tree; find . -type f | sort | xargs cat; : > sub/new/deep/c; touch x', { mounts });
    const [result] = await inCells(user, [run]);
    expect(result?.stdout).toBe('adbc');
    expect(result?.stderr).toMatch(/x.*Read-only file system/);
    expect(readFileSync(path.join(folder, 'other/c'), 'utf8')).toBe('');
    expect(listing(folder)).toEqual(before.map((line) => line.replace(/^(other\/c .*) 1$/, '$1 0')));
  });

  it('refuse a target that would have to be created on the host', async () => {
    const folder = scratch(user, { 'tree/a': 'a' });
    const before = listing(folder);
    const error = await refusal(user, {
      mounts: [
        { type: 'bind', source: path.join(folder, 'tree'), target: '/tree', writable: true },
        { type: 'tmpfs', target: '/tree/new' },
      ],
    });
    expect(error).toMatchObject({ code: 'ERR_CLOISTER_POLICY', issues: [{ path: 'mounts[1]' }] });
    expect(listing(folder)).toEqual(before);
  });

  it('are the same in whatever order they are written', async () => {
    const folder = scratch(user, { 'a/x': 'ax', 'b/y': 'by', 'c/z': 'cz' });
    const bind = (name: string, target: string, writable = false) =>
      ({ type: 'bind', source: path.join(folder, name), target, writable }) as const;
    const mounts = [bind('a', '/m'), bind('b', '/m/deep', true), bind('c', '/m/deep/inner')];
    const before = listing(folder);
    // A mount point below a writable bind has to be there: only the first two, then.
    const orders = [
      [0, 1],
      [1, 0],
    ].map((order) =>
      shell('cat /m/x /m/deep/y; touch /m/n; touch /m/deep/y && echo touched', {
        mounts: order.map((index) => mounts[index]!),
      }),
    );
    for (const result of await inCells(user, orders)) {
      expect(result.stdout).toBe('axbytouched\n');
      expect(result.stderr).toMatch(/^touch: .*Read-only file system\n$/);
    }
    expect(listing(folder)).toEqual(before);
  });

  it('give no device and no privilege', async () => {
    const folder = scratch('root');
    spawnSync('install', ['-m', '4755', deedsProgram(), path.join(folder, 'setuid')]);
    spawnSync('mknod', ['-m', '666', path.join(folder, 'null'), 'c', '1', '3']);
    const mounts = [{ type: 'bind', source: folder, target: '/data', executable: true, writable: true }] as const;
    const [result] = await inCells(user, [
      { args: ['write,/data/null', 'write,/dev/null'], options: { mounts } },
      { command: '/data/setuid', args: ['ids'], options: { mounts, user: { uid: 1000, gid: 1000 } } },
    ]).then((results) => [results.map(({ deeds }) => deeds)]);
    expect(result).toEqual([
      { 'write,/data/null': 'EACCES', 'write,/dev/null': 'OK' },
      { ids: 'OK:1000 1000 1000 1000 1000 1000' },
    ]);
    expect(deedsOutside(user, [`write,${folder}/null`])).toEqual({
      [`write,${folder}/null`]: idOf('root') === 0 ? 'OK' : 'EACCES',
    });
  });
});
