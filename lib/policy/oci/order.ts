/** Profiles have no order: of rules that match the same call, the one that says more wins. First-match lists need one. */

import type { ArgCondition, SeccompAction } from '../seccomp-types.js';
import { argumentWidth } from '../syscalls/widths.js';
import {
  everything,
  isEmpty,
  LARGEST,
  loosened,
  type Relation,
  relationOf,
  type ValueSet,
  within,
  withPattern,
} from './sets.js';

/** One rule of a profile for one system call. */
export interface ProfileRule {
  /** Index in the profile's list. */
  readonly source: number;
  readonly action: SeccompAction;
  readonly conditions: readonly ArgCondition[];
}

export type Ordered = { rules: ProfileRule[] } | { conflict: readonly [ProfileRule, ProfileRule] };

/** Rules for one call, narrower ones first; or two with different actions of which neither lies inside the other. */
export function orderRules(syscall: string, rules: readonly ProfileRule[]): Ordered {
  const widths = Array.from({ length: 6 }, (_, index) => widestComparison(syscall, index, rules));
  const described = rules
    .map((rule) => ({ rule, sets: describe(syscall, rule.conditions, widths) }))
    .filter(({ sets }) => !sets.some(isEmpty));
  // For each rule those that must come before it.
  const inner = new Map(described.map(({ rule }) => [rule, [] as ProfileRule[]]));
  for (const [index, a] of described.entries()) {
    for (const b of described.slice(index + 1)) {
      if (sameAction(a.rule.action, b.rule.action)) {
        continue;
      }
      const relation = relationOfRules(a.sets, b.sets);
      if (relation === 'crossing' || relation === 'equal') {
        return { conflict: [a.rule, b.rule] };
      }
      if (relation !== 'apart') {
        const [narrow, wide] = relation === 'inside' ? [a.rule, b.rule] : [b.rule, a.rule];
        inner.get(wide)?.push(narrow);
      }
    }
  }
  const ordered: ProfileRule[] = [];
  const place = (rule: ProfileRule): void => {
    if (!ordered.includes(rule)) {
      // What lies inside of something lies not around it: this ends.
      inner.get(rule)?.forEach(place);
      ordered.push(rule);
    }
  };
  for (const { rule } of described) {
    place(rule);
  }
  return { rules: ordered };
}

function widestComparison(syscall: string, index: number, rules: readonly ProfileRule[]): 32 | 64 {
  const wide = rules.some(({ conditions }) =>
    conditions.some((condition) => condition.index === index && condition.width === 64),
  );
  return wide ? 64 : argumentWidth(syscall, index);
}

export function sameAction(a: SeccompAction, b: SeccompAction): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function relationOfRules(a: readonly ValueSet[], b: readonly ValueSet[]): Relation {
  const relations = a.map((set, index) => relationOf(set, b[index] ?? set));
  if (relations.includes('apart')) {
    return 'apart';
  }
  const inside = relations.every((relation) => relation === 'inside' || relation === 'equal');
  const around = relations.every((relation) => relation === 'around' || relation === 'equal');
  if (inside && around) {
    return 'equal';
  }
  return inside ? 'inside' : around ? 'around' : 'crossing';
}

/** The values of each of the six arguments that match, each described at the given width. */
function describe(syscall: string, conditions: readonly ArgCondition[], widths: readonly (32 | 64)[]): ValueSet[] {
  return widths.map((width, index) =>
    conditions
      .filter((condition) => condition.index === index)
      .reduce(
        (set, condition) => restrict(set, condition, condition.width ?? argumentWidth(syscall, index), width),
        everything(width),
      ),
  );
}

function restrict(set: ValueSet, condition: ArgCondition, own: 32 | 64, width: 32 | 64): ValueSet {
  const value = BigInt.asUintN(own, BigInt(condition.value));
  const largest = LARGEST[own];
  if (own < width) {
    // The lower half of a register that another condition compares whole is a pattern, or nothing that can be described here.
    return condition.op === '==' ? withPattern(set, { mask: largest, bits: value }) : loosened(set);
  }
  switch (condition.op) {
    case '==':
      return within(set, [[value, value]]);
    case '!=':
      return within(
        set,
        [
          [0n, value - 1n],
          [value + 1n, largest],
        ].filter(([first = 0n, last = 0n]) => first <= last) as [bigint, bigint][],
      );
    case '<':
      return within(set, value === 0n ? [] : [[0n, value - 1n]]);
    case '<=':
      return within(set, [[0n, value]]);
    case '>':
      return within(set, value === largest ? [] : [[value + 1n, largest]]);
    case '>=':
      return within(set, [[value, largest]]);
    case '&==':
      return withPattern(set, { mask: BigInt.asUintN(own, BigInt(condition.mask ?? 0)), bits: value });
  }
}
