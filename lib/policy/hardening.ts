/**
 * The filter that every cell has, whatever its policy: what ordinary programs never need, and what the kernel's own holes have been reached by.
 * Refusals are plain errors, never violations: a program that only tries goes on.
 */

import type { ArgCondition, SeccompAction, SeccompArch, SeccompPolicy, SeccompRule } from './seccomp-types.js';

export interface HardeningOptions {
  /** Default: the machine's own. */
  architectures?: readonly SeccompArch[] | undefined;
  /** What happens at a refused call. Default EPERM. Calls that libraries merely try, to use another when it is missing, always get ENOSYS. */
  refusal?: SeccompAction | undefined;
}

const EPERM: SeccompAction = { errno: 'EPERM' };
const ENOSYS: SeccompAction = { errno: 'ENOSYS' };

/**
 * Answered as by a kernel that does not have them: every caller has another way.
 * io_uring carries out system calls in the kernel, past any filter; the flags of clone3, the mode of openat2 and the size of setxattrat are behind a pointer, where a filter
 * cannot look; the other ones are remains of old kernels, or tell about mounts and namespaces.
 */
const MISSING = [
  'io_uring_setup',
  'io_uring_enter',
  'io_uring_register',
  'clone3',
  'openat2',
  'setxattrat',
  'statmount',
  'listmount',
  'listns',
  'modify_ldt',
  'vm86',
  'vm86old',
  'uselib',
  '_sysctl',
  'create_module',
  'get_kernel_syms',
  'query_module',
  'nfsservctl',
  'lookup_dcookie',
];

const REFUSED = [
  // Other processes: their memory, registers and descriptors.
  'ptrace',
  'process_vm_readv',
  'process_vm_writev',
  'pidfd_getfd',
  'kcmp',
  // The view of the file system.
  'mount',
  'umount',
  'umount2',
  'pivot_root',
  'chroot',
  'move_mount',
  'open_tree',
  'open_tree_attr',
  'fsopen',
  'fsconfig',
  'fsmount',
  'fspick',
  'mount_setattr',
  // Handles open files by number, past every path (CVE-2014-3519 and its like).
  'name_to_handle_at',
  'open_by_handle_at',
  'setns',
  // Keyrings belong to users, not to namespaces.
  'add_key',
  'request_key',
  'keyctl',
  // Watches whole file systems of the host, and may hold up who opens a file there.
  'fanotify_init',
  // Large and often attacked.
  'bpf',
  'perf_event_open',
  'userfaultfd',
  // The kernel and the machine.
  'kexec_load',
  'kexec_file_load',
  'init_module',
  'finit_module',
  'delete_module',
  'reboot',
  'swapon',
  'swapoff',
  'acct',
  'quotactl',
  'quotactl_fd',
  'syslog',
  'vhangup',
  'iopl',
  'ioperm',
  // The clock.
  'settimeofday',
  'stime',
  'clock_settime',
  'clock_settime64',
  'adjtimex',
  'clock_adjtime',
  'clock_adjtime64',
];

/** CLONE_NEW*, linux/sched.h, but for CLONE_NEWTIME: in clone's flags its bit is part of the exit signal. */
const NEW_NAMESPACE_FLAGS = [0x0002_0000, 0x0200_0000, 0x0400_0000, 0x0800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000];
const CLONE_NEWTIME = 0x80;

/** PER_LINUX and PER_LINUX32, each with UNAME26, and the question what it is. READ_IMPLIES_EXEC and ADDR_NO_RANDOMIZE undo protections. */
const PERSONALITIES = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/** TIOCSTI types into the terminal's other programs; TIOCLINUX pastes into them; TIOCSETD loads line disciplines. asm-generic/ioctls.h. */
const TERMINAL_REQUESTS = [0x5412, 0x541c, 0x5423];

/** linux/fcntl.h. A lease on a file that is only shown makes the host's next writer wait (fcntl(2), lease-break-time); a notice tells of its directory. */
const F_SETLEASE = 1024;
const F_NOTIFY = 1026;

const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_NEW_LISTENER = 0x8;

/** linux/socket.h, linux/net.h, linux/in.h. */
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_SEQPACKET = 5;
/** Everything but SOCK_CLOEXEC and SOCK_NONBLOCK, which are given together with the type. */
const SOCK_TYPE_MASK = 0xfff7_f7ff;
const NETLINK_ROUTE = 0;
const NETLINK_KOBJECT_UEVENT = 15;
const STREAM_PROTOCOLS = [0, 6];
const DATAGRAM_PROTOCOLS = [0, 1, 17, 58];

/**
 * Bytes of one extended attribute. A private tmpfs keeps access control lists of up to 64 KiB for each file, in memory that neither its size nor a
 * control group counts: one of 64 MiB could take gigabytes of the host's. ENOSPC is what a file system with little room for attributes says (xattr(7)).
 */
const LARGEST_ATTRIBUTE = 1024;

/** fcntl.h, sys/stat.h. */
const O_CREAT = 0o100;
const O_TMPFILE = 0o20000000;
const SET_ID_MODES = [0o4000, 0o2000];

