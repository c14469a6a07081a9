/** A policy in numbers: what is encoded for the compiler, and what explain() looks at. */

import type { SeccompAction, SeccompArch } from '../policy/seccomp-types.js';

/** Numbers of native/seccomp/condition.h. */
export const OPERATORS = { '==': 0, '!=': 1, '<': 2, '<=': 3, '>': 4, '>=': 5, '&==': 6 } as const;
export type Operator = keyof typeof OPERATORS;

export interface ResolvedCondition {
  readonly index: number;
  readonly op: Operator;
  /** Compares both halves of the register. */
  readonly wide: boolean;
  /** Unsigned, within the width. */
  readonly value: bigint;
  readonly mask: bigint;
}

export interface ResolvedRule {
  /** Which of the policy's rules it comes from: one rule becomes several where its system calls differ in widths. */
  readonly source: number;
  readonly answer: number;
  /** Does not end the search: the call's answer is the strictest of this one and of what later rules say. */
  readonly limit: boolean;
  readonly numbers: readonly number[];
  readonly conditions: readonly ResolvedCondition[];
}

export interface ResolvedArch {
  readonly arch: SeccompArch;
  readonly rules: readonly ResolvedRule[];
}

export interface ResolvedPolicy {
  readonly defaultAnswer: number;
  readonly foreignAnswer: number;
  readonly unknownAnswer: number;
  readonly architectures: readonly ResolvedArch[];
  /** How the policy writes the actions that it uses: an error may be a name or a number. */
  readonly spelling: ReadonlyMap<number, SeccompAction>;
}
