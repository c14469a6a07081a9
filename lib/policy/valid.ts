/** A policy after validation: quantities in numbers, paths absolute, defaults filled in. What is of these types is trusted. */

import type { Stream } from 'node:stream';

import type {
  IsolationPolicy,
  OciSeccompProfile,
  OnUnsupported,
  OnViolation,
  PledgePromise,
  SeccompPolicy,
} from './types.js';

/** The letters of unveil(2), told apart. */
export interface Permissions {
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  readonly create: boolean;
}

export interface UnveilEntry {
  /** The key as the caller wrote it: for messages. */
  readonly written: string;
  /** Absolute and normalised; may still lead through symbolic links. */
  readonly path: string;
  readonly letters: string;
  /** Null hides the path. */
  readonly permissions: Permissions | null;
}

/** A mount with absolute, normalised paths. `at`: where in the policy it stands, for messages. */
export type ValidMount = { readonly at: string } & (
  | {
      readonly type: 'bind';
      readonly source: string;
      readonly target: string;
      readonly writable: boolean;
      readonly optional: boolean;
      readonly executable: boolean;
    }
  | {
      readonly type: 'tmpfs';
      readonly target: string;
      readonly size: number;
      readonly mode: number;
      readonly executable: boolean;
    }
  | {
      readonly type: 'overlay';
      readonly lower: readonly string[];
      readonly target: string;
      readonly upper: string | null;
    }
  | {
      readonly type: 'file';
      readonly target: string;
      readonly content: string | Uint8Array;
      readonly mode: number;
      readonly writable: boolean;
    }
  | { readonly type: 'directory'; readonly target: string; readonly mode: number }
  | { readonly type: 'symlink'; readonly target: string; readonly to: string }
  | { readonly type: 'proc'; readonly target: string }
  | { readonly type: 'dev'; readonly target: string }
);

export type ValidRoot =
  | { readonly kind: 'system' | 'host' | 'empty' }
  | { readonly kind: 'directory'; readonly directory: string; readonly writable: boolean | 'discard' };

/** Bytes, milliseconds and counts. Null: no limit. */
export interface ValidLimits {
  readonly wallTime: number | null;
  readonly cpuTime: number | null;
  readonly memory: number | null;
  /** Null: the default. */
  readonly processes: number | null;
  readonly fileSize: number | null;
  readonly openFiles: number | null;
  readonly output: number | null;
  readonly scratch: number;
  readonly cpus: number | null;
  readonly core: number | null;
  readonly stack: number | null;
  readonly addressSpace: number | null;
  /** Names of the limits that the caller asked for. */
  readonly asked: readonly string[];
}

/** Each list sorted, and without repetitions. */
export interface TcpPorts {
  readonly connect: readonly number[];
  readonly bind: readonly number[];
}

/** What a cell is made from. */
export interface CellPolicy {
  readonly root: ValidRoot;
  readonly unveil: readonly UnveilEntry[];
  readonly mounts: readonly ValidMount[];
  readonly net: 'none' | 'host';
  readonly hostname: string;
  /** `changed`: another uid or gid than the caller's is asked for. */
  readonly user: { readonly uid: number; readonly gid: number; readonly changed: boolean; readonly hostRoot: boolean };
  readonly limits: ValidLimits;
  /** `NAME=value` lines, as execve(2) takes them. */
  readonly environment: readonly string[];
  readonly cwd: string;
  /** Undefined: the default, which may be left out where it adds nothing. */
  readonly scope: boolean | undefined;
  readonly capabilities: readonly string[];
  /** Null: system calls are not filtered beyond the hardening. */
  readonly pledge: readonly PledgePromise[] | null;
  readonly seccomp: SeccompPolicy | OciSeccompProfile | null;
  /** Null: ports are not restricted. */
  readonly tcp: TcpPorts | null;
  readonly backend: NonNullable<IsolationPolicy['backend']>;
  readonly onViolation: OnViolation;
  readonly onUnsupported: OnUnsupported;
}

/** One descriptor of the command, defaults filled in. */
export type ValidStdio = 'pipe' | 'ignore' | 'inherit' | number | Stream;

/** One call of spawnIsolated. */
export interface SpawnRequest {
  readonly command: string;
  readonly args: readonly string[];
  /** argv[0]. */
  readonly argv0: string;
  readonly policy: CellPolicy;
  /** At least three. */
  readonly stdio: readonly ValidStdio[];
  readonly signal: AbortSignal | undefined;
  readonly pty: { readonly columns: number; readonly rows: number } | null;
}

/** One call of runIsolated. */
export interface RunRequest extends SpawnRequest {
  readonly input: string | Uint8Array | Stream | undefined;
  readonly encoding: BufferEncoding | 'buffer';
}
