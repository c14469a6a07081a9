import { describe, expect, test } from 'vitest';

import { Admission } from '../../../lib/archive/worker/admission.js';
import { Budget } from '../../../lib/archive/worker/budget.js';
import type { EntryHead } from '../../../lib/archive/worker/entry.js';

const head = (name: string, kind: EntryHead['kind'] = 'file', target?: string): EntryHead => ({
  name,
  kind,
  size: 0,
  mode: null,
  mtime: null,
  ...(target === undefined ? {} : { target }),
});

function admitAll(...heads: EntryHead[]): { verdicts: unknown[]; collisions: [string, string][]; implied: number } {
  const collisions: [string, string][] = [];
  let implied = 0;
  const admission = new Admission(
    (path, other) => collisions.push([path, other]),
    (count) => {
      implied += count;
    },
  );
  const verdicts = heads.map((each) => {
    const verdict = admission.admit(each);
    return 'unsafe' in verdict ? verdict.unsafe : verdict.path;
  });
  return { verdicts, collisions, implied };
}

describe('entries', () => {
  test('imply the directories above them once', () => {
    expect(admitAll(head('a/b/c'), head('a/b/d'), head('a/e'))).toEqual({
      verdicts: ['a/b/c', 'a/b/d', 'a/e'],
      collisions: [],
      implied: 2,
    });
  });

  test('are refused where an earlier one is in the way, by the name that both mean', () => {
    const { verdicts } = admitAll(
      head('f'),
      head('./f'),
      head('f/x'),
      head('l', 'symlink', 'f'),
      head('l/x'),
      head('d', 'directory'),
      head('d/', 'directory'),
      head('d'),
      head('f/', 'directory'),
    );
    expect(verdicts).toEqual([
      'f',
      'has the same name as an entry before it',
      'lies below a file',
      'l',
      'lies behind a symbolic link',
      'd',
      'd',
      'is a directory in one entry and something else in another',
      'is a directory in one entry and something else in another',
    ]);
  });

  test('that are refused imply nothing', () => {
    expect(admitAll({ ...head('a/b/su'), mode: 0o4755 }, head('a')).implied).toBe(0);
  });

  test('with one name by other rules are told, once for each', () => {
    expect(admitAll(head('A/x'), head('a/x'), head('a/X')).collisions).toEqual([
      ['a', 'A'],
      ['a/x', 'A/x'],
      ['a/X', 'A/x'],
    ]);
  });

  test('drop links for as long as one that is dropped leaves another to nowhere good', () => {
    const admission = new Admission(
      () => undefined,
      () => undefined,
    );
    const links = [
      { path: 'a', to: '..' },
      { path: 'b', to: 'a/../c' },
      { path: 'c', to: 'fine' },
    ];
    for (const { path, to } of links) {
      admission.admit(head(path, 'symlink', to));
    }
    const dropped: string[] = [];
    const left = admission.settleLinks(links, ({ path }) => dropped.push(path));
    expect([dropped, left.map(({ path }) => path)]).toEqual([['a', 'b'], ['c']]);
  });
});

describe('a budget', () => {
  const limits = { entries: 2, totalSize: 10, fileSize: 6, ratio: 2, ratioFrom: 4, wallTime: 1, memory: 1 };
  test.each<[string, RegExp, (budget: Budget) => void]>([
    [
      'entries',
      /more than 2 entries/,
      (budget) => {
        budget.implied(3);
      },
    ],
    [
      'a promised number of entries',
      /has 3 entries/,
      (budget) => {
        budget.expectEntries(3);
      },
    ],
    [
      'the size of a file',
      /limits.fileSize is 6/,
      (budget) => {
        budget.entry('a', 7);
      },
    ],
    [
      'all sizes',
      /limits.totalSize/,
      (budget) => {
        budget.entry('a', 6);
        budget.entry('b', 5);
      },
    ],
    [
      'the ratio',
      /more than 2 times/,
      (budget) => {
        budget.unpacked(4);
        budget.unpacked(3);
      },
    ],
    [
      'names',
      /names of more than/,
      (budget) => {
        budget.entry('n'.repeat(2 ** 26 + 1), 0);
      },
    ],
  ])('ends at %s', (_, message, spend) => {
    expect(() => {
      spend(new Budget(limits, 3));
    }).toThrow(message);
  });

  test('is not spent by exactly as much', () => {
    const budget = new Budget(limits, 3);
    budget.expectEntries(2);
    budget.entry('a', 6);
    budget.entry('b', 4);
    budget.unpacked(6);
  });
});
