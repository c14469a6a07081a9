import { describe, expect, test } from 'vitest';

import { TarParser } from '../../../lib/archive/worker/tar-parser.js';
import { gnuLong, tar, TAR_END, tarEntry, type TarEntry } from '../../support/raw-tar.js';

interface Seen {
  name: string;
  type: string | null;
  content: string;
}

/** All entries, with the archive in pieces of that size; every piece is overwritten once the parser has it. */
function parse(bytes: Buffer, piece = bytes.length): Seen[] {
  const seen: Seen[] = [];
  const parser = new TarParser(({ name, type }) => {
    const entry = { name, type, content: '' };
    seen.push(entry);
    return {
      write: (chunk) => {
        entry.content += Buffer.from(chunk).toString('latin1');
      },
      end: () => {
        entry.content += '$';
      },
    };
  });
  for (let at = 0; at < bytes.length; at += piece) {
    const chunk = Buffer.from(bytes.subarray(at, at + piece));
    parser.write(chunk);
    chunk.fill('!');
  }
  parser.end();
  return seen;
}

const ENTRIES: TarEntry[] = [
  { name: 'empty' },
  { name: 'a', content: 'x'.repeat(513) },
  { name: 'p', content: '1', pax: { path: 'ünder/pax', mtime: '1.5' } },
  { name: 'd/', type: '5' },
];
const LONG = 'long/'.repeat(60);
const BYTES = Buffer.concat([
  ...ENTRIES.map(tarEntry),
  gnuLong('L', LONG),
  tarEntry({ name: 'short', content: 'long', magic: 'gnu' }),
  TAR_END,
]);
const SEEN: Seen[] = [
  { name: 'empty', type: 'file', content: '$' },
  { name: 'a', type: 'file', content: `${'x'.repeat(513)}$` },
  { name: 'ünder/pax', type: 'file', content: '1$' },
  { name: 'd/', type: 'directory', content: '$' },
  { name: LONG, type: 'file', content: 'long$' },
];

describe('a tar', () => {
  test.each([1, 7, 511, 512, 513, 1024, 4096, BYTES.length])('is read the same in pieces of %i bytes', (piece) => {
    expect(parse(BYTES, piece)).toEqual(SEEN);
  });

  test('has global headers for all entries behind, which those of an entry go before', () => {
    const global = { ...tarEntryOf({ comment: 'x', path: 'g' }), type: 'g' };
    const bytes = Buffer.concat([tarEntry(global), tar({ name: 'a' }, { name: 'b', pax: { path: 'own' } })]);
    expect(parse(bytes).map(({ name }) => name)).toEqual(['g', 'own']);
  });

  test.each<[string, RegExp, Buffer]>([
    ['a header', /ends too early/, BYTES.subarray(0, 300)],
    ['content', /ends too early/, tar({ name: 'a', content: 'x' }).subarray(0, 512)],
    ['padding', /ends too early/, tar({ name: 'a', content: 'x' }).subarray(0, 600)],
    ['entries', /no end-of-archive block/, tar({ name: 'a' }).subarray(0, 512)],
    ['a long name and its entry', /end-of-archive/, Buffer.concat([gnuLong('L', 'n'), TAR_END])],
  ])('that is cut off within %s is an error', (_, message, bytes) => {
    expect(() => parse(bytes)).toThrow(message);
  });

  test.each<[string, Record<string, string> | string]>([
    ['a length that is too large', '99 path=x\n'],
    ['a length that is too small', '5 path=x\n'],
    ['no length', ' path=x\n'],
    ['no key', '4 x\n'],
    ['a record and something else', '10 path=x\nrest'],
    ['a size that is none', { size: '-1' }],
    ['a size with something behind it', { size: '1x' }],
    ['a size beyond all numbers', { size: '99999999999999999999' }],
  ])('with %s in a pax header is an error', (_, pax) => {
    const bytes =
      typeof pax === 'string'
        ? Buffer.concat([tarEntry({ name: 'pax', type: 'x', content: pax }), tar({ name: 'a' })])
        : tar({ name: 'a', content: 'x', pax });
    expect(() => parse(bytes)).toThrow(/wrong record|numbers that are none/);
  });

  test('has the size that pax says', () => {
    expect(parse(tar({ name: 'a', content: 'abc', size: 0, pax: { size: '3' } }))[0]?.content).toBe('abc$');
  });

  test('with a header of gigabytes is an error before any of it is kept', () => {
    expect(() => parse(tarEntry({ name: 'x', type: 'x', size: 2 ** 32 }))).toThrow(/a header of 4294967296 bytes/);
  });
});

/** A pax header alone. */
function tarEntryOf(records: Readonly<Record<string, string>>): TarEntry {
  const whole = tarEntry({ name: 'a', pax: records });
  const size = Number.parseInt(whole.toString('latin1', 124, 135), 8);
  return { name: 'pax', content: whole.subarray(512, 512 + size) };
}
