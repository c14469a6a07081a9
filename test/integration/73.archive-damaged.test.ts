/** Archives that are not whole, or contradict themselves: refused as a whole, whatever onUnsafe says. */

import { execFileSync } from 'node:child_process';
import { deflateRawSync, gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { unpackAll } from '../support/archives.js';
import { USERS } from '../support/in-subprocess.js';
import { tar, tarEntry, TAR_END } from '../support/raw-tar.js';
import { extraField, unicodeName, zip } from '../support/raw-zip.js';

const CONTENT = Buffer.from('some content, '.repeat(500));
const TAR = tar({ name: 'a', content: CONTENT }, { name: 'b', content: CONTENT });

function compress(command: string, ...args: string[]): Buffer {
  return execFileSync(command, [...args, '-c'], { input: TAR });
}

function flipped(bytes: Buffer, position: number): Buffer {
  const copy = Buffer.from(bytes);
  const at = position < 0 ? copy.length + position : position;
  copy[at] = (copy[at] ?? 0) ^ 0x55;
  return copy;
}

const cut = (bytes: Buffer, from = 0.6): Buffer => bytes.subarray(0, Math.floor(bytes.length * from));
const junk = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.from('junk!')]);

const gz = gzipSync(TAR);
const bz2 = compress('bzip2');
const xz = compress('xz');
const zst = compress('zstd', '-q', '--check');
const ZIP = zip([
  { name: 'a', content: CONTENT },
  { name: 'b', content: CONTENT },
]);
const one = { name: 'a', content: CONTENT };
const data = deflateRawSync(CONTENT);

/** The second one, with the first one's local entry in front of it. */
function hiding(hidden: Buffer, shown: Buffer): Buffer {
  const entry = hidden.subarray(0, hidden.indexOf('PK\x01\x02', 0, 'latin1'));
  const bytes = Buffer.concat([entry, shown]);
  const end = bytes.length - 22;
  const directory = bytes.readUInt32LE(end + 16) + entry.length;
  bytes.writeUInt32LE(directory, end + 16);
  bytes.writeUInt32LE(entry.length, directory + 42);
  return bytes;
}

