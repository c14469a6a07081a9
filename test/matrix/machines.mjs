// The machines that the suites are run on: a kernel, how it is booted, as whom the suites run, and what they must find there. `require` goes to
// CLOISTER_REQUIRE (see test/support/features.ts): where one of these is missing every test fails, so none is skipped for want of it.

const OLDEST = ['namespaces', 'listener'];
const SINCE_6_1 = [...OLDEST, 'overlay', 'processes', 'landlock:2'];
const SINCE_6_12 = [...SINCE_6_1, 'landlock:6', 'backend-landlock'];
const SINCE_6_18 = [...SINCE_6_12, 'landlock:7'];
const SINCE_7_3 = [...SINCE_6_18, 'landlock:8'];

const NOBODY = 65534;

// Ubuntu 24.04 lets anybody make a user namespace and gives no capability in it. Its sysctl is no part of Debian's kernels; a profile does the same.
const PROFILE =
  'profile cloister-no-capabilities flags=(attach_disconnected) { file, network, unix, signal, ptrace, mount, umount, pivot_root, deny capability, }';

/**
 * @typedef {object} Machine
 * @property {string} kernel beginning of the version; the newest that there is of it
 * @property {string} title for the table
 * @property {string[]} require features that every user of the suites must find
 * @property {string[]} [absent] features that none may find: the situation is what it is said to be
 * @property {number} [user] host uid that the suites run as; default: root, who runs each piece as nobody as well
 * @property {string} [append] kernel command line
 * @property {Record<string, string | number>} [sysctl]
 * @property {'v2' | 'delegated' | 'none'} [cgroup] default: v2, root's
 * @property {string} [setup] shell commands of root's before
 * @property {string[]} [prefix] what the command is run by
 */

/** @type {Map<string, Machine>} */
export const MACHINES = new Map(
  Object.entries({
    'linux-5.10': { kernel: '5.10', title: '5.10, older than Landlock', require: OLDEST, absent: ['landlock:1'] },
    'linux-6.1': { kernel: '6.1', title: '6.1', require: SINCE_6_1 },
    'linux-6.12': { kernel: '6.12', title: '6.12', require: SINCE_6_12 },
    'linux-6.18': { kernel: '6.18', title: '6.18', require: SINCE_6_18 },
    'linux-7.3': { kernel: '7.3', title: '7.3, Landlock for all threads', require: SINCE_7_3 },
    'no-landlock': {
      kernel: '6.12',
      title: 'Landlock off at boot',
      append: 'lsm=lockdown,yama,apparmor',
      require: [...OLDEST, 'overlay', 'processes'],
      absent: ['landlock:1'],
    },
    'no-userns': {
      kernel: '6.12',
      title: 'user namespaces off by sysctl',
      sysctl: { 'user.max_user_namespaces': 0 },
      require: ['listener', 'landlock:6', 'backend-landlock'],
      absent: ['namespaces'],
    },
    apparmor: {
      kernel: '6.12',
      title: 'AppArmor as on Ubuntu 24.04, not root',
      user: NOBODY,
      setup: `echo '${PROFILE}' | apparmor_parser --replace --skip-cache`,
      prefix: ['aa-exec', '--profile', 'cloister-no-capabilities', '--'],
      require: ['listener', 'landlock:6', 'backend-landlock'],
      absent: ['namespaces'],
    },
    'cgroup-delegated': {
      kernel: '6.12',
      title: 'cgroup v2 delegated to a user',
      user: NOBODY,
      cgroup: 'delegated',
      require: [...SINCE_6_12, 'cgroup-v2'],
    },
    'cgroup-root': { kernel: '6.12', title: 'cgroup v2, root', user: 0, require: SINCE_6_12 },
    'cgroup-none': {
      kernel: '6.12',
      title: 'no cgroup file system',
      cgroup: 'none',
      require: SINCE_6_12,
      absent: ['cgroup-v2'],
    },
    'no-io_uring': {
      kernel: '6.12',
      title: 'io_uring off by sysctl',
      sysctl: { 'kernel.io_uring_disabled': 2 },
      require: SINCE_6_12,
    },
  }),
);
