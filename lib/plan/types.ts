/**
 * The plan of a cell: what the launcher will do, as plain data that can be printed, compared and stored. Everything that can be
 * decided before the first process of the cell exists has been decided here; the native side only carries it out.
 */

import type { ViolationPlan } from '../policy/filtering.js';
import type { SeccompPolicy } from '../policy/types.js';
import type { FsRight, NetRight, ScopeName } from './landlock-rights.js';

/** A place where something is mounted: in the tree that becomes the cell's `/`, or in the stage, which the cell never sees. */
export interface Place {
  readonly in: 'root' | 'stage';
  /** Absolute, normalised, free of symbolic links in that tree. */
  readonly path: string;
}

/** A new tmpfs. The first operation of every plan is one: at `/` of the root, or the stage itself (`at: {in: 'stage', path: '/'}`). */
export interface TmpfsOperation {
  readonly kind: 'tmpfs';
  readonly at: Place;
  /** Bytes. */
  readonly size: number;
  readonly inodes: number;
  readonly mode: number;
  readonly executable: boolean;
}

/** Creates a directory in a file system that this plan made; `filesystem` counts its tmpfs and overlay operations from 0. */
export interface DirectoryOperation {
  readonly kind: 'directory';
  readonly filesystem: number;
  /** Relative to the root of that file system, without a leading slash. The parent exists. */
  readonly path: string;
  readonly mode: number;
}

/** Creates a regular file, as DirectoryOperation does a directory. Empty files serve as mount points. */
export interface FileOperation {
  readonly kind: 'file';
  readonly filesystem: number;
  readonly path: string;
  readonly mode: number;
  /** Text is written as UTF-8; absent: empty. */
  readonly content?: string | Uint8Array | undefined;
}

export interface SymlinkOperation {
  readonly kind: 'symlink';
  readonly filesystem: number;
  readonly path: string;
  readonly to: string;
}

/** Shows a file or directory of the host, or of the stage, at a place. Never follows a symbolic link: the source was resolved at plan time. */
export interface BindOperation {
  readonly kind: 'bind';
  readonly from: { readonly in: 'host' | 'stage'; readonly path: string };
  readonly at: Place;
  readonly recursive: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  /** Device nodes stay usable. */
  readonly devices: boolean;
  /** Files belong to the caller inside, although the cell runs on a host uid of its own. Only set for a real-root caller. */
  readonly idMapped: boolean;
  /** A source that is gone when the launcher looks is left out. */
  readonly optional: boolean;
}

/** An overlay over stage directories. Without `upper` it is read-only and needs two lower ones. */
export interface OverlayOperation {
  readonly kind: 'overlay';
  readonly at: Place;
  /** Stage paths, the top one first. */
  readonly lower: readonly string[];
  /** Stage paths of upper and work directory, on one writable file system. */
  readonly upper?: string | undefined;
  readonly work?: string | undefined;
  readonly executable: boolean;
}

/** A fresh read-only /proc of the cell's pid namespace, its sensitive parts covered. */
export interface ProcOperation {
  readonly kind: 'proc';
  readonly at: Place;
}

/**
 * A read-only /dev: null, zero, full, random, urandom, tty, a devpts instance of its own at pts, the links fd, stdin, stdout, stderr, ptmx, and an
 * empty directory shm, on which the plan mounts a tmpfs.
 */
export interface DevOperation {
  readonly kind: 'dev';
  readonly at: Place;
}

/** Covers a directory by an empty one, a file by an empty one, neither of which anybody may open. */
export interface MaskOperation {
  readonly kind: 'mask';
  readonly at: Place;
  readonly directory: boolean;
  /** A place that is gone when the launcher looks needs no cover. */
  readonly optional: boolean;
}

/** Makes the mount at the place (not those below it) read-only. */
export interface SealOperation {
  readonly kind: 'seal';
  readonly at: Place;
}

export type MountOperation =
  | TmpfsOperation
  | DirectoryOperation
  | FileOperation
  | SymlinkOperation
  | BindOperation
  | OverlayOperation
  | ProcOperation
  | DevOperation
  | MaskOperation
  | SealOperation;

