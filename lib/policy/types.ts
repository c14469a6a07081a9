/** The policy as users write it. Validation is in parse.ts; what each part turns into on the way to the kernel is in lib/plan. */

import type { Stream } from 'node:stream';

import type { OciSeccompProfile, SeccompPolicy } from './seccomp-types.js';

export type * from './result-types.js';
export type * from './seccomp-types.js';

/** The vocabulary of OpenBSD's pledge(2), and two names of our own for Linux: `prot_exec` and `anet`. */
export type PledgePromise =
  | 'stdio'
  | 'rpath'
  | 'wpath'
  | 'cpath'
  | 'dpath'
  | 'tmppath'
  | 'fattr'
  | 'chown'
  | 'flock'
  | 'unix'
  | 'inet'
  | 'mcast'
  | 'dns'
  | 'recvfd'
  | 'sendfd'
  | 'tty'
  | 'proc'
  | 'exec'
  | 'id'
  | 'settime'
  | 'ps'
  | 'vminfo'
  | 'getpw'
  | 'unveil'
  | 'error'
  /** Map or turn memory executable. Implied for a just-in-time compiling runtime that restricts itself. */
  | 'prot_exec'
  /** Accept connections on inherited listening sockets, open none. */
  | 'anet';

/** Letters of unveil(2): `r` read, `w` write, `x` execute, `c` create and remove; `''` hides a path inside a wider grant. */
export type UnveilPermissions = string;

/** A name of capabilities(7), in any case, with or without `CAP_`. */
export type CapabilityName = string;

/** A count of bytes, or text with a unit: `'64MiB'`, `'1.5GB'`, `'512k'`. `k`, `M`, `G`, `T` and `KiB`... are powers of 1024, `kB`, `MB`, `GB`, `TB` of 1000. */
export type Bytes = number | string;

/** A time in milliseconds, or text with a unit: `'250ms'`, `'10s'`, `'5m'`, `'2h'`. */
export type Duration = number | string;

/**
 * What happens at a call that the policy forbids.
 * `'kill'`: the process, in a cell the whole cell, ends with SIGSYS after one line on its standard error.
 * `'error'`: the call fails with EPERM, or ENOSYS where this version does not know it.
 * `'log'`: the call goes through and is reported.
 */
export type OnViolation = 'kill' | 'error' | 'log';

/**
 * What happens where this kernel cannot enforce a part of the policy.
 * `'error'`: ERR_CLOISTER_UNSUPPORTED, and nothing is applied.
 * `'degrade'`: the rest is applied, and `Enforcement.missing` names each part that is not.
 */
export type OnUnsupported = 'error' | 'degrade';

/** What a process gives up. Every member is optional; unknown ones are refused with ERR_CLOISTER_POLICY. */
export interface RestrictionPolicy {
  /** Promises of pledge(2), as an array or as text with spaces between. `''` leaves what is needed to compute and to exit. Default: calls are not filtered by promises. */
  pledge?: string | readonly PledgePromise[];
  /**
   * Paths and what may be done below them. Keys are absolute, relative to the caller's working directory, or `~/...`; a symbolic link is resolved once.
   * `{}`: nothing may be opened. Default: the file system is not restricted (in a cell: nothing beyond the root and the mounts).
   */
  unveil?: Readonly<Record<string, UnveilPermissions>>;
  /** TCP ports (0 to 65535) that may be connected to and bound. Default: not restricted here. See landlock(7), ABI 4. */
  tcp?: { connect?: readonly number[]; bind?: readonly number[] };
  /** Cuts off abstract Unix sockets and signals to processes outside. Default: true in cells, and for a process itself where the kernel syncs threads. See landlock(7), ABI 6. */
  scope?: boolean;
  /** A further filter, stacked on the one that `pledge` makes. Default: none. */
  seccomp?: SeccompPolicy | OciSeccompProfile;
  /** Capabilities to keep. Default: none, when any other member is set. See capabilities(7). */
  capabilities?: readonly CapabilityName[];
  /** Default: `'kill'`. */
  onViolation?: OnViolation;
  /** Default: `'error'`. */
  onUnsupported?: OnUnsupported;
}

/** One thing put into the cell's file tree. Targets are absolute paths inside. The order in which mounts are written does not matter: parents come first. */
export type Mount =
  /**
   * Shows a file or directory of the host. `source`: absolute, relative to the caller's working directory, or `~/...`. `target` default: the source's own path.
   * `writable` default false. `executable` default true. `optional` default false: a source that is missing is ERR_CLOISTER_NOT_FOUND.
   */
  | { type: 'bind'; source: string; target?: string; writable?: boolean; optional?: boolean; executable?: boolean }
  /** A private tmpfs. `size` in bytes, default `limits.scratch`. `mode` default 0o755. `executable` default false. */
  | { type: 'tmpfs'; target: string; size?: Bytes; mode?: number; executable?: boolean }
  /** Host directories stacked, the first one on top. Writes go to the host directory `upper`; without it they go to a tmpfs of `limits.scratch` and are discarded. */
  | { type: 'overlay'; lower: string | readonly string[]; target: string; upper?: string }
  /** A file made for this cell. `mode` default 0o644. `writable` default false. Text is written as UTF-8. */
  | { type: 'file'; target: string; content: string | Uint8Array; mode?: number; writable?: boolean }
  /** An empty directory. `mode` default 0o755. */
  | { type: 'directory'; target: string; mode?: number }
  /** A symbolic link that points to `to`, which is not looked at. */
  | { type: 'symlink'; target: string; to: string }
  /** The cell's own /proc. `target` default `/proc`. */
  | { type: 'proc'; target?: string }
  /** The harmless devices, a private pts and shm. `target` default `/dev`. */
  | { type: 'dev'; target?: string };

