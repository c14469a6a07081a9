/** The promises of a process for itself, as a filter: what they allow in general, and what this runtime cannot live without. */

import { promisedCalls, type SignalTargets } from '../policy/promises.js';
import type { ArgCondition, SeccompAction, SeccompPolicy, SeccompRule } from '../policy/seccomp-types.js';
import type { PledgePromise } from '../policy/types.js';

/** asm-generic/ioctls.h: TCSETS TCSETSW TCSETSF. */
const TERMINAL_CHANGES = [0x5402, 0x5403, 0x5404];

/** fcntl.h. */
const F_GETFL = 3;
const F_SETFL = 4;
const O_PATH = 0x20_0000;
const O_CLOEXEC = 0x8_0000;
const STANDARD_DESCRIPTORS = [0, 1, 2];

const is = (index: ArgCondition['index'], value: number): ArgCondition => ({ index, op: '==', value });

export function promisePolicy(
  promises: readonly PledgePromise[],
  violation: SeccompAction,
  signals: SignalTargets,
): SeccompPolicy {
  const given = new Set(promises);
  // V8 compiles: it makes memory executable with every Worker, regular expression and WebAssembly module.
  if (!runsInterpreted()) {
    given.add('prot_exec');
  }
  const policy = promisedCalls([...given], {
    violation,
    unknown: { errno: 'ENOSYS' },
    foreign: violation === 'trap' ? 'kill-process' : { errno: 'ENOSYS' },
    signals,
  });
  return { ...policy, rules: [...runtimeRules(given), ...policy.rules] };
}

/** What Node.js does by itself. Measured on versions 20, 22, 24 and 26. */
function runtimeRules(given: ReadonlySet<PledgePromise>): SeccompRule[] {
  const rules: SeccompRule[] = [
    // Of rings that were there before and can do nothing but epoll_ctl; refusing it would end the event loop with an abort.
    { syscalls: 'io_uring_enter', action: 'allow' },
    // The event loop, and the wake-ups between its threads.
    { syscalls: ['epoll_pwait', 'epoll_wait', 'epoll_ctl', 'read', 'write', 'close'], action: 'allow' },
    // What the standard descriptors are is asked at the start of each stream, and at the end of the process.
    { syscalls: ['fstat', 'getsockname'], action: 'allow' },
    { syscalls: 'fcntl', action: 'allow', args: [is(1, F_GETFL)] },
    ...STANDARD_DESCRIPTORS.map(
      (descriptor): SeccompRule => ({ syscalls: 'fcntl', action: 'allow', args: [is(0, descriptor), is(1, F_SETFL)] }),
    ),
    { syscalls: 'sched_getaffinity', action: 'allow' },
    { syscalls: 'ioctl', action: 'allow', args: [is(1, 0x5401)] },
  ];
  if (given.has('unveil')) {
    // A path is opened for a rule, not for reading, and its real name asked for.
    rules.push({ syscalls: 'openat', action: 'allow', args: [{ index: 2, op: '==', value: O_PATH | O_CLOEXEC }] });
    rules.push({ syscalls: ['readlink', 'readlinkat', 'fstatfs'], action: 'allow' });
  }
  if (!given.has('tty')) {
    // The end of the process puts the terminal back as it was, and takes EPERM for an answer.
    rules.push(
      ...TERMINAL_CHANGES.map(
        (request): SeccompRule => ({ syscalls: 'ioctl', action: { errno: 'EPERM' }, args: [is(1, request)] }),
      ),
    );
  }
  return rules;
}

/** `--jitless`: nothing is compiled, and no memory becomes executable. */
function runsInterpreted(): boolean {
  const options = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)];
  return options.includes('--jitless');
}
