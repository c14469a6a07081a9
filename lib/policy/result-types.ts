/** What a cell answers: the report of what is in force, and how it ended. */

import type { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';

import type { PledgePromise, SpawnOptions } from './types.js';

/** The mechanism that holds a limit. `'launcher'`: a timer that runs apart from Node.js. `'node'`: this process counts. */
export type LimitMechanism = 'cgroup-v2' | 'cgroup-v1' | 'rlimit' | 'tmpfs' | 'sampling' | 'launcher' | 'node';

/** What is really in force, and by which mechanism. Plain JSON. */
export interface Enforcement {
  noNewPrivileges: boolean;
  landlock: { abi: number; handledFs: string[]; handledNet: string[]; scoped: string[] } | null;
  seccomp: { filters: number; instructions: number } | null;
  /** Of `'user'`, `'mount'`, `'pid'`, `'net'`, `'ipc'`, `'uts'`, `'cgroup'`, `'time'`. */
  namespaces: string[];
  rootFileSystem: 'pivot_root' | 'chroot' | 'landlock' | 'unrestricted';
  cgroup: 'v2' | 'v1' | null;
  /** Capabilities kept. */
  capabilities: string[];
  /** Of a process that restricted itself: threads that carry the restriction. */
  threads?: number;
  /** Which mechanism holds each limit that was asked for. */
  limits?: Record<string, LimitMechanism>;
  /**
   * Of a cell whose root is an image: which one, and where what the cell writes goes: `'overlay'`: to memory, `'copy'`: to a copy of the tree on disk. Either is gone
   * with the cell.
   */
  image?: { digest: string; view: 'overlay' | 'copy' };
  /** Parts of the policy that are not in force. Empty unless `onUnsupported` is `'degrade'`. */
  missing: { feature: string; reason: string }[];
}

/**
 * The one cause of a cell's end: the first that occurred. `'killed'`: by kill() or disposal. `'aborted'`: by the AbortSignal.
 */
export type OutcomeReason =
  | 'exited'
  | 'signaled'
  | 'killed'
  | 'aborted'
  | 'wall-time'
  | 'cpu-time'
  | 'memory'
  | 'output'
  | 'violation';

/** A call that the policy refused, or would have refused under `onViolation: 'log'`. */
export interface Violation {
  /** Its name, or `'syscall 1000'` for a number that this version has no name for. */
  syscall: string;
  number: number;
  /** As SeccompArch, or the number of an architecture that has no name here. */
  arch: string;
  args: bigint[];
  /** Who called, in the caller's pid namespace. */
  pid: number;
  /** Promise that would have allowed it, where there is one. */
  promise?: PledgePromise;
  /** What its path argument said when it was looked at, where it has one. For people: the program can change it at any time. */
  path?: string;
}

export interface Usage {
  /** Milliseconds. */
  wallTime: number;
  /** Milliseconds, of the whole cell. */
  userTime: number;
  /** Milliseconds, of the whole cell. */
  systemTime: number;
  /** Bytes: of the whole cell with a cgroup, else of its largest process. */
  peakMemory: number;
  /** Most processes alive at once, with a cgroup. */
  processes?: number;
}

/** How a cell ended. What the program did is a result, never an exception. */
export interface Outcome {
  reason: OutcomeReason;
  /** Null when a signal ended the command. */
  exitCode: number | null;
  signal: NodeJS.Signals | null;
  /** The first hundred. */
  violations: Violation[];
  /** All of them. */
  violationCount: number;
  usage: Usage;
  enforcement: Enforcement;
}

/** Looks like ChildProcess of node:child_process, and has the same events: `spawn`, `exit`, `close`, `error`. */
export interface IsolatedProcess extends EventEmitter {
  /** Of the command, in the caller's pid namespace. Set at `'spawn'`. */
  readonly pid: number | undefined;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly stdio: readonly (Readable | Writable | null)[];
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  readonly killed: boolean;
  /** Sends a signal (default SIGTERM) to the command; SIGKILL ends the whole cell. False when it is gone already. */
  kill(signal?: NodeJS.Signals | number): boolean;
  /** New size of the pseudo-terminal, with the option `pty` only. */
  resize?(columns: number, rows: number): void;
  /** Resolves once nothing of the cell is left alive. Rejects only if the command was never started. */
  readonly outcome: Promise<Outcome>;
  ref(): void;
  unref(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface RunOptions extends SpawnOptions {
  /** Written to the command's standard input, which is then closed. Default: nothing. */
  input?: string | Uint8Array | Readable;
  /** Of `stdout` and `stderr` in the result. Default `'utf8'`. */
  encoding?: BufferEncoding | 'buffer';
}

export interface RunResult extends Outcome {
  stdout: string | Buffer;
  stderr: string | Buffer;
}
