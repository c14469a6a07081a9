import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, refusal, shell } from '../support/cells.js';
import { USERS } from '../support/in-subprocess.js';
import { listing, scratch } from '../support/scratch.js';

describe.each(USERS)('file systems of a cell’s own, as %s', (user) => {
  it('tmpfs: has the size and the mode that were asked for, and runs no programs', async () => {
    const mounts = [
      { type: 'tmpfs', target: '/small', size: '1MiB', mode: 0o700 },
      { type: 'tmpfs', target: '/run/programs', size: 4_194_304, executable: true },
      { type: 'tmpfs', target: '/plain' },
    ] as const;
    const script =
      'cd /tmp; for d in /small /run/programs /plain; do cp /bin/true $d/true && ($d/true && echo runs || echo $?); done';
    const options = { mounts, limits: { scratch: '2MiB' }, user: { uid: 5, gid: 6 } };
    const [runs] = await inCells(user, [shell(script, options)]);
    expect(runs?.stdout).toBe('126\nruns\n126\n');
    const results = await deedsInCell(
      user,
      ['stat,/small', 'stat,/plain', 'fill,/small/x', 'fill,/plain/x', 'create,/small/y', 'fill,/tmp/x'],
      options,
    );
    expect(results).toMatchObject({
      'stat,/small': 'OK:40700 5 6',
      'stat,/plain': 'OK:40755 5 6',
      'create,/small/y': 'OK',
    });
    expect(results).toMatchObject({
      'fill,/small/x': 'ENOSPC:1',
      'fill,/plain/x': 'ENOSPC:2',
      'fill,/tmp/x': 'ENOSPC:2',
    });
  });

  it('tmpfs: cannot be filled with empty files beyond its size', async () => {
    const mounts = [{ type: 'tmpfs', target: '/small', size: 65_536 }] as const;
    const results = await deedsInCell(user, ['many-files,/small'], { mounts });
    expect(Number(/^ENOSPC:(\d+)$/.exec(results['many-files,/small'] ?? '')?.[1])).toBeLessThanOrEqual(1024);
  });

  it('scratch: limits each private tmpfs', async () => {
    const deeds = ['fill,/tmp/x', 'fill,/dev/shm/x'];
    expect(Object.values(await deedsInCell(user, deeds, { limits: { scratch: '3MiB' } }))).toEqual([
      'ENOSPC:3',
      'ENOSPC:3',
    ]);
    expect(Object.values(await deedsInCell(user, deeds))).toEqual(['ENOSPC:64', 'ENOSPC:64']);
  });

  it('file: has the content and the mode, and is read-only unless asked otherwise', async () => {
    const binary = new Uint8Array([0, 255, 10, 13]);
    const mounts = [
      { type: 'file', target: '/etc/app/config', content: 'näme=1\n' },
      { type: 'file', target: '/run/key', content: 'k', mode: 0o400 },
      { type: 'file', target: '/writable', content: 'before', writable: true },
      { type: 'file', target: '/program', content: '#!/bin/sh\necho ran\n', mode: 0o755 },
      { type: 'file', target: '/binary', content: Buffer.from(binary).toString('latin1') },
      { type: 'file', target: '/tmp/in-tmp', content: 'scratch' },
    ] as const;
    const script =
      'cat /etc/app/config /run/key /tmp/in-tmp; echo; stat -c "%a %s" /etc/app/config /run/key /program; /program; echo after > /writable; cat /writable';
    const [result] = await inCells(user, [shell(script, { mounts })]);
    expect(result?.stdout).toBe('näme=1\nkscratch\n644 8\n400 1\n755 19\nran\nafter\n');
    const deeds = await deedsInCell(
      user,
      ['write,/etc/app/config', 'chmod,/run/key,777', 'unlink,/etc/app/config', 'write,/writable', 'write,/tmp/in-tmp'],
      { mounts },
    );
    expect(Object.values(deeds)).toEqual(['EROFS', 'EROFS', 'EROFS', 'OK', 'EROFS']);
  });

  it('file: replaces one of the system for this cell alone', async () => {
    const before = readFileSync('/etc/hosts', 'utf8');
    const mounts = [{ type: 'file', target: '/etc/hosts', content: '127.0.0.1 only\n' }] as const;
    const results = await inCells(user, [shell('cat /etc/hosts', { mounts }), shell('cat /etc/hosts')]);
    expect(results.map(({ stdout }) => stdout)).toEqual(['127.0.0.1 only\n', before]);
  });

  it('directory and symlink: are made, with the mode and the target', async () => {
    const mounts = [
      { type: 'directory', target: '/work/deep/er', mode: 0o711 },
      { type: 'symlink', target: '/work/link', to: '../etc/hosts' },
      { type: 'symlink', target: '/dangling', to: '/no/where' },
      { type: 'directory', target: '/tmp/below', mode: 0o700 },
    ] as const;
    const results = await deedsInCell(
      user,
      [
        'stat,/work/deep/er',
        'readlink,/work/link',
        'read,/work/link',
        'readlink,/dangling',
        'create,/work/deep/er/x',
        'create,/tmp/below/x',
        'stat,/tmp/below',
      ],
      { mounts, user: { uid: 1, gid: 1 } },
    );
    expect(Object.values(results)).toEqual([
      'OK:40711 1 1',
      'OK:../etc/hosts',
      'OK',
      'OK:/no/where',
      'EROFS',
      'OK',
      'OK:40700 1 1',
    ]);
  });

  it('proc and dev: appear at other places as well, harmless as ever', async () => {
    const mounts = [
      { type: 'proc', target: '/more/proc' },
      { type: 'dev', target: '/more/dev' },
    ] as const;
    const results = await deedsInCell(
      user,
      [
        'readlink,/more/proc/self',
        'write,/more/proc/sys/kernel/core_pattern',
        'read,/more/proc/keys',
        'write,/more/dev/null',
        'read,/more/dev/urandom',
        'create,/more/dev/x',
        'create,/more/dev/shm/x',
        'access,/more/dev/sda',
        'readlink,/more/dev/fd',
      ],
      { mounts },
    );
    expect(Object.values(results)).toEqual([
      'OK:2',
      'EACCES',
      'EACCES',
      'OK',
      'OK',
      'EROFS',
      'OK',
      'ENOENT',
      'OK:/proc/self/fd',
    ]);
  });

  it('are refused at one another’s places', async () => {
    const folder = scratch(user, { a: 'x' });
    const error = await refusal(user, {
      mounts: [
        { type: 'tmpfs', target: '/x' },
        { type: 'bind', source: folder, target: '/x' },
        { type: 'tmpfs', target: '/' },
        { type: 'file', target: '/etc', content: '' },
      ],
    });
    expect(error.code).toBe('ERR_CLOISTER_POLICY');
    expect(error.issues?.map(({ path: at }) => at.replace(/\..*/, ''))).toContain('mounts[2]');
  });
});

