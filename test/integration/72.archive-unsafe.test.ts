/** Entries that would be unsafe: what becomes of each kind is what docs/archives.md says. */

import { describe, expect, it } from 'vitest';

import { list, unpack, unpackAll } from '../support/archives.js';
import { USERS } from '../support/in-subprocess.js';
import { tar, type TarEntry } from '../support/raw-tar.js';
import { zip, type ZipInput } from '../support/raw-zip.js';

const ABSOLUTE = 'has an absolute path';
const PARENT = "has '..' in its path";
const DRIVE = 'has a path with a drive letter';
const BACKSLASH = 'has a backslash in its name';
const CONTROL = 'has a control character in its name';
const SET_ID = 'has a set-user-ID or set-group-ID bit';
const OUTSIDE = 'is a symbolic link that leads outside';
const TWICE = 'has the same name as an entry before it';
const HARD_LINK = 'is a hard link to something that is not a file of this archive before it';

/** Entries of which the last one is refused; those before are fine. */
type Case<Entry> = readonly [title: string, reason: string, ...entries: Entry[]];

const FILE: TarEntry = { name: 'fine', content: 'fine' };

const tarCases: Case<TarEntry>[] = [
  ['an absolute path', ABSOLUTE, { name: '/etc/evil', content: 'x' }],
  ['an absolute path in a pax header', ABSOLUTE, { name: 'short', content: 'x', pax: { path: '/etc/evil' } }],
  ["'..' at the start", PARENT, { name: '../evil', content: 'x' }],
  ["'..' that would stay inside", PARENT, { name: 'a/../b', content: 'x' }],
  ["'..' at the end", PARENT, { name: 'a/..', type: '5' }],
  ['a drive letter', DRIVE, { name: 'C:evil', content: 'x' }],
  ['a backslash', BACKSLASH, { name: '..\\evil', content: 'x' }],
  ['a newline', CONTROL, { name: 'a\nb', content: 'x' }],
  ['an escape sequence', CONTROL, { name: 'a\u001b[2J', content: 'x' }],
  ['a NUL in a pax header', CONTROL, { name: 'short', content: 'x', pax: { path: 'a\0b' } }],
  [
    'text turned around',
    'has a character in its name that changes the direction of text',
    { name: 'gpj\u202eexe', content: 'x' },
  ],
  ['bytes that are no UTF-8', 'has a name that is not UTF-8', { name: Buffer.from([0x61, 0xff]), content: 'x' }],
  ['a long name', 'has a name longer than 255 bytes', { name: 's', content: 'x', pax: { path: 'n'.repeat(256) } }],
  [
    'a long path',
    'has a path longer than 3072 bytes',
    { name: 's', content: 'x', pax: { path: `${'n'.repeat(200)}/`.repeat(16).concat('f') } },
  ],
  [
    'deep nesting',
    'is more than 128 directories deep',
    { name: 's', content: 'x', pax: { path: 'd/'.repeat(128).concat('f') } },
  ],
  ['an empty name', 'has an empty name', { name: './', type: '0', content: '', pax: { path: '.' } }],
  ['a set-user-ID bit', SET_ID, { name: 'su', content: 'x', mode: 0o4755 }],
  ['a set-group-ID bit on a directory', SET_ID, { name: 'd', type: '5', mode: 0o2755 }],
  ['a character device', 'is a character device', { name: 'null', type: '3' }],
  ['a block device', 'is a block device', { name: 'disk', type: '4' }],
  ['a fifo', 'is a fifo', { name: 'pipe', type: '6' }],
  [
    'a symbolic link to an absolute path',
    'is a symbolic link with an absolute target',
    { name: 'l', type: '2', link: '/etc/passwd' },
  ],
  ['a symbolic link to outside', OUTSIDE, { name: 'd/l', type: '2', link: '../../evil' }],
  [
    'a symbolic link with a control character',
    'is a symbolic link whose target has a control character in its name',
    { name: 'l', type: '2', link: 'a\u0007' },
  ],
  ['a symbolic link to nothing', 'is a symbolic link to nothing', { name: 'l', type: '2', link: '' }],
  [
    'a symbolic link to itself',
    'is a symbolic link that leads around in a circle',
    { name: 'l', type: '2', link: 'l' },
  ],
  [
    'a symbolic link past what is missing',
    "is a symbolic link with '..' behind something that is not there",
    { name: 'l', type: '2', link: 'gone/../fine' },
  ],
  [
    'a file behind a symbolic link made earlier',
    'lies behind a symbolic link',
    { name: 'l', type: '2', link: '.' },
    { name: 'l/evil', content: 'x' },
  ],
  [
    'a symbolic link that climbs out through another',
    OUTSIDE,
    { name: 'a/b/up', type: '2', link: '..' },
    { name: 'l', type: '2', link: 'a/b/up/../..' },
  ],
  ['a hard link to outside', HARD_LINK, { name: 'h', type: '1', link: '/etc/passwd' }],
  ['a hard link upwards', HARD_LINK, { name: 'h', type: '1', link: '../secret' }],
  [
    'a hard link to a symbolic link',
    HARD_LINK,
    { name: 'l', type: '2', link: 'fine' },
    { name: 'h', type: '1', link: 'l' },
  ],
  ['a hard link to what comes later', HARD_LINK, { name: 'h', type: '1', link: 'later' }],
  ['a file twice', TWICE, { name: 'a', content: '1' }, { name: './a', content: '2' }],
  ['a symbolic link in place of a file', TWICE, { name: 'a', content: '1' }, { name: 'a', type: '2', link: 'fine' }],
  ['a file in place of a symbolic link', TWICE, { name: 'a', type: '2', link: 'fine' }, { name: 'a', content: '1' }],
  [
    'a file in place of a directory',
    'is a directory in one entry and something else in another',
    { name: 'd/f', content: '1' },
    { name: 'd', content: '2' },
  ],
  [
    'a symbolic link in place of a directory',
    'is a directory in one entry and something else in another',
    { name: 'd/f', content: '1' },
    { name: 'd', type: '2', link: '.' },
  ],
  [
    'a directory in place of a file',
    'is a directory in one entry and something else in another',
    { name: 'd', content: '1' },
    { name: 'd/', type: '5' },
  ],
  ['a file below a file', 'lies below a file', { name: 'd', content: '1' }, { name: 'd/f', content: '2' }],
];

