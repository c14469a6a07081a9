/** Ranges of numbers against sets of them: a range never misses a number that its tests let through, and one that is alone is found. */

import { expect, test } from 'vitest';

import {
  afterNumberTest,
  ANY_NUMBER,
  type NumberRange,
  onlyNumber,
  unionOf,
} from '../../../lib/filter/number-range.js';

const SMALL: NumberRange = { lowest: 0, highest: 15, except: [] };
const numbersOf = ({ lowest, highest, except }: NumberRange): number[] =>
  Array.from({ length: highest - lowest + 1 }, (_, index) => lowest + index).filter((n) => !except.includes(n));

const TESTS: [string, (n: number, k: number) => boolean][] = [
  ['jeq', (n, k) => n === k],
  ['jge', (n, k) => n >= k],
];

/** Every range that two tests make of SMALL, with the numbers that pass them. */
const cases = [...Array(16).keys()].flatMap((k) =>
  TESTS.flatMap(([operation, holds]) =>
    [true, false].map((passed) => ({
      narrow: (range: NumberRange) => afterNumberTest(range, operation, k, passed),
      passes: (n: number) => holds(n, k) === passed,
    })),
  ),
);
const pairs = cases.flatMap((first) =>
  cases.map((second) => ({
    range: second.narrow(first.narrow(SMALL)),
    numbers: numbersOf(SMALL).filter((n) => first.passes(n) && second.passes(n)),
  })),
);

test('tests leave exactly the numbers that pass them', () => {
  for (const { range, numbers } of pairs.filter((pair) => pair.numbers.length > 0)) {
    expect(numbersOf(range)).toEqual(numbers);
    expect(onlyNumber(range)).toBe(numbers.length === 1 ? numbers[0] : undefined);
  }
});

test('where ways meet no number is missed', () => {
  const some = pairs.filter((pair) => pair.numbers.length > 0).filter((_, index) => index % 17 === 0);
  for (const a of some) {
    for (const b of some) {
      const both = numbersOf(unionOf(a.range, b.range));
      expect(both).toEqual(expect.arrayContaining([...a.numbers, ...b.numbers]));
    }
  }
});

test('however many numbers are excepted, the list stays short', () => {
  let range = ANY_NUMBER;
  for (let k = 1; k < 5000; k += 2) {
    range = afterNumberTest(range, 'jeq', k, false);
  }
  expect(range.except.length).toBeLessThan(100);
  expect(unionOf(range, range).except.length).toBeLessThan(100);
});
