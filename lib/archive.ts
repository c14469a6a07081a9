/** Unpacking archives from strangers: the unpacker runs in a cell that can read the archive and write one directory, and nothing else. */

export { extractArchive } from './archive/extract.js';
export { listArchive } from './archive/list.js';
export type {
  ArchiveEntry,
  ArchiveWarning,
  ExtractOptions,
  ExtractResult,
  ListOptions,
  ListResult,
  SkippedEntry,
} from './archive/types.js';
export { type CloisterErrorCode, CloisterError, type PolicyIssue } from './errors.js';
export type { ArchiveFormat, ArchiveProgress } from './policy/archive-options.js';
export type { Bytes, Duration, Enforcement } from './policy/types.js';
