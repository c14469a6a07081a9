import { describe, expect, test } from 'vitest';

import { downgrade, type LandlockWish, rightsOfLetters } from '../../../lib/plan/landlock.js';
import { FS_RIGHTS, NET_RIGHTS, SCOPES } from '../../../lib/plan/landlock-rights.js';

/** Every erratum that is known, mended. */
const MENDED = 7;
const NOTHING: LandlockWish = { files: [], tcp: false, scope: false, truncationFiltered: false };

/** Number of rights handled, and the features that are missing. */
function answer(wish: Partial<LandlockWish>, abi: number, errata = MENDED): string {
  const { rights, missing } = downgrade({ ...NOTHING, ...wish }, { abi, errata });
  const counts = [rights.handledFs, rights.handledNet, rights.scoped].map((names) => names.length).join('+');
  return [counts, ...missing.map(({ feature }) => feature.split(':')[0])].join(' ');
}

const ABIS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 99];

/** Policies against every ABI: what is handled (files+ports+scopes), and what is missing. */
const TABLE: { title: string; wish: Partial<LandlockWish>; answers: Record<number, string> }[] = [
  { title: 'nothing', wish: {}, answers: Object.fromEntries(ABIS.map((abi) => [abi, '0+0+0'])) },
  {
    title: 'files',
    wish: { files: 'all' },
    answers: {
      0: '0+0+0 unveil',
      1: '13+0+0 unveil',
      2: '14+0+0 unveil',
      3: '15+0+0',
      4: '15+0+0',
      5: '16+0+0',
      6: '16+0+0',
      7: '16+0+0',
      8: '16+0+0',
      9: '17+0+0',
      10: '17+0+0',
      99: '17+0+0',
    },
  },
  {
    title: 'files, with a filter against truncation',
    wish: { files: 'all', truncationFiltered: true },
    answers: { 0: '0+0+0 unveil', 1: '13+0+0', 2: '14+0+0', 3: '15+0+0' },
  },
  {
    title: 'reading alone',
    wish: { files: ['reading'] },
    answers: { 0: '0+0+0 pledge', 1: '2+0+0', 2: '3+0+0', 10: '3+0+0' },
  },
  {
    title: 'temporary files alone',
    wish: { files: ['temporary'] },
    answers: { 0: '0+0+0 pledge', 1: '2+0+0', 2: '3+0+0', 10: '3+0+0' },
  },
  {
    title: 'temporary files and reading',
    wish: { files: ['reading', 'temporary'] },
    answers: { 0: '0+0+0 pledge', 1: '4+0+0', 2: '5+0+0', 10: '5+0+0' },
  },
  {
    title: 'ports',
    wish: { tcp: true },
    answers: { 0: '0+0+0 tcp', 3: '0+0+0 tcp', 4: '0+2+0', 10: '0+2+0' },
  },
  {
    title: 'scopes, asked for',
    wish: { scope: true },
    answers: { 0: '0+0+0 scope', 5: '0+0+0 scope', 6: '0+0+2', 7: '0+0+2', 8: '0+0+2' },
  },
  {
    title: 'scopes, by default: where the kernel gives all threads one domain',
    wish: { scope: undefined },
    answers: { 0: '0+0+0', 6: '0+0+0', 7: '0+0+0', 8: '0+0+2', 10: '0+0+2' },
  },
  {
    title: 'everything',
    wish: { files: 'all', tcp: true, scope: true },
    answers: { 0: '0+0+0 unveil tcp scope', 4: '15+2+0 scope', 6: '16+2+2', 99: '17+2+2' },
  },
];

describe('a wish is cut down to what the ABI knows, and the rest is named', () => {
  for (const { title, wish, answers } of TABLE) {
    test(title, () => {
      const given = Object.keys(answers).map(Number);
      expect(Object.fromEntries(given.map((abi) => [abi, answer(wish, abi)]))).toEqual(answers);
    });
  }

  test('a signal scope that would part threads is not used, until the kernel syncs them', () => {
    const unmended = 0;
    expect(answer({ scope: true }, 6, unmended)).toBe('0+0+0 scope');
    expect(answer({ scope: true }, 8, unmended)).toBe('0+0+2');
  });

  test('the reason names the ABI that is there and the release that is needed', () => {
    const { missing } = downgrade({ ...NOTHING, tcp: true }, { abi: 2, errata: 0 });
    expect(missing).toEqual([{ feature: 'tcp', reason: 'this kernel has Landlock ABI 2; it takes ABI 4 (Linux 6.7)' }]);
  });
});

describe('letters of unveil', () => {
  const letters = (text: string) => ({
    read: text.includes('r'),
    write: text.includes('w'),
    execute: text.includes('x'),
    create: text.includes('c'),
  });

  test('together with the rights for device nodes they are all that there is', () => {
    const granted = new Set(rightsOfLetters(letters('rwxc'), 10, true));
    const never = Object.keys(FS_RIGHTS).filter((right) => !granted.has(right as keyof typeof FS_RIGHTS));
    expect(never).toEqual(['make-char', 'make-block']);
  });

  test('no right stands for two letters', () => {
    const all = ['r', 'w', 'x', 'c'].flatMap((letter) => rightsOfLetters(letters(letter), 10, true));
    expect(new Set(all).size).toBe(all.length);
  });

  test('a file gets what concerns its content, a directory what concerns its names as well', () => {
    expect(rightsOfLetters(letters('r'), 10, false)).toEqual(['read-file']);
    expect(rightsOfLetters(letters('r'), 10, true)).toEqual(['read-file', 'read-dir']);
    expect(rightsOfLetters(letters('c'), 10, false)).toEqual([]);
    expect(rightsOfLetters(letters('c'), 10, true)).toContain('refer');
  });

  test('rights that the kernel does not know are left out', () => {
    expect(rightsOfLetters(letters('w'), 1, false)).toEqual(['write-file']);
    expect(rightsOfLetters(letters('w'), 3, false)).toEqual(['write-file', 'truncate']);
    expect(rightsOfLetters(letters('w'), 9, false)).toEqual(['write-file', 'truncate', 'ioctl-dev', 'resolve-unix']);
    expect(rightsOfLetters(letters('c'), 1, true)).not.toContain('refer');
  });
});

test('the lists begin with ABI 1 and end with the newest one that is known', () => {
  const abis = [FS_RIGHTS, NET_RIGHTS, SCOPES].flatMap((list) => Object.values(list).map(({ abi }) => abi));
  expect([Math.min(...abis), Math.max(...abis)]).toEqual([1, 10]);
});
