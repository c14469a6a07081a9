/** Names and numbers of system calls, in both directions, for every architecture of ours. */

import type { SeccompArch } from '../seccomp-types.js';
import { SYSCALL_COLUMNS, SYSCALL_TABLE } from './table.js';

/** __X32_SYSCALL_BIT: part of every number of x32, absent from those of x86_64. */
export const X32_BIT = 0x4000_0000;

interface Column {
  readonly numbers: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
  /** Runs of numbers that have a name, ascending. */
  readonly ranges: readonly (readonly [number, number])[];
  readonly largest: number;
}

let columns: ReadonlyMap<SeccompArch, Column> | undefined;
let everyName: ReadonlySet<string> | undefined;

/** As seccomp_data.nr holds it: with bit 30 for x32. */
export function syscallNumber(name: string, arch: SeccompArch): number | undefined {
  return columnOf(arch).numbers.get(name);
}

export function syscallName(number: number, arch: SeccompArch): string | undefined {
  return columnOf(arch).names.get(number);
}

/** Runs of numbers that have a name on this architecture. */
export function knownNumbers(arch: SeccompArch): readonly (readonly [number, number])[] {
  return columnOf(arch).ranges;
}

/**
 * The largest number that the kernel's own table has, as far as this version knows. Calls beyond are not cached: the kernel's cache has as many
 * entries as its table. The private calls of arm lie apart.
 */
export function largestTableNumber(arch: SeccompArch): number {
  return columnOf(arch).largest;
}

/** Names on any architecture. */
export function syscallNames(): ReadonlySet<string> {
  everyName ??= new Set(rows().map(([name]) => name));
  return everyName;
}

function columnOf(arch: SeccompArch): Column {
  columns ??= new Map(SYSCALL_COLUMNS.map((column, index) => [column, readColumn(column, index + 1)]));
  const column = columns.get(arch);
  if (column === undefined) {
    throw new RangeError(`no table of system calls for ${arch}`);
  }
  return column;
}

function rows(): [string, ...string[]][] {
  return SYSCALL_TABLE.trim()
    .split('\n')
    .map((line) => line.split(' ') as [string, ...string[]]);
}

function readColumn(arch: SeccompArch, index: number): Column {
  const numbers = new Map<string, number>();
  const names = new Map<number, string>();
  for (const row of rows()) {
    const field = row[index];
    if (field === undefined || field === '-') {
      continue;
    }
    const number = arch === 'x32' ? Number(field) + X32_BIT : Number(field);
    numbers.set(row[0], number);
    if (!names.has(number)) {
      names.set(number, row[0]);
    }
  }
  const sorted = [...names.keys()].sort((a, b) => a - b);
  // ARM_NR_BASE, asm/unistd.h: cacheflush and its like are not in the table.
  const largest = Math.max(...sorted.filter((number) => (number & ~X32_BIT) < 0xf0000));
  return { numbers, names, ranges: rangesOf(sorted), largest };
}

function rangesOf(sorted: readonly number[]): (readonly [number, number])[] {
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === number - 1) {
      last[1] = number;
    } else {
      ranges.push([number, number]);
    }
  }
  return ranges;
}