export type NamespaceName = 'user' | 'mount' | 'pid' | 'net' | 'ipc' | 'uts' | 'cgroup';

export type ResourceName =
  | 'RLIMIT_CPU'
  | 'RLIMIT_FSIZE'
  | 'RLIMIT_DATA'
  | 'RLIMIT_STACK'
  | 'RLIMIT_CORE'
  | 'RLIMIT_RSS'
  | 'RLIMIT_NPROC'
  | 'RLIMIT_NOFILE'
  | 'RLIMIT_MEMLOCK'
  | 'RLIMIT_AS'
  | 'RLIMIT_LOCKS'
  | 'RLIMIT_SIGPENDING'
  | 'RLIMIT_MSGQUEUE'
  | 'RLIMIT_NICE'
  | 'RLIMIT_RTPRIO'
  | 'RLIMIT_RTTIME';

/** Soft and hard limit alike, lowered to the caller's own hard limit where that is less. */
export interface ResourceLimit {
  readonly resource: ResourceName;
  readonly value: number;
}

/** What holds for the cell as a whole. Null: not limited. `group`: by a control group; `sampling`: the launcher looks at the processes. */
export interface CellLimits {
  readonly memory: { readonly bytes: number; readonly by: 'group' | 'sampling' } | null;
  readonly cpuTime: { readonly milliseconds: number; readonly by: 'group' | 'sampling' } | null;
  /** Processes and threads, the cell's init included. By a control group. */
  readonly processes: number | null;
  /** Share of processors. By a control group. */
  readonly cpus: number | null;
}

/** `optional`: a path that is not there is left out. */
export interface LandlockRule {
  readonly path: string;
  readonly rights: readonly FsRight[];
  readonly optional?: true;
}

/** What is handled is denied unless a rule grants it. */
export interface LandlockPlan {
  /** Absent: files are not restricted by Landlock. */
  readonly handledFs?: readonly FsRight[];
  /** Absent: ports are not restricted. */
  readonly handledNet?: readonly NetRight[];
  readonly scoped: readonly ScopeName[];
  /** Paths of the cell; of the host's tree, resolved, where it stands in that. On a file, rights that only a directory can have are left out. */
  readonly rules?: readonly LandlockRule[];
  readonly ports?: readonly { readonly port: number; readonly rights: readonly NetRight[] }[];
}

export interface Plan {
  readonly version: 1;
  readonly backend: 'namespaces' | 'landlock' | 'chroot';
  readonly namespaces: readonly NamespaceName[];
  readonly identity: {
    /** As seen inside. */
    readonly uid: number;
    readonly gid: number;
    /** What stands behind them on the host: the caller's own ids, or (real-root caller) an unprivileged pair that the launcher picks. */
    readonly host: 'caller' | 'unprivileged';
  };
  readonly hostname: string;
  readonly loopback: boolean;
  /** A directory of the host that the launcher makes for the cell and removes with it; null where the cell has a tree of its own. */
  readonly scratch: string | null;
  /** Empty where the cell stands in the host's tree. */
  readonly mounts: readonly MountOperation[];
  /** Names as in capabilities(7), 'CAP_…'. */
  readonly capabilities: readonly string[];
  /** The Landlock domain, or null where the kernel has no Landlock or none was wanted. */
  readonly landlock: LandlockPlan | null;
  readonly limits: readonly ResourceLimit[];
  /** Milliseconds from the command's start, or null. */
  readonly wallTime: number | null;
  readonly cell: CellLimits;
  readonly terminal: { readonly columns: number; readonly rows: number } | null;
  /** One filter, all layers merged; null only for tests of the native side. `'kill-process'` in it stands for a violation. */
  readonly filter: readonly SeccompPolicy[] | null;
  /** What happens at a violation; null where there can be none. */
  readonly violations: ViolationPlan | null;
  readonly command: {
    /** As the caller wrote it: for messages. */
    readonly name: string;
    /** Absolute paths, or relative to cwd when the name has a slash, tried in this order as execvp(3) does. */
    readonly candidates: readonly string[];
    readonly argv: readonly string[];
    readonly environment: readonly string[];
    readonly cwd: string;
  };
}
