/** What becomes of a cell's `pledge`, `seccomp` and `onViolation`: policies to be merged to one program, and who answers for what they refuse. */

import type { OnViolation, PledgePromise, SeccompPolicy } from './types.js';

/** What happens at a call that the policy forbids. */
export interface ViolationPlan {
  readonly answer: OnViolation;
  /** The launcher is asked at each one (seccomp_unotify(2)). False: the filter answers by itself, and nobody hears of it. */
  readonly reported: boolean;
  /** Promises that are held: what is missing is named. Null: none were given, and none would help. */
  readonly held: readonly PledgePromise[] | null;
  /**
   * Files and directories that may be opened for reading although no promise for reading is held: the dynamic loader needs them, and some promises
   * read a few files by name. Null: reading is not decided about by path.
   */
  readonly readable: readonly string[] | null;
  /**
   * Programs: the kernel opens what it executes, the interpreter of a script included, as the process that asks, and Landlock counts that as reading.
   * For the process itself, reading them is a violation.
   */
  readonly runnable: readonly string[];
}

export interface Filtering {
  /** In them `'kill-process'` stands for a violation, whatever the answer to it is: it is the strictest there is, and wins against all others. */
  readonly policies: readonly SeccompPolicy[];
  /** Null: nothing that the policy forbids, but for the hardening. */
  readonly violations: ViolationPlan | null;
  /** What this machine cannot do of it. */
  readonly missing: readonly { readonly feature: string; readonly reason: string }[];
}