const CASES: [title: string, reason: RegExp, bytes: Buffer][] = [
  ['an empty file', /is empty/, Buffer.alloc(0)],
  ['no archive', /no archive of a known format/, Buffer.from('hello '.repeat(200))],
  ['gzip of no tar', /no whole tar file/, gzipSync(Buffer.from('hello '.repeat(200)))],
  ['tar cut off within content', /no whole tar file/, cut(TAR)],
  ['tar cut off between entries', /no end-of-archive block/, TAR.subarray(0, TAR.length - TAR_END.length)],
  ['tar with bytes behind the end', /no whole tar file/, junk(TAR)],
  ['tar with a wrong header checksum', /no whole tar file|known format/, flipped(TAR, 3)],
  [
    'tar with a wrong second header',
    /no whole tar file/,
    flipped(TAR, 512 + Math.ceil(CONTENT.length / 512) * 512 + 3),
  ],
  [
    'tar with a size that is none',
    /numbers that are none|no whole tar file/,
    tar({ name: 'a', patch: (header) => header.write('zzzzzzzzzzz', 124) }),
  ],
  [
    'tar with a negative size',
    /numbers that are none|no whole tar file/,
    tar({ name: 'a', patch: (header) => header.fill(0xff, 124, 130) }),
  ],
  [
    'tar with a pax header of gigabytes',
    /no whole tar file/,
    Buffer.concat([tarEntry({ name: 'p', type: 'x', size: 2 ** 32 }), TAR_END]),
  ],
  ['old GNU sparse files', /not supported/, tar({ name: 's', type: 'S', content: 'x', magic: 'gnu' })],
  [
    'pax sparse files',
    /sparse file/,
    tar({ name: 's', content: 'x', pax: { 'GNU.sparse.major': '1', 'GNU.sparse.name': 'real' } }),
  ],
  [
    'tar with a directory that has content',
    /d\/: is a directory with content/,
    tar({ name: 'd/', type: '5', size: 512 }),
  ],
  [
    'tar with a link that has content',
    /l: is a link or device with content/,
    tar({ name: 'l', type: '2', link: 'a', content: 'x' }),
  ],
  [
    'tar with a hard link that hides an entry in its content',
    /h: is a link or device with content/,
    tar({ name: 'a', content: 'x' }, { name: 'h', type: '1', link: 'a', content: tarEntry({ name: 'hidden' }) }),
  ],
  ['gzip cut off', /no whole gz file/, cut(gz)],
  ['gzip without its trailer', /no whole gz file/, gz.subarray(0, gz.length - 5)],
  ['gzip with a wrong checksum', /no whole gz file/, flipped(gz, -6)],
  ['gzip with a wrong length', /no whole gz file/, flipped(gz, -1)],
  ['gzip with bytes behind the end', /no whole gz file/, junk(gz)],
  ['gzip with bytes behind zeros', /bytes behind the end/, junk(Buffer.concat([gz, Buffer.alloc(100)]))],
  ['bzip2 cut off', /no whole bz2 file|ends too early/, cut(bz2)],
  ['bzip2 with wrong data', /no whole bz2 file|wrong checksum/, flipped(bz2, Math.floor(bz2.length / 2))],
  ['bzip2 with a wrong checksum', /no whole bz2 file|wrong checksum/, flipped(bz2, -2)],
  ['bzip2 with bytes behind the end', /no whole bz2 file|too early/, junk(bz2)],
  ['xz cut off', /no whole xz file/, cut(xz)],
  ['xz with wrong data', /no whole xz file/, flipped(xz, Math.floor(xz.length / 2))],
  ['xz with bytes behind the end', /no whole xz file/, junk(xz)],
  ['zstd cut off', /no whole zst file/, cut(zst)],
  ['zstd with a wrong checksum', /damaged data/, flipped(zst, -1)],
  ['zstd with bytes behind the end', /damaged data|no whole zst file/, junk(zst)],
  ['zip cut off', /no whole zip file/, cut(ZIP)],
  ['zip with bytes behind the end', /no whole zip file/, junk(ZIP)],
  ['zip with a wrong checksum', /a: has a wrong checksum/, zip([{ ...one, fields: { crc: 1 } }])],
  ['zip with damaged data', /a: has damaged data/, zip([{ ...one, data: flipped(data, 3) }])],
  ['zip larger than it says', /a: (is larger|has damaged data)/, zip([{ ...one, fields: { size: 5 } }])],
  ['zip smaller than it says', /a: is smaller/, zip([{ ...one, fields: { size: CONTENT.length + 5 } }])],
  [
    'zip with bytes behind its data',
    /a: has bytes behind/,
    zip([{ ...one, data: Buffer.concat([data, Buffer.from('more')]) }]),
  ],
  [
    'zip with another local name',
    /another name in its own header/,
    zip([{ ...one, local: { name: Buffer.from('b') } }]),
  ],
  ['zip with another local method', /another compression method/, zip([{ ...one, local: { method: 0 } }])],
  ['zip with another local size', /another size/, zip([{ ...one, local: { size: 1 } }])],
  ['zip with another local checksum', /another checksum/, zip([{ ...one, local: { crc: 1 } }])],
  ['zip with another local flag', /another flag/, zip([{ ...one, local: { flags: 0 } }])],
  ['zip with a wrong data descriptor', /data descriptor/, zip([{ ...one, descriptor: 'bad' }])],
  [
    'zip with two entries at one place',
    /overlaps the entry before it/,
    zip([one, { name: 'a', content: CONTENT, central: { offset: 0 } }]),
  ],
  [
    'zip with an entry in another',
    /overlaps|no whole zip/,
    zip([
      { name: 'outer', content: zip([one]), method: 0 },
      { ...one, central: { offset: 35 } },
    ]),
  ],
  [
    'zip with more entries than it counts',
    /more in its directory/,
    zip([one, { name: 'b', content: 'x' }], { count: 1 }),
  ],
  ['zip with fewer entries than it counts', /no whole zip file|ends too early/, zip([one], { count: 2 })],
  [
    'zip with an entry that is not in its directory',
    /has an entry that is not in its directory/,
    hiding(zip([{ name: 'hidden', content: 'x' }]), zip([one])),
  ],
  [
    'zip with another name in the Unicode field of its own header',
    /another name in its own header/,
    zip([{ ...one, local: { extra: unicodeName('a', 'b') } }]),
  ],
  [
    'zip with a field that is too long in its own header',
    /no whole zip file/,
    zip([{ ...one, local: { extra: extraField(9, Buffer.alloc(4)).subarray(0, 6) } }]),
  ],
  ['zip that is encrypted', /a: is encrypted, which is not supported/, zip([{ ...one, flags: 0x801 }])],
  ['zip by another method', /compressed by method 14/, zip([{ ...one, method: 14 }])],
  [
    'zip with a directory that has content',
    /directory with content/,
    zip([{ name: 'd/', content: 'x', method: 0, mode: 0o040755 }]),
  ],
  [
    'zip with a field that is too long',
    /no whole zip file/,
    zip([{ ...one, fields: { extra: extraField(9, Buffer.alloc(4)).subarray(0, 6) } }]),
  ],
];

/** A process has only so much time. */
const GROUP = 9;
const GROUPS = Array.from({ length: Math.ceil(CASES.length / GROUP) }, (_, index) =>
  CASES.slice(index * GROUP, (index + 1) * GROUP),
);

describe.each(USERS)('as %s', (user) => {
  it('refuses each, says why, and leaves nothing', async () => {
    for (const group of GROUPS) {
      const ends = await unpackAll(
        user,
        group.map(([, , bytes]) => ({ bytes, options: { onUnsafe: 'skip' } })),
      );
      const seen = ends.map(({ failure, tree }, index) => {
        const [title, reason] = group[index] ?? ['', /^$/];
        return [title, failure?.code, reason.test(failure?.message ?? '') || failure?.message, tree];
      });
      expect(seen).toEqual(group.map(([title]) => [title, 'ERR_CLOISTER_ARCHIVE', true, null]));
    }
  }, 240_000);

  it('takes what only looks odd', async () => {
    const ends = await unpackAll(user, [
      { bytes: zip([one], { comment: 'a comment' }) },
      { bytes: zip([one], { prefix: Buffer.from('#!/bin/sh\n') }), options: { format: 'zip' } },
      { bytes: Buffer.concat([TAR, Buffer.alloc(20 * 512)]) },
      { bytes: compress('xz', '--check=crc32') },
      { bytes: Buffer.concat([xz, xz.subarray(0, 0)]) },
    ]);
    expect(ends.map(({ failure, tree }) => [failure, tree?.[0]])).toEqual(
      ends.map(() => [null, `a 100644 ${String(CONTENT.length)}`]),
    );
  }, 60_000);
});
