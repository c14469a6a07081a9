import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { editDistance, suggest } from '../../lib/util/suggest.js';
import { BYTES_PATTERN, DURATION_PATTERN, parseBytes, parseDuration } from '../../lib/util/units.js';
import { components, hasParentReference, isWithin, join, resolveFrom, tidy } from '../../lib/util/paths.js';

describe('bytes', () => {
  test.each([
    ['0', 0],
    ['1', 1],
    ['1b', 1],
    ['512k', 512 * 1024],
    ['512K', 512 * 1024],
    ['64MiB', 64 * 2 ** 20],
    ['64mib', 64 * 2 ** 20],
    ['64M', 64 * 2 ** 20],
    ['64MB', 64e6],
    ['1.5GB', 1.5e9],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['1.1GB', 1_100_000_000],
    ['0.5k', 512],
    ['2 TiB', 2 ** 41],
    [' 7 ', 7],
  ])('reads %j as %d', (text, value) => {
    expect(parseBytes(text)).toEqual({ value });
    expect(text).toMatch(new RegExp(BYTES_PATTERN));
  });

  test.each([
    ['', 'not understood'],
    ['MiB', 'not understood'],
    ['-1', 'not understood'],
    ['1e3', 'not understood'],
    ['0x10', 'not understood'],
    ['1.', 'not understood'],
    ['.5', 'not understood'],
    ['Infinity', 'not understood'],
    ['5 parsecs', "unknown unit 'parsecs'"],
    ['1 constructor', "unknown unit 'constructor'"],
    ['0.3b', 'whole number of bytes'],
    ['0.0001k', 'whole number of bytes'],
    ['9000000T', 'too large'],
    ['1'.repeat(41), 'not understood'],
  ])('refuses %j: %s', (text, problem) => {
    expect(parseBytes(text)).toEqual({ problem: expect.stringContaining(problem) as unknown });
  });

  test.each([
    [Number.NaN, 'not a number'],
    [-1, 'negative'],
    [0.5, 'whole number'],
    [Number.POSITIVE_INFINITY, 'too large'],
    [2 ** 53, 'too large'],
  ])('refuses the number %d: %s', (number, problem) => {
    expect(parseBytes(number)).toEqual({ problem: expect.stringContaining(problem) as unknown });
  });

  test('reads back every whole number of a unit', () => {
    fc.assert(
      fc.property(fc.nat({ max: 4096 }), fc.constantFrom('k', 'MiB', 'GB', 'G', ''), (count, unit) => {
        const factor = { k: 1024, MiB: 2 ** 20, GB: 1e9, G: 2 ** 30, '': 1 }[unit];
        expect(parseBytes(`${String(count)}${unit}`)).toEqual({ value: count * factor });
      }),
    );
  });

  test('answers any text with a safe whole number or a problem', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const parsed = parseBytes(text);
        expect('problem' in parsed || (Number.isSafeInteger(parsed.value) && parsed.value >= 0)).toBe(true);
      }),
    );
  });
});

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['10s', 10_000],
    ['5m', 300_000],
    ['5min', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1.5s', 1500],
    ['0.1s', 100],
    ['250', 250],
  ])('reads %j as %d ms', (text, value) => {
    expect(parseDuration(text)).toEqual({ value });
    expect(text).toMatch(new RegExp(DURATION_PATTERN));
  });

  test.each(['', 's', '5 fortnights', '1e3', '-5s', '99999999999999d'])('refuses %j', (text) => {
    expect(parseDuration(text)).toHaveProperty('problem');
  });

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('refuses the number %d', (number) => {
    expect(parseDuration(number)).toHaveProperty('problem');
  });

  test('takes a fraction of a millisecond', () => {
    expect(parseDuration(0.5)).toEqual({ value: 0.5 });
  });
});

describe('suggestions', () => {
  test.each([
    ['unvail', 'unveil'],
    ['unviel', 'unveil'],
    ['Unveil', 'unveil'],
    ['limit', 'limits'],
    ['mount', 'mounts'],
    ['hostnmae', 'hostname'],
  ])('takes %s for %s', (word, meant) => {
    expect(suggest(word, ['unveil', 'limits', 'mounts', 'hostname', 'net'])).toBe(meant);
  });

  test.each(['zzz', 'completely different', 'x'.repeat(100_000), ''])('has none for %.20s', (word) => {
    expect(suggest(word, ['unveil', 'limits'])).toBeUndefined();
  });

  test('measures distance alike from both ends', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe('paths', () => {
  test('resolves as a shell would', () => {
    expect(resolveFrom('/work', '/home/u', 'x/../y')).toBe('/work/y');
    expect(resolveFrom('/work', '/home/u', '~/x')).toBe('/home/u/x');
    expect(resolveFrom('/work', '/home/u', '~')).toBe('/home/u');
    expect(resolveFrom('/work', '/home/u', '~user/x')).toBe('/work/~user/x');
    expect(resolveFrom('/work', '/home/u', '/a//b/')).toBe('/a/b');
  });

  test('compares whole names', () => {
    expect(isWithin('/a/b', '/a')).toBe(true);
    expect(isWithin('/ab', '/a')).toBe(false);
    expect(isWithin('/a', '/')).toBe(true);
    expect(isWithin('/a', '/a')).toBe(true);
  });

  test('keeps what it cannot know', () => {
    expect(tidy('//a/./b/')).toBe('/a/b');
    expect(tidy('/')).toBe('/');
    expect(components('/a/../b')).toEqual(['a', '..', 'b']);
    expect(hasParentReference('/a/../b')).toBe(true);
    expect(hasParentReference('/a/..b')).toBe(false);
    expect(join('/', 'a')).toBe('/a');
  });
});
