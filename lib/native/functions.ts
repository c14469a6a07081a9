/** What the addon exports. One interface, written by hand, kept next to the loader; native/binding implements it. */

import type { RestrictFunctions } from './restrict-functions.js';

/** How one descriptor of the cell is made: a descriptor of this process (>= 0), or one of these. */
export const StdioKind = {
  /** /dev/null */
  ignore: -1,
  /** A pipe that the command reads from; the writing end comes back. */
  pipeToCell: -2,
  /** A pipe that the command writes to; the reading end comes back. */
  pipeFromCell: -3,
  /** A connected pair of stream sockets; one end comes back. */
  duplex: -4,
  /** The cell's own pseudo-terminal, put in place by the launcher. Entries 0 to 2 only; with the first comes a duplex socket that the addon connects to it. */
  terminal: -5,
} as const;

/** How the cell came to its root; native/wire/messages.h. */
export const RootChange = { none: 0, pivotRoot: 1, chroot: 2 } as const;

/** Why the launcher ended a cell. `none`: the command ended by itself. */
export const EndCause = {
  none: 0,
  killed: 1,
  wallTime: 2,
  launcherLost: 3,
  cpuTime: 4,
  memory: 5,
  violation: 6,
} as const;

export type CellEvent =
  | {
      type: 'started';
      cell: number;
      /** Of the command, in the caller's pid namespace. */
      pid: number;
      /** Whether the socket of the terminal is connected to it. */
      terminal: boolean;
      confirmed: ConfirmedState;
    }
  | {
      type: 'failed';
      cell: number;
      /** Index into the stages. */
      stage: number;
      /** Positive errno. */
      errno: number;
      syscall: string;
      /** Path or other object of the failed call; may be empty. */
      detail: string;
    }
  | { type: 'exited'; cell: number /** null when a signal ended it. */; code: number | null; signal: number | null }
  | {
      type: 'ended';
      cell: number;
      /** One of EndCause. */
      cause: number;
      /** When the cause occurred, in milliseconds of CLOCK_MONOTONIC, the clock of process.hrtime(). */
      causeTime: number;
      /** Milliseconds. */
      wallTime: number;
      userTime: number;
      systemTime: number;
      /** Bytes. */
      peakMemory: number;
      /** Most of them alive at once; 0 where they were not counted. */
      processes: number;
      /** Not 0: something of the cell is still there, seconds after SIGKILL, and nothing can end it. */
      processesLeft: number;
      /** Of which the first hundred were told, each by an event. */
      violations: number;
    }
  | ViolationEvent;

/** May come before 'started'. */
export interface ViolationEvent {
  type: 'violation';
  cell: number;
  number: number;
  /** AUDIT_ARCH_*. */
  arch: number;
  /** Six. */
  args: bigint[];
  /** In the caller's pid namespace. */
  pid: number;
  /** Of the call's path argument; empty where it has none, or it could not be read. */
  path: string;
}

/** Read back from the kernel in the command's process just before exec. */
export interface ConfirmedState {
  noNewPrivileges: boolean;
  /** Mask of permitted capabilities. */
  capabilities: bigint;
  /** CLONE_NEW* flags whose namespaces differ from the launcher's. */
  namespaces: number;
  /** One of RootChange. */
  rootChange: number;
  landlockScoped: number;
  /** Masks of what the domain handles. */
  landlockFs: number;
  landlockNet: number;
  landlockAbi: number;
  /** Filters on the command, those inherited from the caller included. */
  filters: number;
  /** Instructions of our own. */
  filterInstructions: number;
}

export interface SpawnedCell {
  cell: number;
  /** For each stdio entry: this process's end, close-on-exec, to be taken or closed; or -1. */
  descriptors: number[];
}

/** What the addon's functions throw when a system call failed. */
export interface NativeFailure extends Error {
  /** Negative, as in Node.js. */
  errno: number;
  syscall: string;
  /** Index into the stages. */
  stage: number;
  /** Path or other object of the failed call; may be empty. */
  detail: string;
}

export interface CloisterAddon extends RestrictFunctions {
  /** Refuses a launcher of another version. */
  readonly wireVersion: number;
  /**
   * Registers this environment (main thread or Worker). The callback gets the events of the cells that this environment started.
   * Starts nothing: the launcher starts at the first spawn.
   */
  connect(launcherPath: string, onEvent: (event: CellEvent) => void): void;
  /** Makes the descriptors, hands the plan to the launcher, starting it where needed. Throws NativeFailure. */
  spawn(plan: Uint8Array, stdio: readonly number[]): SpawnedCell;
  /** Sends a signal to the command. False when the cell is unknown or its end was already reported. */
  signal(cell: number, signal: number): boolean;
  /** SIGKILL to the whole cell; its end has cause `killed` unless another came first. */
  kill(cell: number): boolean;
  /** False when the cell has no terminal, or not yet, or no more. */
  resizeTerminal(cell: number, columns: number, rows: number): boolean;
  /**
   * Descriptors that the addon made belong to it until they are taken; what is not taken is closed at the end of this environment. The taker closes.
   * False when it is not the addon's.
   */
  takeDescriptor(descriptor: number): boolean;
  /** Closes a descriptor that was not taken. False when it is not the addon's. */
  closeDescriptor(descriptor: number): boolean;
  /** Whether pending events keep this environment's event loop alive. */
  ref(): void;
  unref(): void;
  /** Runs `launcher probe`: lines of `key=value`, from real tries. Synchronous, a few milliseconds. */
  probe(launcherPath: string): string;
  /**
   * Becomes the launcher, which runs the plan in a cell with this process's standard descriptors and `proof` as descriptor 3, and stands for it outside.
   * Returns only by throwing NativeFailure.
   */
  enterCell(launcherPath: string, plan: Uint8Array, proof: Uint8Array): never;
  /** What enterCell was given, and what the kernel said of this process as it began, where it was started by that; null elsewhere. Throws NativeFailure. */
  cellProof(): { text: Uint8Array; confirmed: ConfirmedState } | null;
  /** Another number after every change of this process's mounts (proc_pid_mountinfo(5)). */
  mountGeneration(): number;
  /** flock(2) on an open file, without waiting. False when somebody else has it. Dropped with the descriptor, however this process ends. Throws NativeFailure. */
  lockFile(descriptor: number, exclusive: boolean): boolean;
}
