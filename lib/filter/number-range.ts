/** Which numbers of calls can reach a place in a program, as far as its tests tell. */

export interface NumberRange {
  readonly lowest: number;
  readonly highest: number;
  /** Numbers in between that cannot. */
  readonly except: readonly number[];
}

const LARGEST = 0xffffffff;
/** More are forgotten: a range that is too large costs a comment, a long list costs time in programs of strangers. */
const MOST_EXCEPTIONS = 64;

export const ANY_NUMBER: NumberRange = { lowest: 0, highest: LARGEST, except: [] };

/** What a test of the number leaves of a range. Tests that say nothing about ranges leave it whole. */
export function afterNumberTest(range: NumberRange, operation: string, k: number, passed: boolean): NumberRange {
  if (operation === 'jeq') {
    return passed
      ? { lowest: k, highest: k, except: [] }
      : trimmed({ ...range, except: [k, ...range.except].slice(0, MOST_EXCEPTIONS) });
  }
  if (operation === 'jge') {
    return trimmed(
      passed ? { ...range, lowest: Math.max(range.lowest, k) } : { ...range, highest: Math.min(range.highest, k - 1) },
    );
  }
  return range;
}

/** Where two ways meet. */
export function unionOf(a: NumberRange, b: NumberRange): NumberRange {
  return {
    lowest: Math.min(a.lowest, b.lowest),
    highest: Math.max(a.highest, b.highest),
    except: [
      ...new Set([
        ...a.except.filter((number) => !contains(b, number)),
        ...b.except.filter((number) => !contains(a, number)),
      ]),
    ].slice(0, MOST_EXCEPTIONS),
  };
}

/** The number, where there is but one. */
export function onlyNumber({ lowest, highest }: NumberRange): number | undefined {
  return lowest === highest ? lowest : undefined;
}

function contains({ lowest, highest, except }: NumberRange, number: number): boolean {
  return number >= lowest && number <= highest && !except.includes(number);
}

function trimmed({ lowest, highest, except }: NumberRange): NumberRange {
  let first = lowest;
  let last = highest;
  while (first < last && except.includes(first)) {
    first += 1;
  }
  while (last > first && except.includes(last)) {
    last -= 1;
  }
  return { lowest: first, highest: last, except: except.filter((number) => number > first && number < last) };
}
