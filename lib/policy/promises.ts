/** pledge(2)'s promises as a policy of system calls. What each allows is data, in the folder beside this file. */

import { type PolicyIssue, policyError } from '../errors.js';
import { describe, unknownWord } from './issues.js';
import { readOptions } from './options.js';
import { ALWAYS, PLAIN, QUIET } from './promises/calls.js';
import { fileRules } from './promises/files.js';
import { processRules, type SignalTargets } from './promises/processes.js';
import { allow, answer } from './promises/rules.js';
import { socketRules } from './promises/sockets.js';
import type { SeccompAction, SeccompArch, SeccompPolicy } from './seccomp-types.js';
import { Snapshot } from './snapshot.js';
import { archIssue } from './syscalls/arch.js';
import type { OnViolation, PledgePromise } from './types.js';
import { ON_VIOLATION, PROMISES } from './vocabulary.js';

export type { SignalTargets } from './promises/processes.js';

export interface PledgePolicyOptions {
  /** Default: the machine's own. */
  arch?: SeccompArch | undefined;
  /** What happens at a call that no promise allows. Default `'kill'`; `'error'` with the promise `error`. */
  onViolation?: OnViolation | undefined;
  /**
   * Whom signals may be sent without the promise `proc`. Default: this process, by its number; that number is wrong in a child. `'any'` is for
   * processes that see no others: in a pid namespace of their own, or under Landlock's signal scope.
   */
  signals?: SignalTargets | undefined;
}

/** pid_t. */
const LARGEST_PID = 0x7fff_ffff;
const ENOSYS: SeccompAction = { errno: 'ENOSYS' };
const VIOLATIONS: Readonly<Record<OnViolation, SeccompAction>> = {
  kill: 'kill-process',
  error: { errno: 'EPERM' },
  log: 'log',
};

/**
 * The policy that the promises stand for.
 *
 * @param promises separated by spaces, or as an array
 * @throws ERR_CLOISTER_POLICY with everything that is wrong with the arguments
 */
export function pledgePolicy(
  promises: string | readonly PledgePromise[],
  options: PledgePolicyOptions = {},
): SeccompPolicy {
  const issues: PolicyIssue[] = [];
  const given = readPromises(promises, issues);
  const { arch, onViolation, signals }: PledgePolicyOptions = readOptions(options, ['arch', 'onViolation', 'signals']);
  if (onViolation !== undefined && !ON_VIOLATION.includes(onViolation)) {
    issues.push({
      code: 'unknown-value',
      path: 'onViolation',
      message: `must be kill, error or log, not ${describe(onViolation)}`,
    });
  } else if (given.has('error') && onViolation !== undefined && onViolation !== 'error') {
    issues.push({ code: 'conflict', path: 'onViolation', message: "contradicts the promise 'error'" });
  }
  const wrongArch = arch === undefined ? undefined : archIssue(arch, 'arch');
  if (wrongArch !== undefined) {
    issues.push(wrongArch);
  }
  const pid: unknown = signals === undefined || signals === 'any' ? 1 : (signals as { pid?: unknown } | null)?.pid;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1 || pid > LARGEST_PID) {
    issues.push({ code: 'wrong-type', path: 'signals', message: "must be 'any' or { pid: NUMBER }" });
  }
  if (issues.length > 0) {
    throw policyError(issues, 'pledge');
  }
  const mode = onViolation ?? (given.has('error') ? 'error' : 'kill');
  return promisedCalls([...given], {
    violation: VIOLATIONS[mode],
    unknown: mode === 'log' ? 'log' : ENOSYS,
    foreign: mode === 'error' ? ENOSYS : VIOLATIONS[mode],
    arch,
    signals: signals ?? { pid: process.pid },
  });
}

export interface Promised {
  /** At calls that no promise allows. */
  violation: SeccompAction;
  /** At numbers that have no name. */
  unknown: SeccompAction;
  /** At calls of other architectures. */
  foreign: SeccompAction;
  arch?: SeccompArch | undefined;
  signals: SignalTargets;
}

/** The policy for promises that were checked, with any action for what they do not allow. */
export function promisedCalls(promises: readonly PledgePromise[], options: Promised): SeccompPolicy {
  const given = new Set(promises);
  const held = (promise: PledgePromise): boolean => given.has(promise);
  const plain = promises.flatMap((promise) => PLAIN[promise] ?? []);
  return {
    defaultAction: options.violation,
    ...(options.arch === undefined ? {} : { architectures: [options.arch] }),
    foreignArchAction: options.foreign,
    unknownSyscallAction: options.unknown,
    rules: [
      allow([ALWAYS, ...plain].join(' ')),
      ...fileRules(held),
      ...socketRules(held),
      ...processRules(held, options.signals),
      answer(ENOSYS, QUIET),
    ],
  };
}

function readPromises(promises: unknown, issues: PolicyIssue[]): ReadonlySet<PledgePromise> {
  const snapshot = new Snapshot();
  const copy = snapshot.take(promises);
  const words: unknown = typeof copy === 'string' ? copy.split(/\s+/).filter((word) => word !== '') : copy;
  const known = new Set<PledgePromise>();
  if (snapshot.issues.length > 0) {
    for (const issue of snapshot.issues) {
      issues.push({ ...issue, path: `promises${issue.path}` });
    }
    return known;
  }
  if (!Array.isArray(words)) {
    issues.push({
      code: 'wrong-type',
      path: 'promises',
      message: `must be promises as text or as an array, not ${describe(promises)}`,
    });
    return known;
  }
  for (const word of words as unknown[]) {
    if (PROMISES.includes(word as PledgePromise)) {
      known.add(word as PledgePromise);
    } else {
      const message =
        typeof word === 'string' ? unknownWord('promise', word, PROMISES) : `must be a promise, not ${describe(word)}`;
      issues.push({ code: 'unknown-promise', path: 'promises', message });
    }
  }
  return known;
}