const zipCases: Case<ZipInput>[] = [
  ['an absolute path', ABSOLUTE, { name: '/etc/evil', content: 'x' }],
  ["'..' at the start", PARENT, { name: '../evil', content: 'x' }],
  ['a drive letter', DRIVE, { name: 'c:/evil', content: 'x' }],
  ['backslashes', BACKSLASH, { name: '..\\..\\evil', content: 'x' }],
  ['a NUL', CONTROL, { name: 'a.txt\0.exe', content: 'x' }],
  ['a set-user-ID bit', SET_ID, { name: 'su', content: 'x', mode: 0o104755 }],
  ['a character device', 'is a character device', { name: 'null', mode: 0o020666 }],
  ['a fifo', 'is a fifo', { name: 'pipe', mode: 0o010666 }],
  ['a socket', 'is a socket', { name: 'sock', mode: 0o140666 }],
  ['a symbolic link to outside', OUTSIDE, { name: 'l', content: '../evil', mode: 0o120777 }],
  [
    'a symbolic link to an absolute path',
    'is a symbolic link with an absolute target',
    { name: 'l', content: '/etc', mode: 0o120777 },
  ],
  [
    'a file behind a symbolic link',
    'lies behind a symbolic link',
    { name: 'l', content: '.', mode: 0o120777 },
    { name: 'l/evil', content: 'x' },
  ],
  ['a file twice', TWICE, { name: 'a', content: '1' }, { name: 'a', content: '2' }],
  [
    'a file with the name of a directory',
    'is a file with the name of a directory',
    { name: 'd/', content: '', mode: 0o100644 },
  ],
];

interface Prepared {
  title: string;
  reason: string;
  bytes: Buffer;
  /** Entries that are fine: one more than those of the case. */
  fine: number;
}

const cases: Prepared[] = [
  ...tarCases.map(([title, reason, ...entries]) => ({
    title: `tar: ${title}`,
    reason,
    bytes: tar(FILE, ...entries),
    fine: entries.length,
  })),
  ...zipCases.map(([title, reason, ...entries]) => ({
    title: `zip: ${title}`,
    reason,
    bytes: zip([{ name: 'fine', content: 'fine' }, ...entries]),
    fine: entries.length,
  })),
];

