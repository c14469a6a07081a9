/** Sets of argument values that conditions describe: whether one lies inside another, or has nothing in common with it. */

/** (value & mask) == bits. */
export interface Pattern {
  readonly mask: bigint;
  readonly bits: bigint;
}

/** Inclusive. */
type Range = readonly [bigint, bigint];

/** The values of one argument: those in a range that also have the pattern. */
export interface ValueSet {
  readonly ranges: readonly Range[];
  readonly pattern: Pattern;
  /** There may be fewer values than described. */
  readonly loose?: true;
}

export type Relation = 'equal' | 'inside' | 'around' | 'apart' | 'crossing';

export const LARGEST: Readonly<Record<32 | 64, bigint>> = { 32: 0xffff_ffffn, 64: 0xffff_ffff_ffff_ffffn };

const NO_PATTERN: Pattern = { mask: 0n, bits: 0n };

/** Ranges of at most this many values are compared with a pattern value by value. */
const COUNTABLE = 4096n;

export function everything(width: 32 | 64): ValueSet {
  return { ranges: [[0n, LARGEST[width]]], pattern: NO_PATTERN };
}

const EMPTY: ValueSet = { ranges: [], pattern: NO_PATTERN };

export function isEmpty(set: ValueSet): boolean {
  return set.ranges.length === 0;
}

/** Keeps the values in `ranges`, which are ascending. */
export function within(set: ValueSet, ranges: readonly Range[]): ValueSet {
  const kept: Range[] = [];
  for (const [first, last] of set.ranges) {
    for (const [from, to] of ranges) {
      const low = first > from ? first : from;
      const high = last < to ? last : to;
      if (low <= high) {
        kept.push([low, high]);
      }
    }
  }
  return simplified({ ...set, ranges: kept });
}

export function withPattern(set: ValueSet, { mask, bits }: Pattern): ValueSet {
  const { pattern } = set;
  if ((bits & ~mask) !== 0n || ((pattern.bits ^ bits) & pattern.mask & mask) !== 0n) {
    return EMPTY;
  }
  return simplified({ ...set, pattern: { mask: pattern.mask | mask, bits: pattern.bits | bits } });
}

/** The same set, of which it is not known whether all values are in it. */
export function loosened(set: ValueSet): ValueSet {
  return { ...set, loose: true };
}

/** A pattern on a few values is those of them that have it. */
function simplified(set: ValueSet): ValueSet {
  const { mask, bits } = set.pattern;
  if (mask === 0n || set.ranges.length === 0) {
    return set;
  }
  const count = set.ranges.reduce((sum, [first, last]) => sum + last - first + 1n, 0n);
  if (count > COUNTABLE) {
    return set;
  }
  const kept: [bigint, bigint][] = [];
  for (const [first, last] of set.ranges) {
    for (let value = first; value <= last; value++) {
      if ((value & mask) === bits) {
        const before = kept.at(-1);
        if (before?.[1] === value - 1n) {
          before[1] = value;
        } else {
          kept.push([value, value]);
        }
      }
    }
  }
  return { ...set, ranges: kept, pattern: NO_PATTERN };
}

/**
 * How the values of one argument lie to those of another rule. 'crossing' also where that is not known: patterns and large ranges together. Neither set
 * is empty.
 */
export function relationOf(a: ValueSet, b: ValueSet): Relation {
  if (areApart(a, b)) {
    return 'apart';
  }
  if (a.loose === true || b.loose === true) {
    return 'crossing';
  }
  const inside = isInside(a, b);
  const around = isInside(b, a);
  if (inside && around) {
    return 'equal';
  }
  return inside ? 'inside' : around ? 'around' : 'crossing';
}

function areApart(a: ValueSet, b: ValueSet): boolean {
  if (((a.pattern.bits ^ b.pattern.bits) & a.pattern.mask & b.pattern.mask) !== 0n) {
    return true;
  }
  const common = within(a, b.ranges);
  return isEmpty(withPattern(common, b.pattern));
}

function isInside(a: ValueSet, b: ValueSet): boolean {
  const rangesInside = a.ranges.every(([first, last]) => b.ranges.some(([from, to]) => from <= first && last <= to));
  if (!rangesInside) {
    return false;
  }
  const { mask, bits } = b.pattern;
  if (mask === 0n) {
    return true;
  }
  if ((a.pattern.mask & mask) === mask && (a.pattern.bits & mask) === bits) {
    return true;
  }
  const count = a.ranges.reduce((sum, [first, last]) => sum + last - first + 1n, 0n);
  if (count > COUNTABLE) {
    return false;
  }
  return a.ranges.every(([first, last]) => {
    for (let value = first; value <= last; value++) {
      if ((value & mask) !== bits) {
        return false;
      }
    }
    return true;
  });
}
