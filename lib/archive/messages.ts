/** What the unpacker in the cell and the process that started it say to each other. */

import type { ArchiveFormat, ArchiveLimits } from '../policy/archive-options.js';
import type { ArchiveEntry } from './types.js';

/** To the unpacker: one argument, JSON. */
export interface Task {
  /** `parts`: the manifests and layers out of an image that is one archive. `layers`: the tree of an image, from its layers. */
  readonly mode: 'extract' | 'list' | 'parts' | 'layers';
  readonly format: ArchiveFormat | 'auto';
  readonly limits: ArchiveLimits;
  readonly onUnsafe: 'error' | 'skip';
  /** Of the process that asked. */
  readonly umask: number;
  /** Device and inode of the directory that is to be written to; null where none is. The path to it may have led elsewhere when the cell was made. */
  readonly place: string | null;
  /** With `layers`. */
  readonly image?: ImageTask;
}

/** The archive is the lowest layer, the descriptors from FIRST_LAYER on are those above it. */
export interface ImageTask {
  readonly layers: number;
  /** Directory of the archive that is the tree: what lies beside it is left out. Empty: all of it. */
  readonly below: string;
  /** Made where the layers have none; absolute in the tree. */
  readonly workingDirectory: string;
}

/** Where the cell has the directory that is written to. */
export const OUTPUT = '/out';
/** The archive: the unpacker never sees a path to it. */
export const ARCHIVE_DESCRIPTOR = 0;
export const REPORT_DESCRIPTOR = 1;
export const FIRST_LAYER = 3;

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

export interface Done {
  readonly type: 'done';
  readonly format: ArchiveFormat;
  readonly entries: number;
  readonly bytes: number;
  /** With `layers`: SHA-256 of each, decompressed, in hexadecimal. */
  readonly digests?: readonly string[] | undefined;
}

/** From the unpacker: one line of JSON each. The last is `done` or `failed`. */
export type Report =
  | { readonly type: 'progress'; readonly entries: number; readonly bytes: number; readonly fraction: number }
  | { readonly type: 'skipped'; readonly path: string; readonly reason: string }
  | { readonly type: 'warning'; readonly path: string; readonly reason: string }
  | { readonly type: 'entry'; readonly entry: ArchiveEntry }
  | Done
  | Failure;

/** Bytes of one line, and of all of them. Beyond it the archive is refused: a list of everything that is wrong with it could fill the memory of whoever asked. */
export const LONGEST_LINE: number = 64 * 2 ** 10;
export const MOST_OUTPUT: number = 32 * 2 ** 20;
