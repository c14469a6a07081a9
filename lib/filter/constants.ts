/** Names of argument values, for the disassembler's comments. Values of asm-generic and of linux/*.h that all architectures of ours share. */

type Names = Readonly<Record<number, string>>;

interface Argument {
  readonly name: string;
  readonly values?: Names;
  /** Single bits, for tests under a mask. */
  readonly bits?: Names;
}

const FAMILIES: Names = {
  0: 'AF_UNSPEC',
  1: 'AF_UNIX',
  2: 'AF_INET',
  10: 'AF_INET6',
  16: 'AF_NETLINK',
  17: 'AF_PACKET',
  38: 'AF_ALG',
  40: 'AF_VSOCK',
  44: 'AF_XDP',
};
const TYPES: Names = {
  1: 'SOCK_STREAM',
  2: 'SOCK_DGRAM',
  3: 'SOCK_RAW',
  4: 'SOCK_RDM',
  5: 'SOCK_SEQPACKET',
  10: 'SOCK_PACKET',
};
const TYPE_BITS: Names = { 0x800: 'SOCK_NONBLOCK', 0x80000: 'SOCK_CLOEXEC' };
const SOCKET: readonly Argument[] = [
  { name: 'domain', values: FAMILIES },
  { name: 'type', values: TYPES, bits: TYPE_BITS },
  { name: 'protocol' },
];
const PROT_BITS: Names = { 1: 'PROT_READ', 2: 'PROT_WRITE', 4: 'PROT_EXEC' };
const OPEN_BITS: Names = {
  0x1: 'O_WRONLY',
  0x2: 'O_RDWR',
  0x40: 'O_CREAT',
  0x200: 'O_TRUNC',
  0x400: 'O_APPEND',
  0x400000: '__O_TMPFILE',
};
const MODE_BITS: Names = { 0o4000: 'S_ISUID', 0o2000: 'S_ISGID', 0o1000: 'S_ISVTX' };
const CLONE_BITS: Names = {
  0x80: 'CLONE_NEWTIME',
  0x100: 'CLONE_VM',
  0x200: 'CLONE_FS',
  0x400: 'CLONE_FILES',
  0x800: 'CLONE_SIGHAND',
  0x2000: 'CLONE_PTRACE',
  0x8000: 'CLONE_PARENT',
  0x10000: 'CLONE_THREAD',
  0x20000: 'CLONE_NEWNS',
  0x40000: 'CLONE_SYSVSEM',
  0x800000: 'CLONE_UNTRACED',
  0x2000000: 'CLONE_NEWCGROUP',
  0x4000000: 'CLONE_NEWUTS',
  0x8000000: 'CLONE_NEWIPC',
  0x10000000: 'CLONE_NEWUSER',
  0x20000000: 'CLONE_NEWPID',
  0x40000000: 'CLONE_NEWNET',
};
const IOCTLS: Names = {
  0x5401: 'TCGETS',
  0x5402: 'TCSETS',
  0x5403: 'TCSETSW',
  0x5404: 'TCSETSF',
  0x5412: 'TIOCSTI',
  0x5413: 'TIOCGWINSZ',
  0x5414: 'TIOCSWINSZ',
  0x541b: 'FIONREAD',
  0x541c: 'TIOCLINUX',
  0x5421: 'FIONBIO',
  0x5450: 'FIONCLEX',
  0x5451: 'FIOCLEX',
};
const FCNTLS: Names = {
  0: 'F_DUPFD',
  1: 'F_GETFD',
  2: 'F_SETFD',
  3: 'F_GETFL',
  4: 'F_SETFL',
  5: 'F_GETLK',
  6: 'F_SETLK',
  7: 'F_SETLKW',
  8: 'F_SETOWN',
  1030: 'F_DUPFD_CLOEXEC',
};
const PRCTLS: Names = {
  3: 'PR_GET_DUMPABLE',
  4: 'PR_SET_DUMPABLE',
  15: 'PR_SET_NAME',
  16: 'PR_GET_NAME',
  22: 'PR_SET_SECCOMP',
  38: 'PR_SET_NO_NEW_PRIVS',
  39: 'PR_GET_NO_NEW_PRIVS',
};
const PERSONALITIES: Names = {
  0: 'PER_LINUX',
  8: 'PER_LINUX32',
  0x20000: 'UNAME26',
  0x20008: 'UNAME26|PER_LINUX32',
  0xffffffff: 'query',
};
const ADVICE: Names = { 4: 'MADV_DONTNEED', 8: 'MADV_FREE', 10: 'MADV_DONTFORK' };

const plain = (name: string): Argument => ({ name });

const ARGUMENTS: Readonly<Record<string, readonly Argument[]>> = {
  socket: SOCKET,
  socketpair: SOCKET,
  socketcall: [plain('call')],
  ipc: [plain('call')],
  clone: [{ name: 'flags', bits: CLONE_BITS }],
  unshare: [{ name: 'flags', bits: CLONE_BITS }],
  personality: [{ name: 'persona', values: PERSONALITIES }],
  ioctl: [plain('fd'), { name: 'request', values: IOCTLS }],
  fcntl: [plain('fd'), { name: 'command', values: FCNTLS }],
  prctl: [{ name: 'option', values: PRCTLS }],
  mmap: [plain('address'), plain('length'), { name: 'prot', bits: PROT_BITS }, plain('flags')],
  mprotect: [plain('address'), plain('length'), { name: 'prot', bits: PROT_BITS }],
  pkey_mprotect: [plain('address'), plain('length'), { name: 'prot', bits: PROT_BITS }],
  madvise: [plain('address'), plain('length'), { name: 'advice', values: ADVICE }],
  open: [plain('path'), { name: 'flags', bits: OPEN_BITS }, { name: 'mode', bits: MODE_BITS }],
  openat: [plain('directory'), plain('path'), { name: 'flags', bits: OPEN_BITS }, { name: 'mode', bits: MODE_BITS }],
  chmod: [plain('path'), { name: 'mode', bits: MODE_BITS }],
  fchmod: [plain('fd'), { name: 'mode', bits: MODE_BITS }],
  fchmodat: [plain('directory'), plain('path'), { name: 'mode', bits: MODE_BITS }],
  kill: [plain('pid'), plain('signal')],
  tgkill: [plain('tgid'), plain('tid'), plain('signal')],
  setsockopt: [plain('socket'), plain('level'), plain('option')],
  getsockopt: [plain('socket'), plain('level'), plain('option')],
};

/** `domain` for the first argument of socket. */
export function argumentName(syscall: string | undefined, index: number): string {
  return ARGUMENTS[syscall ?? '']?.[index]?.name ?? `argument ${index}`;
}

/** The name of a whole value. */
export function valueName(syscall: string, index: number, value: number): string | undefined {
  return ARGUMENTS[syscall]?.[index]?.values?.[value];
}

/** The names of the bits of a mask; undefined unless every bit has one. */
export function bitNames(syscall: string, index: number, mask: number): string | undefined {
  const bits = ARGUMENTS[syscall]?.[index]?.bits;
  const set = Array.from({ length: 32 }, (_, bit) => 2 ** bit).filter((bit) => (mask & bit) !== 0);
  const names = set.map((bit) => bits?.[bit]);
  return names.length > 0 && names.every((name) => name !== undefined) ? names.join('|') : undefined;
}
