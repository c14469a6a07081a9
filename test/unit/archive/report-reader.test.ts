import { describe, expect, test } from 'vitest';

import { ReportReader } from '../../../lib/archive/report-reader.js';

const line = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`);
const DONE = { type: 'done', format: 'zip', entries: 1, bytes: 2 };

function read(...chunks: Buffer[]): ReportReader {
  const reader = new ReportReader(undefined);
  for (const chunk of chunks) {
    reader.take(chunk);
  }
  return reader;
}

describe('reports of the unpacker', () => {
  test('are lines, however they arrive', () => {
    const bytes = Buffer.concat([line({ type: 'skipped', path: 'ä', reason: 'r' }), line(DONE)]);
    const reader = read(...Array.from(bytes, (byte) => Buffer.from([byte])));
    expect([reader.problem, reader.skipped, reader.last]).toEqual([null, [{ path: 'ä', reason: 'r' }], DONE]);
  });

  test('are kept without what is not known, and without what acts on a terminal', () => {
    const reader = read(
      line({ type: 'warning', path: 'a\x1b[2J', reason: '\u202e', more: 1 }),
      line({ type: 'entry', entry: { path: 'p', type: 'file', size: 1, mode: null, mtime: 0.5, extra: true } }),
    );
    expect(reader.warnings).toEqual([{ path: 'a\\u001b[2J', reason: '\\u202e' }]);
    expect(reader.entries).toEqual([{ path: 'p', type: 'file', size: 1, mode: null, mtime: 0.5 }]);
  });

  test.each<[string, unknown]>([
    ['no object', 1],
    ['null', null],
    ['no type', {}],
    ['an unknown type', { type: 'exec' }],
    ['a path that is none', { type: 'skipped', path: 1, reason: '' }],
    ['a fraction beyond 1', { type: 'progress', entries: 0, bytes: 0, fraction: 1.1 }],
    ['a fraction that is none', { type: 'progress', entries: 0, bytes: 0, fraction: null }],
    ['a negative count', { ...DONE, bytes: -1 }],
    ['half an entry', { ...DONE, entries: 0.5 }],
    ['a format of its own', { ...DONE, format: 'rar' }],
    ['an unknown failure', { type: 'failed', kind: 'fine', message: '' }],
    ['an entry of an unknown type', { type: 'entry', entry: { path: '', type: 'x', size: 0, mode: 0, mtime: 0 } }],
  ])('are over at %s', (_, value) => {
    expect(read(line(value)).problem).toBe('a line of an unknown form');
  });

  test('are over at what is no JSON, at a line without an end, and at more behind the last', () => {
    expect(read(Buffer.from('hello\n')).problem).toBe('a line that is no JSON');
    expect(read(Buffer.alloc(70_000, 'x')).problem).toBe('a line that is too long');
    expect(read(line(DONE), line(DONE)).problem).toBe('a line of an unknown form');
  });

  test('end with what the listener throws, which hears of nothing more', () => {
    let calls = 0;
    const reader = new ReportReader(() => {
      calls++;
      throw new RangeError('mine');
    });
    const progress = line({ type: 'progress', entries: 0, bytes: 0, fraction: 0 });
    expect([reader.take(progress), reader.take(progress)]).toEqual([false, false]);
    expect([calls, reader.listenerError?.thrown]).toEqual([1, new RangeError('mine')]);
  });

  test('have no part in what is kept of standard error but its first part', () => {
    const reader = new ReportReader(undefined);
    reader.takeError(Buffer.from('a\x1b[2J\n'));
    reader.takeError(Buffer.alloc(9000, 'b'));
    expect(reader.errorText.slice(0, 7)).toBe('a?[2J\nb');
    expect(reader.errorText).toHaveLength(2000);
  });
});