// No widths: ints compare their lower half, whatever a caller leaves in the upper one (socket(2^32 | AF_VSOCK) is an AF_VSOCK socket).
const is = (index: ArgCondition['index'], value: number): ArgCondition => ({ index, op: '==', value });
const hasType = (type: number): ArgCondition => ({ index: 1, op: '&==', mask: SOCK_TYPE_MASK, value: type });
const hasBit = (index: ArgCondition['index'], bit: number): ArgCondition => ({
  index,
  op: '&==',
  mask: bit,
  value: bit,
});

function allowSocket(family: number, type: number, protocol?: number): SeccompRule {
  const conditions = [is(0, family), hasType(type)];
  return {
    syscalls: 'socket',
    action: 'allow',
    args: protocol === undefined ? conditions : [...conditions, is(2, protocol)],
  };
}

function socketRules(refusal: SeccompAction): SeccompRule[] {
  const internet = [AF_INET, AF_INET6];
  return [
    ...[SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET].map((type) => allowSocket(AF_UNIX, type)),
    ...internet.flatMap((family) => STREAM_PROTOCOLS.map((protocol) => allowSocket(family, SOCK_STREAM, protocol))),
    ...internet.flatMap((family) => DATAGRAM_PROTOCOLS.map((protocol) => allowSocket(family, SOCK_DGRAM, protocol))),
    // Interface lists (getifaddrs) and device events.
    ...[SOCK_DGRAM, SOCK_RAW].flatMap((type) =>
      [NETLINK_ROUTE, NETLINK_KOBJECT_UEVENT].map((protocol) => allowSocket(AF_NETLINK, type, protocol)),
    ),
    // MPTCP passes Landlock's TCP rules on older kernels; programs that try it (Go) fall back to TCP.
    ...internet.flatMap((family) =>
      [SOCK_STREAM, SOCK_DGRAM].map(
        (type): SeccompRule => ({
          syscalls: 'socket',
          action: { errno: 'EPROTONOSUPPORT' },
          args: [is(0, family), hasType(type)],
        }),
      ),
    ),
    { syscalls: 'socket', action: refusal },
    { syscalls: 'socketpair', action: refusal, args: [{ index: 0, op: '!=', value: AF_UNIX }] },
  ];
}

/**
 * No file becomes set-user-ID or set-group-ID. On a writable bind it would belong to the caller on the host, where whoever runs it becomes the caller:
 * for a root caller, root. The mode counts at open only when the call may create a file.
 */
function setIdRules(refusal: SeccompAction): SeccompRule[] {
  return SET_ID_MODES.flatMap((mode): SeccompRule[] => [
    { syscalls: ['chmod', 'fchmod', 'creat', 'mknod'], action: refusal, args: [hasBit(1, mode)] },
    { syscalls: ['fchmodat', 'fchmodat2', 'mknodat'], action: refusal, args: [hasBit(2, mode)] },
    ...[O_CREAT, O_TMPFILE].flatMap((flag): SeccompRule[] => [
      { syscalls: 'open', action: refusal, args: [hasBit(1, flag), hasBit(2, mode)] },
      { syscalls: 'openat', action: refusal, args: [hasBit(2, flag), hasBit(3, mode)] },
    ]),
  ]);
}

/** The hardening filter. Everything that it does not name is allowed; numbers without a name, x32 and foreign architectures get ENOSYS. */
export function hardeningPolicy({ architectures, refusal = EPERM }: HardeningOptions = {}): SeccompPolicy {
  return {
    defaultAction: 'allow',
    ...(architectures === undefined ? {} : { architectures }),
    foreignArchAction: ENOSYS,
    unknownSyscallAction: ENOSYS,
    rules: [
      { syscalls: MISSING, action: ENOSYS },
      { syscalls: REFUSED, action: refusal },
      ...NEW_NAMESPACE_FLAGS.map(
        (flag): SeccompRule => ({ syscalls: ['clone', 'unshare'], action: refusal, args: [hasBit(0, flag)] }),
      ),
      { syscalls: 'unshare', action: refusal, args: [hasBit(0, CLONE_NEWTIME)] },
      ...PERSONALITIES.map(
        (persona): SeccompRule => ({ syscalls: 'personality', action: 'allow', args: [is(0, persona)] }),
      ),
      { syscalls: 'personality', action: refusal },
      ...TERMINAL_REQUESTS.map(
        (request): SeccompRule => ({ syscalls: 'ioctl', action: refusal, args: [is(1, request)] }),
      ),
      ...[F_SETLEASE, F_NOTIFY].map(
        (command): SeccompRule => ({ syscalls: ['fcntl', 'fcntl64'], action: refusal, args: [is(1, command)] }),
      ),
      {
        syscalls: 'seccomp',
        action: refusal,
        args: [is(0, SECCOMP_SET_MODE_FILTER), hasBit(1, SECCOMP_FILTER_FLAG_NEW_LISTENER)],
      },
      {
        syscalls: ['setxattr', 'lsetxattr', 'fsetxattr'],
        action: { errno: 'ENOSPC' },
        args: [{ index: 3, op: '>', value: LARGEST_ATTRIBUTE }],
      },
      ...setIdRules(refusal),
      ...socketRules(refusal),
    ],
  };
}
