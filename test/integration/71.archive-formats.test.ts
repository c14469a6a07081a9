/** Every format, as made by the programs that people use, is unpacked as it was. */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { list, treeOf, unpack, unpackAll } from '../support/archives.js';
import { USERS } from '../support/in-subprocess.js';
import { gnuLong, tar, TAR_END, tarEntry } from '../support/raw-tar.js';
import { unicodeName, zip } from '../support/raw-zip.js';

let folder = '';
const LONG = `${'long-directory-name/'.repeat(8)}${'x'.repeat(200)}`;

beforeAll(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'cloister-formats-'));
  const source = path.join(folder, 'source');
  mkdirSync(path.join(source, path.dirname(LONG)), { recursive: true });
  writeFileSync(path.join(source, 'file'), 'content\n');
  writeFileSync(path.join(source, 'tool'), '#!/bin/sh\n');
  chmodSync(path.join(source, 'tool'), 0o755);
  writeFileSync(path.join(source, 'private'), 'secret', { mode: 0o600 });
  writeFileSync(path.join(source, 'näme'), Buffer.alloc(3_000_000, 'abc'));
  writeFileSync(path.join(source, 'empty'), '');
  writeFileSync(path.join(source, LONG), 'long');
  symlinkSync('../source/file', path.join(source, 'link'));
  mkdirSync(path.join(source, 'directory'));
  for (const name of ['file', 'tool', 'directory']) {
    utimesSync(path.join(source, name), 1e9, 1e9);
  }
  lutimesSync(path.join(source, 'link'), 1e9, 1e9);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function make(name: string, command: string, ...args: string[]): Buffer {
  const archive = path.join(folder, name);
  execFileSync(
    command,
    args.map((word) => word.replace('ARCHIVE', archive)),
    { cwd: folder, stdio: 'ignore' },
  );
  return readFileSync(archive);
}

const makers: Record<string, () => Buffer> = {
  'tar by GNU tar': () => make('gnu.tar', 'tar', '--format=gnu', '-cf', 'ARCHIVE', 'source'),
  'tar in pax form': () => make('pax.tar', 'tar', '--format=pax', '-cf', 'ARCHIVE', 'source'),
  'tar by bsdtar': () => make('bsd.tar', 'bsdtar', '-cf', 'ARCHIVE', 'source'),
  'tar.gz': () => make('a.tar.gz', 'tar', '-czf', 'ARCHIVE', 'source'),
  'tar.bz2': () => make('a.tar.bz2', 'tar', '-cjf', 'ARCHIVE', 'source'),
  'tar.xz': () => make('a.tar.xz', 'tar', '-cJf', 'ARCHIVE', 'source'),
  'tar.zst': () => make('a.tar.zst', 'tar', '--zstd', '-cf', 'ARCHIVE', 'source'),
  'zip by Info-ZIP': () => make('a.zip', 'zip', '-qry', 'ARCHIVE', 'source'),
  'zip by bsdtar, with data descriptors': () => make('b.zip', 'bsdtar', '--format=zip', '-cf', 'ARCHIVE', 'source'),
  'zip by Python': () => make('p.zip', 'python3', '-m', 'zipfile', '-c', 'ARCHIVE', 'source'),
};

