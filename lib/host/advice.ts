/** What to do when something does not work here, from what is known about the machine. Pure. */

import { errnoName } from '../errors.js';
import type { HostFeatures } from './types.js';

/** Why cells cannot be built with namespaces, and the mend. */
export function explainBlocked(features: HostFeatures, platform = 'linux'): string {
  if (platform !== 'linux') {
    return `${platform} is not Linux: the kernel has no namespaces`;
  }
  const { settings, failure, realRoot } = features;
  if (failure?.stage === 'procmount') {
    return MASKED_PROC;
  }
  if (settings.maxUserNamespaces === 0) {
    return 'user.max_user_namespaces is 0. Mend: sysctl -w user.max_user_namespaces=15000';
  }
  if (!realRoot && settings.unprivilegedUserNamespaces === false) {
    return 'kernel.unprivileged_userns_clone is 0. Mend: sysctl -w kernel.unprivileged_userns_clone=1';
  }
  if (
    !realRoot &&
    settings.appArmorRestrictsUserNamespaces === true &&
    (failure?.errno === 'EPERM' || failure?.errno === 'EACCES')
  ) {
    return APPARMOR;
  }
  return failure === null ? 'no try was made' : explainFailure(failure.errno, failure.stage);
}

const MASKED_PROC =
  'namespaces work, but parts of the /proc in sight are covered, as container engines do, so that the kernel allows no new /proc in a user namespace. ' +
  'Mend: let the container see all of it (docker run --security-opt systempaths=unconfined, in Kubernetes procMount: Unmasked)';

// The rule that the profile needs is in apparmor.d(5); the restriction is Ubuntu's, since 23.10.
const APPARMOR =
  'kernel.apparmor_restrict_unprivileged_userns is 1. Mend: give the launcher a profile that allows user namespaces, in /etc/apparmor.d/cloister: ' +
  "'abi <abi/4.0>, profile cloister /**/cloister-launcher flags=(unconfined) { userns, }', then apparmor_parser -r on it; " +
  'or for the whole machine sysctl -w kernel.apparmor_restrict_unprivileged_userns=0';

function explainFailure(errno: string, stage: string): string {
  switch (errno) {
    case 'EPERM':
    case 'EACCES':
      return (
        `the kernel answers ${errno} (${stage}). In a container its system call filter forbids namespaces: ` +
        'docker run --security-opt seccomp=PROFILE with one that allows clone, clone3, unshare, mount and pivot_root to everybody, or seccomp=unconfined. ' +
        'Outside of containers: a chroot, or a security module (SELinux, AppArmor, Yama) is in the way'
      );
    case 'ENOSPC':
    case 'EUSERS':
      return `the kernel answers ${errno} (${stage}): the number of user namespaces, or of another kind, is used up, or they are nested too deeply, or this is a sandbox that allows none. Mend: sysctl -w user.max_user_namespaces=15000, and each other user.max_*_namespaces that is low`;
    case 'EINVAL':
    case 'ENOSYS':
      return `the kernel answers ${errno} (${stage}): it was built without these namespaces, or a container's filter hides them. Mend: a kernel with CONFIG_USER_NS, CONFIG_PID_NS and CONFIG_NET_NS`;
    case 'EAGAIN':
    case 'ENOMEM':
      return `the kernel answers ${errno} (${stage}): this user has too many processes, or memory is short. Mend: ulimit -u, or the pids controller of the cgroup`;
    default:
      return `the kernel answers ${errno} (${stage})`;
  }
}

/** A stage of a cell's start that failed. */
export interface Failure {
  readonly stage: string;
  /** Negative. */
  readonly errno: number;
  readonly syscall: string;
  /** Path or other object; may be empty. */
  readonly detail: string;
}

interface Rule {
  readonly stage: string;
  readonly errnos?: readonly string[];
  /** What the system call is called, where that matters. */
  readonly syscall?: RegExp;
  readonly hint: (failure: Failure, features: HostFeatures) => string;
}

const REFUSED = ['EPERM', 'EACCES'] as const;

