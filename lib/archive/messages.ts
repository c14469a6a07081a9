/** What the unpacker in the cell and the process that started it say to each other. */

import type { ArchiveFormat, ArchiveLimits } from '../policy/archive-options.js';
import type { ArchiveEntry } from './types.js';

/** To the unpacker: one argument, JSON. */
export interface Task {
  readonly mode: 'extract' | 'list';
  readonly format: ArchiveFormat | 'auto';
  readonly limits: ArchiveLimits;
  readonly onUnsafe: 'error' | 'skip';
  /** Of the process that asked. */
  readonly umask: number;
  /** Device and inode of the directory that is to be written to; null where none is. The path to it may have led elsewhere when the cell was made. */
  readonly place: string | null;
}

/** Where the cell has the directory that is written to. */
export const OUTPUT = '/out';
/** The archive: the unpacker never sees a path to it. */
export const ARCHIVE_DESCRIPTOR = 0;
export const REPORT_DESCRIPTOR = 1;

/** `damaged`: it is no whole archive of its format. `system`: not the archive's fault. */
export type FailureKind = 'unsafe' | 'damaged' | 'limit' | 'unsupported' | 'system';

export interface Failure {
  readonly type: 'failed';
  readonly kind: FailureKind;
  readonly message: string;
  /** Name of the entry that is to blame, where one is. */
  readonly entry?: string | undefined;
  /** With `system`: negative, as in Node.js. */
  readonly errno?: number | undefined;
  readonly syscall?: string | undefined;
}

/** From the unpacker: one line of JSON each. The last is `done` or `failed`. */
export type Report =
  | { readonly type: 'progress'; readonly entries: number; readonly bytes: number; readonly fraction: number }
  | { readonly type: 'skipped'; readonly path: string; readonly reason: string }
  | { readonly type: 'warning'; readonly path: string; readonly reason: string }
  | { readonly type: 'entry'; readonly entry: ArchiveEntry }
  | { readonly type: 'done'; readonly format: ArchiveFormat; readonly entries: number; readonly bytes: number }
  | Failure;

/** Bytes of one line, and of all of them. Beyond it the archive is refused: a list of everything that is wrong with it could fill the memory of whoever asked. */
export const LONGEST_LINE: number = 64 * 2 ** 10;
export const MOST_OUTPUT: number = 32 * 2 ** 20;