/** Ceilings. What the program sees on reaching each is in docs/limits.md. */
export interface Limits {
  /** Longest time the command may run, in milliseconds or as text with a unit. Default: no limit. On expiry the cell is killed, reason `'wall-time'`. */
  wallTime?: Duration;
  /** Processor time of the whole cell, in milliseconds or as text with a unit. Default: no limit. On expiry the cell is killed, reason `'cpu-time'`. */
  cpuTime?: Duration;
  /** Memory of the whole cell, in bytes or as text with a unit. Default: no limit. Beyond it the cell is killed, reason `'memory'`. */
  memory?: Bytes;
  /** Processes and threads alive at once in the cell. Default 256. Beyond it fork(2) fails with EAGAIN. */
  processes?: number;
  /** Largest file that one process may write, in bytes or as text with a unit. Default: no limit. Beyond it: SIGXFSZ, EFBIG. */
  fileSize?: Bytes;
  /** Open descriptors of one process. Default 1024. Beyond it: EMFILE. */
  openFiles?: number;
  /** Bytes on stdout and stderr together, both of which must be `'pipe'`. Default: no limit. Beyond it the cell is killed, reason `'output'`. */
  output?: Bytes;
  /** Size of each private tmpfs, in bytes or as text with a unit. Default 64 MiB. Beyond it: ENOSPC. */
  scratch?: Bytes;
  /** Share of processors, e.g. 0.5 for half of one. Default: no limit. */
  cpus?: number;
  /** Size of a core file, in bytes or as text with a unit. Default 0. */
  core?: Bytes;
  /** Stack of one thread of execution, in bytes or as text with a unit. Default: the caller's. Beyond it: SIGSEGV. */
  stack?: Bytes;
  /** Address space of one process (RLIMIT_AS), in bytes or as text with a unit. Default: no limit. Beyond it: ENOMEM. Programs such as Node.js reserve far more than they use. */
  addressSpace?: Bytes;
}

/** A connection that the cell asks for. */
export interface NetRequest {
  host?: string;
  address: string;
  port: number;
  protocol: 'tcp' | 'udp';
}

/** What a program in a cell gets. Every member is optional, and the defaults are the narrow ones. */
export interface IsolationPolicy extends RestrictionPolicy {
  /**
   * What `/` is. `'system'`: the host's /usr, /bin, /lib* and the few files of /etc that programs need, read-only. `'host'`: the host's tree, read-only,
   * without /run, /tmp and sockets. `'empty'`: nothing. `{directory}`: that tree, read-only unless `writable`: `true` writes to it, `'discard'` keeps the writes of
   * the cell in memory (`limits.scratch`). `{image}`: an OCI image layout (directory or tar), what `docker save` writes, or an
   * App Container image, unpacked into a cache: docs/images.md. What the cell writes to it is discarded. Default `'system'`.
   * On top of each, unless a mount says otherwise: /proc and /dev of the cell's own, a private /tmp (programs may run from it) and /dev/shm.
   */
  root?:
    | 'system'
    | 'host'
    | 'empty'
    | { directory: string; writable?: boolean | 'discard' }
    | { image: string; reference?: string };
  /** Further mounts. They go beyond `unveil`, which shows paths where they are. Default: none. */
  mounts?: readonly Mount[];
  /** `'none'`: a private loopback interface and nothing else. `'host'`: the host's network. Or an allow-list. Default `'none'`. */
  net?:
    | 'none'
    | 'host'
    | { allow: readonly string[]; deny?: readonly string[]; ask?: (request: NetRequest) => boolean | Promise<boolean> };
  /** Host name inside, up to 64 bytes. Default `'cloister'`. See sethostname(2). */
  hostname?: string;
  /**
   * Ids as seen inside. Default: the caller's. The cell of a root caller runs on an unprivileged uid of the host, whatever it sees inside;
   * `hostRoot: true` gives that up.
   */
  user?: { uid?: number; gid?: number; hostRoot?: boolean };
  limits?: Limits;
  /** Environment. Default: PATH, HOME=/tmp, LANG and TERM only. An object adds to these; a member that is undefined removes. `'inherit'`: the caller's. */
  env?: Readonly<Record<string, string | undefined>> | 'inherit';
  /** Working directory inside, absolute. Default `/`. */
  cwd?: string;
  appArmorProfile?: string;
  selinuxLabel?: string;
  /** Default `'auto'`: the strongest that works here. */
  backend?: 'auto' | 'namespaces' | 'landlock' | 'chroot';
}

/** One descriptor of the command: see `stdio` of child_process.spawn. */
export type StdioEntry = 'pipe' | 'ignore' | 'inherit' | number | Stream | null | undefined;

export interface SpawnOptions extends IsolationPolicy {
  /** As in node:child_process. Default `['pipe', 'pipe', 'pipe']`. */
  stdio?: 'pipe' | 'ignore' | 'inherit' | readonly StdioEntry[];
  /** Ends the cell when it fires. */
  signal?: AbortSignal;
  /** What the command sees as its own name. Default: the command as written. */
  argv0?: string;
  /** A new pseudo-terminal of this size instead of pipes for descriptors 0 to 2. */
  pty?: { columns: number; rows: number };
}