describe.each(USERS)('as %s', (user) => {
  it.each(Object.entries(makers))('unpacks %s', async (name, maker) => {
    const bytes = maker();
    const { result, tree } = await unpack(user, bytes);
    expect(result.format).toBe(/^(tar\.\w+|tar|zip)/u.exec(name)?.[1]);
    const followed = name.includes('Python');
    const expected = treeOf(folder).filter((line) => line.startsWith('source'));
    const contents = (lines: string[]): string[] => lines.filter((line) => !/^\S+ 4\d{4}/u.test(line));
    expect(followed ? [] : contents(tree)).toEqual(followed ? [] : contents(expected));
    expect(tree.map((line) => line.split(' ')[0])).toEqual(expected.map((line) => line.split(' ')[0]));
    expect(result.bytes).toBe(followed ? 3_000_036 : 3_000_028);
    expect(result.skipped).toEqual([]);
    expect(result.enforcement.missing).toEqual([]);
  });

  it('keeps modification times of files, directories and links, to the second at least', async () => {
    const entries = [
      { name: 'd/', type: '5', mode: 0o755, mtime: 1_000_000_001 },
      { name: 'd/f', content: 'x', mtime: 1_000_000_002, pax: { mtime: '1000000002.5' } },
      { name: 'd/l', type: '2', link: 'f', mtime: 1_000_000_003 },
    ];
    const [end] = await unpackAll(user, [{ bytes: tar(...entries) }]);
    expect(end?.failure).toBeNull();
    const listed = await list(user, tar(...entries));
    expect(listed.entries.map(({ mtime }) => mtime)).toEqual([1_000_000_001_000, 1_000_000_002_500, 1_000_000_003_000]);
  });

  it('applies the umask of the caller, and keeps less than that', async () => {
    const bytes = tar(
      { name: 'open', mode: 0o666 },
      { name: 'tool', mode: 0o777 },
      { name: 'closed', mode: 0o600 },
      { name: 'nothing', mode: 0 },
      { name: 'd/', type: '5', mode: 0o777 },
      { name: 'e/f', mode: 0o644 },
    );
    const modes = (tree: string[] | null | undefined): string[] =>
      (tree ?? []).map((line) => line.split(' ').slice(0, 2).join(' '));
    const [usual] = await unpackAll(user, [{ bytes }], 'umask 022');
    const [narrow] = await unpackAll(user, [{ bytes }], 'umask 077');
    expect(modes(usual?.tree)).toEqual([
      ...['closed 100600', 'd 40755', 'e 40755', 'e/f 100644', 'nothing 100400', 'open 100644', 'tool 100755'],
    ]);
    expect(modes(narrow?.tree)).toEqual([
      ...['closed 100600', 'd 40700', 'e 40700', 'e/f 100600', 'nothing 100400', 'open 100600', 'tool 100700'],
    ]);
  });

  it('unpacks multi-member gzip and concatenated tars whole', async () => {
    const [a, b] = [tar({ name: 'a', content: '1' }), tar({ name: 'b', content: '2' })];
    const ends = await unpackAll(user, [
      { bytes: Buffer.concat([a, b]) },
      { bytes: Buffer.concat([gzipSync(a), gzipSync(b)]) },
      { bytes: Buffer.concat([gzipSync(a.subarray(0, 700)), gzipSync(a.subarray(700)), Buffer.alloc(512)]) },
      { bytes: Buffer.concat([a, Buffer.alloc(9 * 512), b]) },
    ]);
    expect(ends.map(({ tree }) => tree?.map((line) => line.split(' ')[0]))).toEqual([
      ['a', 'b'],
      ['a', 'b'],
      ['a'],
      ['a', 'b'],
    ]);
  });

  it('reads the old form, long GNU names, hard links and implied directories', async () => {
    const long = `${'d/'.repeat(60)}${'n'.repeat(250)}`;
    const bytes = Buffer.concat([
      tarEntry({ name: 'old/', type: '\0', magic: 'none' }),
      tarEntry({ name: 'old/file', type: '\0', magic: 'none', content: 'old' }),
      gnuLong('L', long),
      tarEntry({ name: 'short', content: 'long', magic: 'gnu' }),
      tarEntry({ name: 'same', type: '1', link: 'old/file' }),
      tarEntry({ name: 'p', content: 'pax', pax: { path: 'ünder/pax', mtime: '1.25' } }),
      TAR_END,
    ]);
    const { tree, result } = await unpack(user, bytes);
    const files = tree.filter((line) => !/^\S+ 4\d{4}/u.test(line));
    expect(files).toEqual([`${long} 100644 4`, 'old/file 100644 3', 'same 100644 3', 'ünder/pax 100644 3']);
    expect(result.bytes).toBe(10);
    expect(result.entries).toBe(5);
  });

  it('reads zip64, data descriptors, names in cp437 and in the Unicode field', async () => {
    const raw = Buffer.from([0x81, 0x62]);
    const { tree } = await unpack(
      user,
      zip([
        { name: 'long', content: 'zip64', zip64: true },
        { name: 'after', content: 'descriptor', descriptor: true },
        { name: 'stored', content: 'as it is', method: 0, mode: 0o100755 },
        { name: raw, content: 'x', flags: 0 },
        {
          name: 'plain',
          content: 'y',
          flags: 0,
          fields: { extra: unicodeName('plain', 'ünïcode') },
        },
        { name: 'folder/', method: 0, mode: 0o040755 },
        { name: 'link', content: 'folder/../after', method: 0, mode: 0o120777 },
      ]),
    );
    expect(tree).toEqual([
      'after 100644 10',
      'folder 40755',
      'link 120777 -> folder/../after',
      'long 100644 5',
      'stored 100755 8',
      'üb 100644 1',
      'ünïcode 100644 1',
    ]);
  });

  it('unpacks archives without entries', async () => {
    const ends = await unpackAll(user, [{ bytes: tar() }, { bytes: zip([]) }, { bytes: gzipSync(tar()) }]);
    expect(ends.map(({ tree, failure }) => [tree, failure])).toEqual([
      [[], null],
      [[], null],
      [[], null],
    ]);
  });

  it('is told the format where that is not to be guessed, and holds to it', async () => {
    const bytes = tar({ name: 'a', content: '1' });
    const [right, wrong] = await unpackAll(user, [
      { bytes, options: { format: 'tar' } },
      { bytes, options: { format: 'zip' } },
    ]);
    expect(right?.result?.entries).toBe(1);
    expect(wrong?.failure).toMatchObject({ code: 'ERR_CLOISTER_ARCHIVE' });
    expect(wrong?.failure?.message).toContain('is no whole zip file');
  });
});
