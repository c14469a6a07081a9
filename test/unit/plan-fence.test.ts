/** The Landlock domain of a cell: what it handles, and where what is granted. */

import { describe, expect, test } from 'vitest';

import { fenceHolds, planFence } from '../../lib/plan/fence.js';
import type { MountOperation } from '../../lib/plan/types.js';

const inRoot = (path: string) => ({ in: 'root', path }) as const;
const tmpfs = (path: string): MountOperation => ({
  kind: 'tmpfs',
  at: inRoot(path),
  size: 4096,
  inodes: 16,
  mode: 0o755,
  executable: false,
});
const bind = (path: string, writable: boolean): MountOperation => ({
  kind: 'bind',
  from: { in: 'host', path },
  at: inRoot(path),
  recursive: true,
  writable,
  executable: false,
  devices: false,
  idMapped: false,
  optional: false,
});
const BASE: readonly MountOperation[] = [
  tmpfs('/'),
  bind('/usr', false),
  { kind: 'dev', at: inRoot('/dev') },
  tmpfs('/tmp'),
  { kind: 'seal', at: inRoot('/') },
];
const letters = (text: string) => ({
  read: text.includes('r'),
  write: text.includes('w'),
  execute: text.includes('x'),
  create: text.includes('c'),
});
const restricted = (path: string, text: string) => ({ path, permissions: letters(text) });

function fence(abi: number, mounts: readonly MountOperation[], ...places: ReturnType<typeof restricted>[]) {
  const planned = planFence(abi, mounts, places);
  if (planned === null || 'conflict' in planned) {
    throw new Error('no fence');
  }
  return planned;
}

const granted = (planned: ReturnType<typeof fence>, path: string) =>
  planned.rules.find((rule) => rule.path === path)?.rights ?? [];

describe('letters', () => {
  test.each([
    ['rw', 1, false],
    ['rw', 2, true],
    ['rwx', 7, true],
    ['rc', 2, false],
    ['rc', 3, true],
    ['w', 7, false],
    ['r', 7, false],
    ['rwc', 7, false],
  ])('%s at ABI %i: %s', (text, abi, held) => {
    expect(fenceHolds(letters(text), abi)).toBe(held);
  });
});

