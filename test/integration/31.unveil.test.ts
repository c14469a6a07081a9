import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, refusal, shell, tryCells } from '../support/cells.js';
import { deedsProgram } from '../support/deeds.js';
import { USERS } from '../support/in-subprocess.js';
import { listing, scratch } from '../support/scratch.js';

describe.each(USERS)('unveil in a cell, as %s', (user) => {
  it('shows a path at the same place, and nothing beside it', async () => {
    const folder = scratch(user, { 'shown/a': 'a', 'beside/b': 'b' });
    const deeds = [`read,${folder}/shown/a`, `access,${folder}/beside`];
    expect(Object.values(await deedsInCell(user, deeds, { unveil: { [`${folder}/shown`]: 'r' } }))).toEqual([
      'OK',
      'ENOENT',
    ]);
    expect(Object.values(await deedsInCell(user, deeds))).toEqual(['ENOENT', 'ENOENT']);
    expect(Object.values(await deedsInCell(user, deeds, { unveil: { [folder]: 'r' } }))).toEqual(['OK', 'OK']);
  });

  it('means exactly its letters', async () => {
    const folder = scratch(user, { 'd/file': 'text' });
    spawnSync('install', ['-m', '755', deedsProgram(), path.join(folder, 'd/program')]);
    const d = path.join(folder, 'd');
    const deeds = [`read,${d}/file`, `put,${d}/file,text`, `create,${d}/new`, `unlink,${d}/new`, `exec,${d}/program`];
    const table = {
      r: ['OK', 'EROFS', 'EROFS', 'ENOENT', 'EACCES'],
      rx: ['OK', 'EROFS', 'EROFS', 'ENOENT', 'OK'],
      rwc: ['OK', 'OK', 'OK', 'OK', 'EACCES'],
      rwxc: ['OK', 'OK', 'OK', 'OK', 'OK'],
      cxwr: ['OK', 'OK', 'OK', 'OK', 'OK'],
    };
    for (const [letters, expected] of Object.entries(table)) {
      const results = Object.values(await deedsInCell(user, deeds, { unveil: { [d]: letters } }));
      const denied = results.map((result) => (result === 'EACCES' || result === 'OK' ? result : 'denied'));
      expect([letters, ...denied]).toEqual([
        letters,
        ...expected.map((result) => (result === 'EACCES' || result === 'OK' ? result : 'denied')),
      ]);
    }
  });

  it('allows writing a single file with rw', async () => {
    const folder = scratch(user, { file: 'text' });
    const file = path.join(folder, 'file');
    const deeds = [`put,${file},TEXT`, `unlink,${file}`, `rename,${file},${file}2`];
    const results = await deedsInCell(user, deeds, { unveil: { [file]: 'rw' } });
    expect(results[`put,${file},TEXT`]).toBe('OK');
    expect(Object.values(results).slice(1)).not.toContain('OK');
    expect(readFileSync(file, 'utf8')).toBe('TEXT');
  });

  it('lets the narrower of two nested grants decide, in whatever order', async () => {
    const folder = scratch(user, { 'a/x': 'x', 'a/b/y': 'y', 'a/b/c/z': 'z', 'a/b/c/d/w': 'w' });
    const at = (name: string) => path.join(folder, name);
    const grants: [string, string][] = [
      [at('a'), 'r'],
      [at('a/b'), 'rwc'],
      [at('a/b/c'), ''],
      [at('a/b/c/d'), 'r'],
    ];
    const deeds = [
      `write,${at('a/x')}`,
      `write,${at('a/b/y')}`,
      `read,${at('a/b/c/z')}`,
      `read,${at('a/b/c/d/w')}`,
      `write,${at('a/b/c/d/w')}`,
    ];
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [2, 0, 3, 1],
    ]) {
      const results = await deedsInCell(user, deeds, {
        unveil: Object.fromEntries(order.map((index) => grants[index]!)),
      });
      const [readOnly, writable, hidden, below, belowWritten] = Object.values(results);
      expect([writable, below]).toEqual(['OK', 'OK']);
      expect(['EROFS', 'EACCES']).toContain(readOnly);
      expect(['EACCES', 'ENOENT']).toContain(hidden);
      expect(['EROFS', 'EACCES']).toContain(belowWritten);
    }
  });

  it('hides files and directories with the empty word', async () => {
    const folder = scratch(user, { 'a/secret': 'x', 'a/keys/private': 'y', 'a/public': 'z' });
    const unveil = { [folder]: 'rwc', [`${folder}/a/secret`]: '', [`${folder}/a/keys`]: '' };
    const before = listing(folder);
    const deeds = [
      `read,${folder}/a/secret`,
      `read,${folder}/a/keys`,
      `read,${folder}/a/keys/private`,
      `read,${folder}/a/public`,
      `chmod,${folder}/a/secret,644`,
      `chmod,${folder}/a/keys,755`,
      `rename,${folder}/a/secret,${folder}/a/x`,
      `link,${folder}/a/secret,${folder}/a/y`,
      `umount,${folder}/a/secret`,
    ];
    const results = await deedsInCell(user, deeds, { unveil });
    expect(Object.values(results)).toEqual([
      'EACCES',
      'EACCES',
      'EACCES',
      'OK',
      'EROFS',
      'EROFS',
      'EBUSY',
      expect.stringMatching(/EXDEV|EPERM|EACCES/),
      'EPERM',
    ]);
    expect(Object.values(await deedsInCell(user, deeds.slice(0, 4), { unveil: { [folder]: 'r' } }))).toEqual([
      'OK',
      'OK',
      'OK',
      'OK',
    ]);
    expect(listing(folder)).toEqual(before);
  });

  it('lets named pipes be written to only with w', async () => {
    const folder = scratch(user, { 'd/pipe': 'fifo' }, '/var/tmp');
    const args = [`write,${folder}/d/pipe`];
    // Without a reader the one that is let through gets ENXIO (fifo(7)).
    const table = { r: 'EACCES', rx: 'EACCES', rc: 'EACCES', rw: 'ENXIO', rwc: 'ENXIO' };
    const mounts = [{ type: 'bind', source: `${folder}/d/pipe`, target: '/pipe', writable: false }] as const;
    const own = ['write,/pipe', 'mknod,/tmp/own,p,0,0,600', 'write,/tmp/own'];
    const results = await inCells(user, [
      ...Object.keys(table).map((letters) => ({ args, options: { unveil: { [`${folder}/d`]: letters } } })),
      { args: own, options: { mounts } },
    ]);
    const [last, ...first] = results.map(({ deeds }) => Object.values(deeds)).reverse();
    expect(first.reverse().flat()).toEqual(Object.values(table));
    expect(last).toEqual(['EACCES', 'OK', 'ENXIO']);
  });

  it('refuses letters that an outer entry would widen', async () => {
    const folder = scratch(user, { 'a/b/file': 'text' }, '/var/tmp');
    const nested = (outer: string, inner: string) => ({ unveil: { [`${folder}/a`]: outer, [`${folder}/a/b`]: inner } });
    const args = [`put,${folder}/a/b/file,TEXT`, `create,${folder}/a/b/new`];
    const [narrower, other, alike] = await tryCells(user, [
      { args, options: nested('rw', 'rc') },
      { args, options: nested('rc', 'rw') },
      { args, options: nested('rw', 'rw') },
    ]);
    for (const refused of [narrower, other]) {
      expect(refused).toMatchObject({ code: 'ERR_CLOISTER_UNSUPPORTED' });
      expect(refused).toHaveProperty('message', expect.stringContaining(`unveil["${folder}/a/b"]`));
    }
    expect(alike).toMatchObject({ deeds: { [args[0] ?? '']: 'OK', [args[1] ?? '']: 'EACCES' } });
  });

  it('shows what is granted below a hidden place, by whatever name that is hidden', async () => {
    const folder = scratch(user, { 'real/secret': 'x', 'real/shown/file': 'y', alias: '-> real' });
    const args = [`read,${folder}/real/shown/file`, `read,${folder}/alias/shown/file`, `read,${folder}/real/secret`];
    const hidden = (...names: string[]) => Object.fromEntries(names.map((name) => [`${folder}/${name}`, '']));
    const cells = await inCells(
      user,
      [hidden('alias'), hidden('real'), hidden('alias', 'real')].map((entries) => ({
        args,
        options: { unveil: { [folder]: 'r', ...entries, [`${folder}/real/shown`]: 'r' } },
      })),
    );
    expect(cells.map(({ deeds }) => Object.values(deeds))).toEqual(Array(3).fill(['OK', 'OK', 'ENOENT']));
  });

  it('hides what a link leads to, under both of its names', async () => {
    const folder = scratch(user, { 'real/secret': 'x', alias: '-> real' });
    const deeds = [`read,${folder}/alias/secret`, `read,${folder}/real/secret`];
    const results = await deedsInCell(user, deeds, { unveil: { [folder]: 'r', [`${folder}/alias/secret`]: '' } });
    expect(Object.values(results)).toEqual(['EACCES', 'EACCES']);
  });

  it('follows a link once, and keeps both names', async () => {
    const folder = scratch(user, {
      'real/file': 'text',
      link: '-> real',
      'far/deep/file': 'far',
      'via/x': '-> ../far/deep',
    });
    const unveil = { [`${folder}/link`]: 'r', [`${folder}/via/x`]: 'r' };
    const deeds = ['link/file', 'real/file', 'via/x/file', 'far/deep/file'].map((name) => `read,${folder}/${name}`);
    expect(Object.values(await deedsInCell(user, deeds, { unveil }))).toEqual(['OK', 'OK', 'OK', 'OK']);
    const [names] = await inCells(user, [shell(`readlink ${folder}/link ${folder}/via/x; ls ${folder}`, { unveil })]);
    expect(names?.stdout).toBe(`${folder}/real\n${folder}/far/deep\nfar\nlink\nreal\nvia\n`);
  });

  it('does not make a path that is not there, and cannot hide one', async () => {
    const folder = scratch(user);
    expect(await refusal(user, { unveil: { [`${folder}/none`]: 'rwc' } })).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
    });
    expect(await refusal(user, { unveil: { [folder]: 'r', [`${folder}/none`]: '' } })).toMatchObject({
      code: 'ERR_CLOISTER_POLICY',
    });
    expect(listing(folder)).toEqual([]);
  });

  it('reports unknown letters and contradictions all at once', async () => {
    const folder = scratch(user, { a: 'x', b: '-> a' });
    const error = await refusal(user, { unveil: { [folder]: 'rq', '/tmp/../etc': 'rr z', '': 'r' } });
    expect(error.code).toBe('ERR_CLOISTER_POLICY');
    expect(error.issues?.length).toBeGreaterThanOrEqual(3);
    const contradiction = await refusal(user, { unveil: { [`${folder}/a`]: 'r', [`${folder}/b`]: 'rw' } });
    expect(contradiction).toMatchObject({ code: 'ERR_CLOISTER_POLICY' });
  });

  it('takes relative names and ~ of the caller', async () => {
    const results = await deedsInCell(user, ['read,/usr/lib/os-release', 'access,/etc/hostname'], {
      unveil: { '../../../../../etc/hostname': 'r' },
    });
    expect(results['access,/etc/hostname']).toBe('OK');
    expect((await deedsInCell(user, ['access,/etc/hostname']))['access,/etc/hostname']).toBe('ENOENT');
  });

  it.each(['/', '/proc', '/proc/1', '/sys', '/dev', '/dev/pts', '/proc/sys/kernel'])(
    'does not hand out %s',
    async (name) => {
      const error = await refusal(user, { unveil: { [name]: 'rwc' } });
      expect(error).toMatchObject({ code: 'ERR_CLOISTER_POLICY' });
      expect(error.message).toMatch(/proc|sys|dev|whole tree|terminals/);
    },
  );
});