/** A process has only so much time. */
const GROUP = 8;
const GROUPS = Array.from({ length: Math.ceil(cases.length / GROUP) }, (_, index) =>
  cases.slice(index * GROUP, (index + 1) * GROUP),
);

describe.each(USERS)('as %s', (user) => {
  it('refuses each by default, names it, and leaves nothing', async () => {
    for (const group of GROUPS) {
      const ends = await unpackAll(
        user,
        group.map(({ bytes }) => ({ bytes })),
      );
      const seen = ends.map(({ failure, tree }, index) => [
        group[index]?.title,
        failure?.code,
        failure?.message.includes(`: ${group[index]?.reason ?? ''}`),
        failure?.path?.includes('archive-'),
        tree,
      ]);
      expect(seen).toEqual(group.map(({ title }) => [title, 'ERR_CLOISTER_ARCHIVE', true, false, null]));
    }
  }, 240_000);

  it('skips each where that is asked for, lists it, and unpacks the rest', async () => {
    for (const group of GROUPS) {
      const ends = await unpackAll(
        user,
        group.map(({ bytes }) => ({ bytes, options: { onUnsafe: 'skip' } })),
      );
      const seen = ends.map(({ failure, result, tree }, index) => [
        group[index]?.title,
        failure,
        result?.skipped.map(({ reason }) => reason),
        result?.entries,
        tree?.includes('fine 100644 4'),
      ]);
      expect(seen).toEqual(group.map(({ title, reason, fine }) => [title, null, [reason], fine, true]));
    }
  }, 240_000);

  it('lists what it would refuse', async () => {
    const { entries } = await list(
      user,
      tar(FILE, { name: '../evil', content: 'x' }, { name: 'l', type: '2', link: '../x' }),
    );
    expect(entries.map(({ path, unsafe }) => [path, unsafe])).toEqual([
      ['fine', undefined],
      ['../evil', PARENT],
      ['l', OUTSIDE],
    ]);
  });

  it('reports names that only differ in case or in how accents are written, and unpacks them', async () => {
    const { result, tree } = await unpack(
      user,
      tar(
        { name: 'Read' },
        { name: 'read' },
        { name: 'D/a' },
        { name: 'd/b' },
        { name: 'e\u0301' },
        { name: '\u00e9' },
      ),
    );
    const reason = (other: string): string => `differs from ${other} only in case or in how accents are written`;
    expect(result.warnings).toEqual([
      { path: 'read', reason: reason('Read') },
      { path: 'd', reason: reason('D') },
      { path: '\u00e9', reason: reason('e\u0301') },
    ]);
    expect(tree).toHaveLength(8);
  });

  it('unpacks links that stay inside, and the same directory named more than once', async () => {
    const { tree } = await unpack(
      user,
      tar(
        { name: './', type: '5', mode: 0o755 },
        { name: 'a/up', type: '2', link: '..' },
        { name: 'a/b/file', content: 'x' },
        { name: 'a/b/', type: '5', mode: 0o755 },
        { name: 'a/', type: '5', mode: 0o700 },
        { name: 'through', type: '2', link: 'a/up/a/b/../b/file' },
        { name: 'dangling', type: '2', link: 'a/nothing/here' },
        { name: 'hard', type: '1', link: './a/b/file' },
      ),
    );
    expect(tree).toEqual([
      'a 40700',
      'a/b 40755',
      'a/b/file 100644 1',
      'a/up 120777 -> ..',
      'dangling 120777 -> a/nothing/here',
      'hard 100644 1',
      'through 120777 -> a/up/a/b/../b/file',
    ]);
  });

  it('drops links that only an unsafe one made to lead inside', async () => {
    const { result, tree } = await unpack(
      user,
      tar(
        { name: 'x/out', type: '2', link: '../..' },
        { name: 'l', type: '2', link: 'x/out/../fine' },
        { name: 'fine', content: 'x' },
      ),
      { onUnsafe: 'skip' },
    );
    expect(result.skipped.map(({ path }) => path)).toEqual(['x/out', 'l']);
    expect(tree).toEqual(['fine 100644 1', 'x 40755']);
  });
});