describe('a fence', () => {
  test('is not there before ABI 2', () => {
    expect(planFence(0, BASE, [])).toBeNull();
    expect(planFence(1, BASE, [])).toBeNull();
  });

  test('handles what the kernel knows and grants all of it inside, but for writing', () => {
    for (const [abi, last] of [
      [2, 'refer'],
      [3, 'truncate'],
      [5, 'ioctl-dev'],
      [9, 'resolve-unix'],
    ] as const) {
      const planned = fence(abi, BASE);
      expect(planned.handledFs.at(-1)).toBe(last);
      expect(planned.rules).toEqual([
        { path: '/', rights: planned.handledFs.filter((right) => right !== 'write-file') },
        { path: '/dev', rights: ['write-file'], optional: true },
        { path: '/tmp', rights: ['write-file'], optional: true },
      ]);
    }
  });

  test('lets nothing be opened for writing where a mount is read-only, devices apart', () => {
    const device = { ...bind('/null', false), devices: true } as MountOperation;
    const planned = fence(7, [...BASE, bind('/srv/shown', false), bind('/srv/free', true), device]);
    const writable = planned.rules.filter(({ rights }) => rights.includes('write-file')).map(({ path }) => path);
    expect(writable).toEqual(['/dev', '/tmp', '/srv/free', '/null']);
  });

  test('withholds creating where only writing is allowed, and nowhere else', () => {
    const planned = fence(
      7,
      [...BASE, bind('/srv/data', true), bind('/srv/free', true)],
      restricted('/srv/data', 'rw'),
    );
    expect(granted(planned, '/')).toEqual(expect.arrayContaining(['read-file', 'truncate', 'refer', 'execute']));
    expect(granted(planned, '/')).not.toContain('make-reg');
    expect(granted(planned, '/srv/data')).toEqual(['write-file']);
    for (const path of ['/tmp', '/srv/free', '/dev']) {
      expect(granted(planned, path)).toEqual(expect.arrayContaining(['make-reg', 'remove-file']));
    }
  });

  test('withholds writing where only creating is allowed, and nowhere else', () => {
    const planned = fence(7, [...BASE, bind('/srv/data', true)], restricted('/srv/data', 'rc'));
    expect(granted(planned, '/')).toEqual(expect.arrayContaining(['make-reg', 'read-file']));
    expect(granted(planned, '/')).not.toContain('write-file');
    expect(granted(planned, '/srv/data')).toEqual([]);
    expect(granted(planned, '/dev')).toEqual(['write-file', 'truncate']);
    expect(granted(planned, '/tmp')).toEqual(['write-file', 'truncate']);
  });

  test('keeps two kinds apart', () => {
    const mounts = [...BASE, bind('/srv/a', true), bind('/srv/b', true)];
    const planned = fence(7, mounts, restricted('/srv/a', 'rw'), restricted('/srv/b', 'rc'));
    expect(granted(planned, '/srv/a')).toEqual(['write-file', 'truncate']);
    expect(granted(planned, '/srv/b')).toContain('make-reg');
    expect(granted(planned, '/srv/b')).not.toContain('write-file');
  });

  test('cannot withhold below a place where more is allowed', () => {
    const place = restricted('/tmp/data', 'rw');
    expect(planFence(7, [...BASE, bind('/tmp/data', true)], [place])).toEqual({ conflict: place });
  });

  test.each([
    ['rw', 'rc'],
    ['rc', 'rw'],
  ])('cannot withhold in a place of %s what only that has, for one of %s below', (outer, inner) => {
    const mounts = [...BASE, bind('/srv', true), bind('/srv/data', true)];
    const place = restricted('/srv/data', inner);
    expect(planFence(7, mounts, [restricted('/srv', outer), place])).toEqual({ conflict: place });
    expect(planFence(7, mounts, [place, restricted('/srv', outer)])).toEqual({ conflict: place });
    expect(planFence(7, mounts, [restricted('/srv', outer), restricted('/srv/data', outer)])).not.toHaveProperty(
      'conflict',
    );
  });

  test('can allow more below', () => {
    const mounts = [...BASE, bind('/srv/data', true), bind('/srv/data/new', true)];
    const planned = fence(7, mounts, restricted('/srv/data', 'rw'));
    expect(granted(planned, '/srv/data/new')).toContain('make-reg');
  });
});

describe('reading withheld', () => {
  const READ = ['read-file', 'read-dir'];

  test('is granted at the named places alone, whether or not they are there', () => {
    const planned = planFence(7, BASE, [], ['/usr/lib', '/etc/ld.so.cache']);
    if (planned === null || 'conflict' in planned) {
      throw new Error('no fence');
    }
    expect(planned.handledFs).toEqual(expect.arrayContaining(READ));
    expect(planned.rules[0]?.path).toBe('/');
    expect(planned.rules[0]?.rights).not.toEqual(expect.arrayContaining(['read-file']));
    expect(planned.rules[0]?.rights).toEqual(expect.arrayContaining(['execute', 'truncate', 'make-reg', 'refer']));
    expect(planned.rules.slice(1, 3)).toEqual([
      { path: '/usr/lib', rights: READ, optional: true },
      { path: '/etc/ld.so.cache', rights: READ, optional: true },
    ]);
  });

  test('goes together with letters that Landlock holds', () => {
    const planned = planFence(7, [...BASE, bind('/srv', true)], [restricted('/srv', 'rw')], ['/usr/lib']);
    if (planned === null || 'conflict' in planned) {
      throw new Error('no fence');
    }
    const rights = (path: string) => planned.rules.filter((rule) => rule.path === path).flatMap((rule) => rule.rights);
    expect(rights('/')).not.toEqual(expect.arrayContaining(['read-file']));
    expect(rights('/')).not.toEqual(expect.arrayContaining(['make-reg']));
    expect(rights('/usr/lib')).toEqual(READ);
    expect(rights('/tmp')).toEqual(expect.arrayContaining(['make-reg']));
  });
});
