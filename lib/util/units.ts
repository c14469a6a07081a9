/** Quantities as users write them. The only place where units are read. */

/** Either what the text means, or why it means nothing. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  kib: 2 ** 10,
  kb: 1e3,
  m: 2 ** 20,
  mib: 2 ** 20,
  mb: 1e6,
  g: 2 ** 30,
  gib: 2 ** 30,
  gb: 1e9,
  t: 2 ** 40,
  tib: 2 ** 40,
  tb: 1e12,
};

const TIME_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1e3,
  m: 60e3,
  min: 60e3,
  h: 3600e3,
  d: 86400e3,
};

/** JSON Schema patterns of the two kinds of text. */
export const BYTES_PATTERN = '^\\s*[0-9]+(\\.[0-9]+)?\\s*([KkMmGgTt]([Ii]?[Bb])?|[Bb])?\\s*$';
export const DURATION_PATTERN = '^\\s*[0-9]+(\\.[0-9]+)?\\s*(ms|s|m|min|h|d)?\\s*$';

const TEXT = /^\s*(\d+)(?:\.(\d+))?\s*([A-Za-z]*)\s*$/;

// Longest text that is looked at: no quantity needs more, and the arithmetic below stays exact.
const LONGEST_TEXT = 40;

/** A count of bytes: a whole number up to 2^53 - 1. Text may have a fraction as long as it comes out whole. */
export function parseBytes(input: number | string): Parsed<number> {
  if (typeof input === 'number') {
    return wholeNumber(input, 'bytes');
  }
  return parseText(input, BYTE_UNITS, "'64MiB', '1.5GB' or '512k'", (exact) =>
    exact.denominator === 1n || exact.numerator % exact.denominator === 0n
      ? wholeNumber(Number(exact.numerator / exact.denominator), 'bytes')
      : { problem: 'is not a whole number of bytes' },
  );
}

/** A time in milliseconds, fractions allowed. */
export function parseDuration(input: number | string): Parsed<number> {
  if (typeof input === 'number') {
    return time(input);
  }
  return parseText(input, TIME_UNITS, "'250ms', '10s' or '5m'", ({ numerator, denominator }) =>
    time(Number(numerator) / Number(denominator)),
  );
}

function wholeNumber(value: number, noun: string): Parsed<number> {
  if (Number.isNaN(value)) {
    return { problem: 'is not a number' };
  }
  if (value < 0) {
    return { problem: 'is negative' };
  }
  if (value > Number.MAX_SAFE_INTEGER) {
    return { problem: 'is too large' };
  }
  return Number.isInteger(value) ? { value } : { problem: `is not a whole number of ${noun}` };
}

function time(value: number): Parsed<number> {
  if (Number.isNaN(value)) {
    return { problem: 'is not a number' };
  }
  if (value < 0) {
    return { problem: 'is negative' };
  }
  // Nanoseconds of it still fit in the kernel's signed 64 bits (timerfd_settime(2)).
  return value <= Number.MAX_SAFE_INTEGER / 1e3 ? { value } : { problem: 'is too large' };
}

interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Counts exactly: '1.1GB' is 1100000000 bytes, which floating point would miss. */
function parseText(
  text: string,
  units: Readonly<Record<string, number>>,
  examples: string,
  finish: (exact: Fraction) => Parsed<number>,
): Parsed<number> {
  const match = text.length <= LONGEST_TEXT ? TEXT.exec(text) : null;
  if (match === null) {
    return { problem: `is not understood, write ${examples}` };
  }
  const [, whole = '', fraction = '', unit = ''] = match;
  const factor = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined;
  if (factor === undefined) {
    return { problem: `has the unknown unit '${unit}', write ${examples}` };
  }
  return finish({ numerator: BigInt(whole + fraction) * BigInt(factor), denominator: 10n ** BigInt(fraction.length) });
}
