/** The one program that a process installs on itself: its promises, its own `seccomp` rules, and what protects both. */

import { isatty } from 'node:tty';

import { type PolicyIssue, policyError, setupError } from '../errors.js';
import { compileLayers } from '../filter/compile.js';
import { answering, ask } from '../filter/cell.js';
import { userPolicy } from '../filter/user-policy.js';
import type { RestrictFunctions } from '../native/restrict-functions.js';
import type { SignalTargets } from '../policy/promises.js';
import type { SelfPolicy } from '../policy/parse-restriction.js';
import type { SeccompAction, SeccompCall, SeccompPolicy, SeccompProgram } from '../policy/seccomp-types.js';
import { PORT_RULES } from '../policy/port-rules.js';
import { hostArch } from '../policy/syscalls/arch.js';
import { ownCalls, selfProtection } from './own-calls.js';
import { promisePolicy } from './promises.js';

export interface SelfFilter {
  readonly bytes: Uint8Array;
  /** What it forbids ends the process. */
  readonly traps: boolean;
  /** Threads may go on reading what they have open. */
  readonly allowsReading: boolean;
  /** Nothing that a later restriction does is in its way: that one is as the first. */
  readonly open: boolean;
}

/**
 * Null when no calls are restricted. `watched`: somebody answers for what the filter asks about, which is then everything that it forbids.
 *  * Throws ERR_CLOISTER_POLICY.
 */
export function selfFilter(
  policy: SelfPolicy,
  native: RestrictFunctions,
  { signals, watched }: { readonly signals: SignalTargets; readonly watched: boolean },
): SelfFilter | null {
  const { pledge, seccomp, tcp, onViolation } = policy;
  const open = pledge === null && seccomp === null;
  if (open && tcp === null) {
    return null;
  }
  const traps = pledge !== null && onViolation === 'kill';
  settle();
  const layers: SeccompPolicy[] = [
    {
      defaultAction: 'allow',
      foreignArchAction: open ? { errno: 'ENOSYS' } : 'kill-process',
      rules: [...selfProtection(traps), ...(tcp === null ? [] : PORT_RULES)],
    },
  ];
  if (pledge !== null) {
    const promised = promisePolicy(pledge, violationOf(onViolation, watched), signals);
    layers.push({ ...promised, rules: [...ownCalls(process.pid, tasks(native)), ...promised.rules] });
  }
  if (seccomp !== null) {
    const own = userPolicy(seccomp, policy.capabilities ?? []);
    layers.push(watched ? answering(own, violationOf(onViolation, true)) : own);
  }
  const program = compileLayers(layers.slice(0, 1), layers.slice(1));
  refuseEnding(program);
  return {
    bytes: watched ? ask(program.bytes) : program.bytes,
    traps,
    allowsReading: allows(program, { arch: arch(), syscall: 'pread64' }),
    open,
  };
}

/** With a listener, what is refused is compiled as the strictest answer: see relabel.ts. What goes through must not win against other refusals. */
function violationOf(onViolation: SelfPolicy['onViolation'], watched: boolean): SeccompAction {
  if (onViolation === 'kill') {
    // A thread cannot be killed alone without leaving a process that hangs, and a handler can tell what was refused before it ends all of it.
    return 'trap';
  }
  if (!watched) {
    return { errno: 'EPERM' };
  }
  return onViolation === 'log' ? 'notify' : 'kill-process';
}

/** Whether the filter keeps files from being truncated where Landlock cannot (below its ABI 3): wpath carries truncate(2) and O_TRUNC. */
export function truncationFiltered({ pledge, onViolation }: SelfPolicy): boolean {
  return pledge !== null && onViolation !== 'log' && !pledge.includes('wpath') && !pledge.includes('cpath');
}

/** What this runtime puts off until it is first needed, and could not do any more. */
function settle(): void {
  // The time zone is read from its file once.
  new Date().getTimezoneOffset();
  // A terminal is opened anew by name when the stream for it is made.
  for (const stream of [isatty(1) ? 'stdout' : '', isatty(2) ? 'stderr' : '']) {
    Reflect.get(process, stream);
  }
}

function tasks(native: RestrictFunctions): number {
  const descriptor = native.taskDirectory();
  if (descriptor < 0) {
    throw setupError({
      operation: 'cannot list the threads of this process in /proc/self/task',
      stage: 'threads',
      errno: descriptor,
      path: '/proc/self/task',
      hint: 'mount /proc',
    });
  }
  return descriptor;
}

/** Made by every thread between the moment the filter is there and the next line of the program. */
function neededCalls(): SeccompCall[] {
  return [
    { arch: arch(), syscall: 'futex' },
    { arch: arch(), syscall: 'rt_sigreturn' },
    { arch: arch(), syscall: 'rt_sigprocmask' },
    { arch: arch(), syscall: 'rt_sigaction', args: [33] },
    { arch: arch(), syscall: 'close' },
    { arch: arch(), syscall: 'exit_group' },
  ];
}

function refuseEnding(program: SeccompProgram): void {
  const issues = neededCalls()
    .filter((call) => !allows(program, call))
    .map(
      ({ syscall }): PolicyIssue => ({
        code: 'needed-call',
        path: 'seccomp',
        message: `refuses ${syscall}, which every thread needs to go on: nothing could be done afterwards, not even ending in order`,
      }),
    );
  if (issues.length > 0) {
    throw policyError(issues);
  }
}

function allows(program: SeccompProgram, call: SeccompCall): boolean {
  const { action } = program.evaluate(call);
  return action === 'allow' || action === 'log';
}

/** This machine's: the native parts exist for two. */
export function arch(): SeccompCall['arch'] {
  return hostArch() ?? 'x86_64';
}