/** The first rule that fits decides. */
const RULES: readonly Rule[] = [
  {
    stage: 'clone',
    syscall: /^restrictSelf$/,
    hint: () =>
      'a process that has restricted itself starts no more cells: start them before, or from a process that has not',
  },
  {
    stage: 'clone',
    errnos: ['EAGAIN'],
    hint: () =>
      'this user has too many processes: ulimit -u, or the pids controller of the cgroup; or all have: sysctl kernel.pid_max',
  },
  { stage: 'clone', errnos: ['ENOMEM'], hint: () => 'memory is short' },
  {
    stage: 'clone',
    errnos: ['ECONNRESET', 'EPIPE'],
    hint: () =>
      'the launcher has ended: somebody killed it, or memory is short (see the log of the kernel); the next call starts another',
  },
  { stage: 'clone', errnos: ['EMFILE', 'ENFILE'], hint: () => 'too many open descriptors: raise ulimit -n' },
  { stage: 'clone', hint: (failure, features) => explainBlocked(withFailure(features, failure)) },
  { stage: 'ids', errnos: REFUSED, hint: (failure, features) => explainBlocked(withFailure(features, failure)) },
  {
    stage: 'mounts',
    errnos: ['EINVAL', 'EPERM', 'EOPNOTSUPP'],
    syscall: /id map/,
    hint: ({ detail }) =>
      `the file system of ${detail}, or one mounted below it (findmnt -R ${detail}), has no id-mapped mounts: use a directory on ext4, xfs, btrfs or tmpfs, run as another user than root, or give the host uid up with user: {hostRoot: true}`,
  },
  {
    stage: 'mounts',
    errnos: ['ELOOP'],
    hint: ({ detail }) => `${detail} was replaced by a symbolic link after the plan was made, which is not followed`,
  },
  {
    stage: 'mounts',
    errnos: ['ENOENT'],
    hint: ({ detail }) => `${detail} disappeared after the plan was made; a bind may be 'optional'`,
  },
  {
    stage: 'mounts',
    errnos: ['EMFILE'],
    hint: () => 'a root caller needs a descriptor for each bind and unveiled path: raise ulimit -Hn',
  },
  {
    stage: 'mounts',
    errnos: ['EFBIG'],
    hint: () => 'the limit of this process on the size of files is below that of a file of the cell: raise ulimit -f',
  },
  {
    stage: 'mounts',
    errnos: ['ENOSPC'],
    syscall: /^fsmount$/,
    hint: () =>
      'the number of mount namespaces is used up: sysctl user.max_mnt_namespaces; or that of mounts: sysctl fs.mount-max',
  },
  {
    stage: 'mounts',
    errnos: ['ENOSPC'],
    hint: () => 'raise limits.scratch if files of the policy do not fit; with very many mounts: sysctl fs.mount-max',
  },
  {
    stage: 'mounts',
    errnos: REFUSED,
    syscall: /^(fsmount|fsconfig)$/,
    hint: ({ detail }) => (detail === '/proc' || detail === 'proc' ? MASKED_PROC : FILESYSTEM_REFUSED),
  },
  { stage: 'mounts', errnos: ['ENODEV'], hint: () => 'this kernel lacks that file system' },
  {
    stage: 'mounts',
    errnos: ['ENOSYS'],
    hint: () => "the kernel is older than Linux 5.10, or a container's system call filter hides the call",
  },
  { stage: 'mounts', errnos: ['EACCES'], hint: ({ detail }) => `this user cannot reach ${detail}` },
  {
    stage: 'mounts',
    errnos: ['EPERM'],
    hint: () => "a container's system call filter or a security module forbids it",
  },
  {
    stage: 'network',
    errnos: REFUSED,
    hint: () => "a security module or a container's filter forbids it; net: 'host' does without",
  },
  {
    stage: 'landlock',
    errnos: ['E2BIG'],
    hint: () => 'this process has nested 16 Landlock domains already, which is the most',
  },
  { stage: 'limits', errnos: REFUSED, hint: () => 'a limit is above what this process may set' },
  {
    stage: 'init',
    errnos: ['EAGAIN'],
    hint: () =>
      'limits.processes is too small for the cell to start, or this user or the machine has too many (ulimit -u, sysctl kernel.pid_max)',
  },
  { stage: 'filter', errnos: ['EINVAL'], hint: () => 'this kernel does not know a part of the filter' },
  { stage: 'filter', errnos: ['ENOMEM'], hint: () => 'this process has inherited too many filters' },
  {
    stage: 'exec',
    syscall: /chdir/,
    hint: () => 'put the working directory into the cell with unveil or mounts, or choose another cwd',
  },
  {
    stage: 'exec',
    errnos: ['ENOENT'],
    syscall: /interpreter/,
    hint: () => "show its interpreter or dynamic loader as well: unveil it with 'rx'",
  },
  {
    stage: 'exec',
    errnos: ['ENOENT', 'ENOTDIR'],
    hint: ({ detail }) =>
      detail.includes('/') && !detail.startsWith('/')
        ? "it is looked for in the working directory inside, which is '/' unless cwd says otherwise: give its absolute path, or set cwd; and show it by unveil with 'rx'"
        : "it is not in the cell: root 'system' has /usr, anything else is shown by unveil with 'rx'",
  },
  {
    stage: 'exec',
    errnos: ['EACCES'],
    hint: () =>
      "it lacks the executable bit, or lies where no programs may run: unveil it with 'x', or set 'executable' on its mount",
  },
  { stage: 'exec', errnos: ['ENOEXEC'], hint: () => 'it is neither a program for this machine nor a script with #!' },
  {
    stage: 'exec',
    errnos: ['E2BIG'],
    hint: () => 'arguments and environment are too large: raise limits.stack, or pass the data by stdin',
  },
  {
    stage: 'exec',
    errnos: ['ENOMEM'],
    hint: () => 'limits.addressSpace is too small for the program, or memory is short',
  },
];

const FILESYSTEM_REFUSED = 'this kernel does not allow that file system in a user namespace';

/** What to do about a stage that failed, where that is known. */
export function advise(failure: Failure, features: HostFeatures): string | undefined {
  const name = errnoName(failure.errno);
  const fits = ({ stage, errnos, syscall }: Rule): boolean =>
    stage === failure.stage && (errnos?.includes(name) ?? true) && (syscall?.test(failure.syscall) ?? true);
  return RULES.find(fits)?.hint(failure, features);
}

function withFailure(features: HostFeatures, { stage, errno }: Failure): HostFeatures {
  return { ...features, failure: { stage, errno: errnoName(errno) } };
}
