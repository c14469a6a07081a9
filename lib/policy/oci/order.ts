/**
 * Profiles have no order: of rules that match the same call, the one that says more wins. First-match lists need one.
 *
 * One exception: a rule that asks about more arguments than a stricter rule around it never has its say with libseccomp, where the rule that asks
 * about fewer covers it (db.c, a leaf takes the place of the tree below it). What a profile's author has seen refused must not be opened here.
 */

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

export type Ordered =
  | { rules: ProfileRule[]; covered: { rule: ProfileRule; by: ProfileRule }[] }
  | { conflict: readonly [ProfileRule, ProfileRule] };

/**
 * Rules for one call, narrower ones first, without those that a stricter one covers; or two with different actions of which neither lies inside the
 * other.
 *
 * @param defaultAction the profile's
 */
export function orderRules(syscall: string, rules: readonly ProfileRule[], defaultAction: SeccompAction): Ordered {
  const widths = Array.from({ length: 6 }, (_, index) => widestComparison(syscall, index, rules));
  const described = rules
    .map((rule) => ({ rule, sets: describe(syscall, rule.conditions, widths) }))
    .filter(({ sets }) => !sets.some(isEmpty));
  // For each rule those that must come before it.
  const inner = new Map(described.map(({ rule }) => [rule, [] as ProfileRule[]]));
  const covered = new Map<ProfileRule, ProfileRule>();
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
        if (covers(wide, narrow, defaultAction)) {
          covered.set(narrow, wide);
        }
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
  return {
    rules: ordered.filter((rule) => !covered.has(rule)),
    covered: Array.from(covered, ([rule, by]) => ({ rule, by })),
  };
}

/**
 * Whether a runtime never comes to the narrow rule, and what it does instead is stricter. A rule that repeats the default action is none to a runtime
 * (seccomp_rule_add(3) refuses it), so it neither covers another nor makes an exception from one.
 */
function covers(wide: ProfileRule, narrow: ProfileRule, defaultAction: SeccompAction): boolean {
  if (strictness(wide.action) <= strictness(narrow.action) || sameAction(wide.action, defaultAction)) {
    return false;
  }
  const asked = new Set([...wide.conditions, ...narrow.conditions].map(({ index }) => index));
  const asksMore = narrow.conditions.some(({ index }) => wide.conditions.every((other) => other.index !== index));
  // Of comparisons of one argument libseccomp asks the wider one first where it is of these kinds, or has the same constant.
  const comesFirst =
    asked.size > 1 ||
    wide.conditions.some(
      ({ op, value }) => op === '!=' || op === '&==' || narrow.conditions.some((other) => other.value === value),
    );
  return sameAction(narrow.action, defaultAction) || asksMore || comesFirst;
}

const BY_STRICTNESS = ['allow', 'log', 'trace', 'notify', 'errno', 'trap', 'kill-thread', 'kill-process'];

/** As the kernel ranks the answers of several filters, seccomp(2). */
function strictness(action: SeccompAction): number {
  return BY_STRICTNESS.indexOf(typeof action === 'string' ? action : 'errno' in action ? 'errno' : 'trace');
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