describe.each(USERS)('overlays, as %s', (user) => {
  it('discard what is written when there is no upper directory', async () => {
    const folder = scratch(user, { 'low/a': 'a', 'low/sub/b': 'b', 'high/a': 'top', 'high/c': 'c' });
    const before = listing(folder);
    const mounts = [
      { type: 'overlay', lower: [path.join(folder, 'high'), path.join(folder, 'low')], target: '/o' },
    ] as const;
    const script =
      'cd /o; cat a c sub/b; rm a; echo new > sub/n; mv sub/b sub/moved; echo x >> c; find . | sort; cat c sub/moved';
    const [result] = await inCells(user, [shell(script, { mounts })]);
    expect([result?.stdout, result?.stderr]).toEqual(['topcb.\n./c\n./sub\n./sub/moved\n./sub/n\ncx\nb', '']);
    expect(listing(folder)).toEqual(before);
  });

  it('limit what is written to the scratch size', async () => {
    const folder = scratch(user, { 'low/a': 'a' });
    const mounts = [{ type: 'overlay', lower: path.join(folder, 'low'), target: '/o' }] as const;
    const results = await deedsInCell(user, ['fill,/o/x'], { mounts, limits: { scratch: '1MiB' } });
    expect(results['fill,/o/x']).toBe('ENOSPC:1');
  });

  it('keep what is written in the upper directory, as the caller’s', async () => {
    const folder = scratch(user, { 'low/a': 'a', 'low/b': 'b', 'upper/c': 'c' });
    const mounts = [
      { type: 'overlay', lower: path.join(folder, 'low'), upper: path.join(folder, 'upper'), target: '/o' },
    ] as const;
    const owner = listing(folder)
      .find((line) => line.startsWith('upper/c'))
      ?.split(' ')[2];
    for (const [script, expected] of [
      ['cd /o; cat a c; echo changed > a; echo new > n; rm b; ls', 'aca\nc\nn\n'],
      ['cd /o; cat a; ls', 'changed\na\nc\nn\n'],
    ]) {
      const [result] = await inCells(user, [shell(script!, { mounts })]);
      expect([result?.stdout, result?.stderr]).toEqual([expected, '']);
    }
    expect(readFileSync(path.join(folder, 'low/a'), 'utf8')).toBe('a');
    expect(readdirSync(path.join(folder, 'low'))).toEqual(['a', 'b']);
    const kept = listing(path.join(folder, 'upper'));
    expect(kept.filter((line) => / 100644 /.test(line)).map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual(
      ['a', 'c', 'n'].map((name) => `${name} 100644 ${owner ?? ''}`),
    );
  });

  it('refuse layers that are missing, no directories, or lie at a mount point', async () => {
    const folder = scratch(user, { 'low/a': 'a', file: 'x' });
    const overlay = (lower: string, upper?: string) => ({
      mounts: [{ type: 'overlay', lower, target: '/o', ...(upper === undefined ? {} : { upper }) } as const],
    });
    expect(await refusal(user, overlay(path.join(folder, 'none')))).toMatchObject({ code: 'ERR_CLOISTER_NOT_FOUND' });
    expect(await refusal(user, overlay(path.join(folder, 'file')))).toMatchObject({ code: 'ERR_CLOISTER_POLICY' });
    expect(await refusal(user, overlay('/proc'))).toMatchObject({ code: 'ERR_CLOISTER_POLICY' });
    expect(await refusal(user, overlay(path.join(folder, 'low'), '/sys'))).toMatchObject({
      code: 'ERR_CLOISTER_POLICY',
    });
  });
});
