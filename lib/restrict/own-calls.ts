/** The calls that a restriction itself makes, once an earlier one has put a filter in place: restricting again can only narrow, and must stay possible. */

import type { ArgCondition, SeccompRule } from '../policy/seccomp-types.js';

/** The signal that stops threads: native/threads/world.cc. */
const STOP_SIGNAL = 33;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const STANDARD_ERROR = 2;
const SIGSYS = 31;
/** linux/io_uring.h. */
const IORING_ENTER_REGISTERED_RING = 16;

/** linux/prctl.h: PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_CAP_AMBIENT. */
const PRCTL_OPTIONS = [23, 24, 38, 39, 47];

const is = (index: ArgCondition['index'], value: number): ArgCondition => ({ index, op: '==', value });

const allow = (syscalls: string | readonly string[], ...args: ArgCondition[]): SeccompRule => ({
  syscalls,
  action: 'allow',
  ...(args.length > 0 ? { args } : {}),
});

/** `tasks`: the descriptor of /proc/self/task that the addon keeps. */
export function ownCalls(pid: number, tasks: number): SeccompRule[] {
  return [
    allow(['landlock_create_ruleset', 'landlock_add_rule', 'landlock_restrict_self', 'capget', 'capset']),
    allow('seccomp', is(0, SECCOMP_SET_MODE_FILTER), is(1, SECCOMP_FILTER_FLAG_TSYNC)),
    ...PRCTL_OPTIONS.map((option) => allow('prctl', is(0, option))),
    allow('rt_tgsigqueueinfo', is(0, pid), is(2, STOP_SIGNAL)),
    allow('tgkill', is(0, pid), is(2, 0)),
    allow(['getdents64', 'lseek', 'fstat'], is(0, tasks)),
    // The process that hands over a filter's listener (native/threads/handover.cc): __WALL.
    allow('wait4', is(2, 0x4000_0000)),
    // The last words of a process that is ended for a refused call.
    allow('write', is(0, STANDARD_ERROR)),
    allow([
      'close',
      'exit',
      'exit_group',
      'futex',
      'getpid',
      'gettid',
      'munmap',
      'nanosleep',
      'clock_gettime',
      'rt_sigaction',
      'rt_sigprocmask',
      'rt_sigreturn',
      'restart_syscall',
    ]),
  ];
}

/** What holds under every filter of a process for itself, whatever its other rules say; all else is allowed here. */
export function selfProtection(traps: boolean): SeccompRule[] {
  return [
    // What is submitted to a ring passes no filter. Rings that are there already were confined.
    { syscalls: ['io_uring_setup', 'io_uring_register'], action: { errno: 'ENOSYS' } },
    // A ring that a thread has registered needs no descriptor, and so was not found.
    {
      syscalls: 'io_uring_enter',
      action: { errno: 'EINVAL' },
      args: [{ index: 3, op: '&==', mask: IORING_ENTER_REGISTERED_RING, value: IORING_ENTER_REGISTERED_RING }],
    },
    // Whoever took this signal would make refused calls look as if they had succeeded. Node.js resets all signals at its end, and dies of an error.
    ...(traps ? [{ syscalls: 'rt_sigaction', action: { errno: 0 }, args: [is(0, SIGSYS)] } as const] : []),
  ];
}
