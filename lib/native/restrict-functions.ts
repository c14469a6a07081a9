/** What the addon exports for a process that restricts itself; native/binding/restrict_binding.cc implements it. */

/** A path that was opened once: what the descriptor leads to cannot be exchanged any more. */
export interface OpenedPath {
  /** 0, or negative; then there is nothing else. */
  errno: number;
  /** Close-on-exec, opened with O_PATH. To be closed by the caller. */
  descriptor?: number;
  kind?: 'directory' | 'file' | 'socket' | 'fifo' | 'device' | 'symlink';
  /** Absolute, without symbolic links. */
  real?: string;
  /** f_type of statfs(2). */
  fileSystem?: number;
}

export interface RestrictRequest {
  /** Descriptor of a Landlock ruleset, or -1. */
  ruleset: number;
  /** What it handles, as masks. */
  handledFs: number;
  handledNet: number;
  scoped: number;
  /** Have the kernel carry the domain to the other threads (Landlock ABI 8). */
  threadSync: boolean;
  noNewPrivileges: boolean;
  dropCapabilities: boolean;
  keptCapabilities: bigint;
  /** The ruleset refuses to open the root directory: each thread tries it, as proof. */
  rootClosed: boolean;
  /** struct sock_filter[]; empty for none. */
  filter: Uint8Array;
  /** With a filter: io_uring rings that are there are confined to what they are used for, or nothing is done. */
  confineRings: boolean;
  /** What the filter forbids ends the process: the handler that says so is installed. */
  traps: boolean;
  /** The filter lets this thread read what it has open: the kernel's account of each thread is read once more afterwards. */
  filterAllowsReading: boolean;
  /** The filter is in the way of nothing that a later restriction does. */
  filterIsOpen: boolean;
  /** Socket of startWatch, where the filter's listener goes; -1: it has none. */
  watch: number;
  /** Names of calls and promises for that handler: lib/filter/descriptions.ts; empty for none. */
  descriptions: Uint8Array;
}

export interface RestrictFailureInfo {
  stage: 'threads' | 'privileges' | 'landlock' | 'filter' | 'rings';
  syscall: string;
  /** Negative. */
  errno: number;
  detail: string;
  /** Threads that could not be made to stop. */
  unreachable: { tid: number; name: string }[];
}

export interface RestrictResult {
  /** Null: every thread is restricted. Else nothing was applied. */
  failure: RestrictFailureInfo | null;
  threads: number;
  noNewPrivileges: boolean;
  /** Mask of permitted capabilities. */
  capabilities: bigint;
  /** Filters on each thread, those that the process was started with included. */
  filters: number;
  /** Instructions of the filters that were installed here. */
  instructions: number;
  /** What Landlock handles by this call and all before it, as masks. */
  handledFs: number;
  handledNet: number;
  scoped: number;
}

export interface LandlockState {
  /** Of this kernel; 0: none. */
  abi: number;
  /** Mask of the errata that it has mended. */
  errata: number;
  /** What earlier calls handle of files, as a mask. */
  handledFs: number;
  /** Filters that earlier calls have installed. */
  filters: number;
  /** An earlier call has succeeded, whatever it was about. */
  restricted: boolean;
}

export interface RestrictFunctions {
  landlockState(): LandlockState;
  /** A ruleset that handles these rights (masks); a descriptor to be closed by the caller. Throws NativeFailure. */
  createRuleset(fs: number, net: number, scoped: number): number;
  openPaths(paths: readonly string[]): OpenedPath[];
  grantPath(ruleset: number, descriptor: number, rights: number): void;
  grantPort(ruleset: number, port: number, rights: number): void;
  closeDescriptors(descriptors: readonly number[]): void;
  /** /proc/self/task, kept open for later calls; or a negative errno. Not to be closed. */
  taskDirectory(): number;
  /**
   * Starts the process that answers what a filter asks about: everything goes through (`log`), or nothing does. `events`: the reading end of the pipe
   * that it writes each to (ViolationEvent of native/wire/messages.h). Throws NativeFailure.
   */
  startWatch(
    launcherPath: string,
    log: boolean,
    promises: boolean,
  ): { socket: number; events: number; process: number };
  /** Ends the process that startWatch has started, and closes its descriptor. */
  endWatch(process: number): void;
  /** Restricts every thread of this process, or none. Ends the process where only some could be restricted. */
  restrictProcess(request: RestrictRequest): RestrictResult;
}
