/** What is known about this machine. */

/** What this machine can enforce, found by trying. */
export interface Support {
  /** As process.platform. */
  platform: string;
  /** Release of the kernel. For people only: nothing is decided by it. */
  kernel: string;
  /** As process.arch. */
  arch: string;
  landlock: { abi: number; fs: string[]; net: string[]; scope: string[] } | null;
  seccomp: { filter: boolean; userNotification: boolean; threadSync: boolean; actions: string[] } | null;
  namespaces: {
    user: boolean;
    mount: boolean;
    pid: boolean;
    net: boolean;
    ipc: boolean;
    uts: boolean;
    cgroup: boolean;
    time: boolean;
  };
  /** Why unprivileged namespaces do not work, in words with the mend. */
  namespacesBlockedBy?: string;
  cgroup: { version: 'v2' | 'v1'; writable: boolean; controllers: string[] } | null;
  backends: ('namespaces' | 'landlock' | 'chroot')[];
}

/** What else decides how a cell is built, and explains why it could not be. */
export interface HostFeatures {
  /** The caller is root of the initial user namespace. */
  readonly realRoot: boolean;
  /** overlayfs may be mounted in a user namespace (Linux 5.11). */
  readonly overlay: boolean;
  /** Binds can be id-mapped (Linux 5.12). */
  readonly idMappedBinds: boolean;
  /** A fresh proc may be mounted: nothing covers parts of the /proc that is in sight. */
  readonly freshProc: boolean;
  /** A filter of a new process can have a listener (Linux 5.0): no filter that this process inherited has one. */
  readonly listener: boolean;
  /** RLIMIT_NPROC counts the processes of one cell (Linux 5.14, or a host uid of its own), not all of the caller. */
  readonly processesPerNamespace: boolean;
  /** What root may do without a user namespace; null where this process is not root. */
  readonly asRoot: {
    readonly namespaces: readonly ('mount' | 'pid' | 'net' | 'ipc' | 'uts' | 'cgroup')[];
    readonly overlay: boolean;
  } | null;
  /** Controllers that cells can be given control groups of, by the version that has them. `cpuacct`: processor time is counted. */
  readonly controllers: Readonly<Partial<Record<ControllerName, 'v2' | 'v1'>>>;
  /** Kernel settings that keep user namespaces from working; null where the kernel has no such setting. */
  readonly settings: {
    readonly maxUserNamespaces: number | null;
    readonly unprivilegedUserNamespaces: boolean | null;
    readonly appArmorRestrictsUserNamespaces: boolean | null;
  };
  /** Where trying namespaces failed; null where it did not. */
  readonly failure: { readonly errno: string; readonly stage: string } | null;
}

export type ControllerName = 'memory' | 'pids' | 'cpu' | 'cpuacct';

export interface HostFile {
  readonly kind: 'file' | 'directory' | 'symlink' | 'socket' | 'device' | 'fifo';
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  /** st_dev: tells file systems apart. */
  readonly device: number;
}

/** The host's file tree as far as plans look at it. Paths are absolute. Nothing here writes. */
export interface HostFiles {
  /** Like lstat(2); null when nothing is there. */
  inspect(path: string): HostFile | null;
  readLink(path: string): string;
  list(path: string): readonly string[];
  /** Null when it leads nowhere. */
  realPath(path: string): string | null;
  /** Mounts in sight, in the order of mountinfo (proc_pid_mountinfo(5)): the later covers the earlier. */
  mounts(): readonly { readonly path: string; readonly type: string }[];
  /** False where the caller may not look, behind a directory that is not his to search. */
  isInReach(path: string): boolean;
  /** Real paths of the Unix sockets that somebody has bound and that the caller can reach. */
  sockets(): readonly string[];
}
