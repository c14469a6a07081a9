/**
 * What namespaces and control groups keep apart, for cells that lack some of them: refused by the filter instead. Landlock knows files, ports, signals and tracing; it does
 * not see what these calls do.
 */

import type { ArgCondition, SeccompAction, SeccompPolicy, SeccompRule } from './seccomp-types.js';

/** What a cell shares with the host and must not reach. */
export interface Shared {
  /** The network, where the policy allows none. */
  readonly network: boolean;
  /** Unix sockets by path: no right of Landlock's decides about them (before Linux 7.1), so no call may name one. */
  readonly unixSockets: boolean;
  /** System V IPC and POSIX message queues. */
  readonly ipc: boolean;
  /** Numbers of processes. */
  readonly processes: boolean;
  /** The user who owns files outside: he may change mode, owner, times and attributes of each, and watch his directories, without opening anything. */
  readonly fileOwner: boolean;
  /** The host's memory, with a limit that is held by looking at processes: what can be had without showing in any of them. */
  readonly unseenMemory: boolean;
}

const EPERM: SeccompAction = { errno: 'EPERM' };

/** linux/socket.h, linux/net.h. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
/** Everything but SOCK_CLOEXEC and SOCK_NONBLOCK, which are given together with the type. */
const SOCK_TYPE_MASK = 0xfff7_f7ff;

/** sys/resource.h, linux/ioprio.h. */
const PRIO_USER = 2;
const IOPRIO_WHO_USER = 3;

const is = (index: ArgCondition['index'], value: number): ArgCondition => ({ index, op: '==', value });
const isNot = (index: ArgCondition['index'], value: number): ArgCondition => ({ index, op: '!=', value });

function refused(calls: string, ...args: ArgCondition[]): SeccompRule {
  return { syscalls: calls.split(' '), action: EPERM, ...(args.length === 0 ? {} : { args }) };
}

const NETWORK: readonly SeccompRule[] = [refused('socket socketpair', isNot(0, AF_UNIX))];

/** A connected pair of streams stays one: connect(2) is EISCONN. A pair of datagram sockets can send anywhere. */
const UNIX_SOCKETS: readonly SeccompRule[] = [
  refused('socket', is(0, AF_UNIX)),
  refused('socketpair', is(0, AF_UNIX), { index: 1, op: '&==', mask: SOCK_TYPE_MASK, value: SOCK_DGRAM }),
];

const IPC: readonly SeccompRule[] = [
  refused('shmget shmat shmdt shmctl semget semop semtimedop semtimedop_time64 semctl msgget msgsnd msgrcv msgctl ipc'),
  refused(
    'mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr',
  ),
];

/** Limits, priorities, processors and memory of others, who need only have the same user. 0 is the caller itself. */
const PROCESSES: readonly SeccompRule[] = [
  refused(
    'prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr migrate_pages move_pages',
    isNot(0, 0),
  ),
  refused('setpriority ioprio_set', isNot(1, 0)),
  refused('setpriority', is(0, PRIO_USER)),
  refused('ioprio_set', is(0, IOPRIO_WHO_USER)),
  refused('process_madvise process_mrelease'),
];

/** By path. What is open may be changed: Landlock had a say when it was opened. utimensat(2) without a path is about the descriptor. */
const FILE_OWNER: readonly SeccompRule[] = [
  refused('chmod fchmodat fchmodat2 chown lchown fchownat chown32 lchown32'),
  refused('utime utimes futimesat'),
  refused('utimensat utimensat_time64', isNot(1, 0)),
  refused('setxattr lsetxattr setxattrat removexattr lremovexattr removexattrat file_setattr'),
  refused('inotify_add_watch fanotify_mark'),
];

/** Memory of a descriptor or of an identifier: nobody need map it to fill it. */
const UNSEEN_MEMORY: readonly SeccompRule[] = [
  { syscalls: ['memfd_create', 'memfd_secret', 'shmget'], action: { errno: 'ENOSYS' } },
];

/** Merged with the cell's other filters: on its own it refuses nothing else. */
export function separationPolicy(shared: Shared): SeccompPolicy {
  return {
    defaultAction: 'allow',
    foreignArchAction: 'allow',
    unknownSyscallAction: 'allow',
    rules: [
      ...(shared.network ? NETWORK : []),
      ...(shared.unixSockets ? UNIX_SOCKETS : []),
      ...(shared.ipc ? IPC : []),
      ...(shared.processes ? PROCESSES : []),
      ...(shared.fileOwner ? FILE_OWNER : []),
      ...(shared.unseenMemory ? UNSEEN_MEMORY : []),
    ],
  };
}
