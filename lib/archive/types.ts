/** What users of cloister/archive write and get. */

import type { ArchiveFormat, ArchiveProgress } from '../policy/archive-options.js';
import type { Bytes, Duration, Enforcement } from '../policy/types.js';

export interface ListOptions {
  /** Default `'auto'`: told by the first bytes of the archive, never by its name. */
  format?: ArchiveFormat | 'auto';
  /** Beyond any of them: ERR_CLOISTER_ARCHIVE. */
  limits?: {
    /** Entries in the archive, and directories that they imply. Default 200,000. */
    entries?: number;
    /** Bytes of all files together, unpacked. Default 8 GiB. */
    totalSize?: Bytes;
    /** Bytes of one file, unpacked. Default 8 GiB. */
    fileSize?: Bytes;
    /** Bytes unpacked for each byte of the archive. Default 200, looked at once 64 MiB are unpacked; one that is given holds from the first byte. */
    ratio?: number;
    /** Milliseconds, or text with a unit. Default 10 minutes. */
    wallTime?: Duration;
    /** Bytes, or text with a unit, of the cell that unpacks. Default 512 MiB. */
    memory?: Bytes;
  };
  /** Called now and then, and once at the end. What it throws ends the call, which rejects with it. */
  onProgress?: (progress: ArchiveProgress) => void;
  /** Ends the call, which rejects with an AbortError. Nothing is left behind. */
  signal?: AbortSignal;
}

export interface ExtractOptions extends ListOptions {
  /**
   * What to do with an entry that would be unsafe: docs/archives.md lists the kinds. `'error'` (default): ERR_CLOISTER_ARCHIVE. `'skip'`: it is left out and
   * named in `skipped`. An archive that is damaged is an error either way.
   */
  onUnsafe?: 'error' | 'skip';
  /** Replaces what is at the destination, whatever it is. Default false: only an empty directory is replaced. */
  overwrite?: boolean;
}

/** Names as in the archive, control characters and what is not UTF-8 replaced. */
export interface SkippedEntry {
  path: string;
  reason: string;
}

/** An entry that was unpacked and is worth a look. */
export interface ArchiveWarning {
  path: string;
  reason: string;
}

export interface ExtractResult {
  /** Entries of the archive that were unpacked. */
  entries: number;
  /** Bytes of all files together, as found in the destination. */
  bytes: number;
  /** Empty unless `onUnsafe` is `'skip'`. */
  skipped: SkippedEntry[];
  /** Names that only differ in case or Unicode normalisation: two files here, one on other systems. */
  warnings: ArchiveWarning[];
  format: ArchiveFormat;
  /** What was in force in the cell that unpacked. */
  enforcement: Enforcement;
}

export interface ArchiveEntry {
  path: string;
  type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';
  /** Bytes, unpacked. */
  size: number;
  /** Permission bits as in the archive, set-id bits included; null where it has none. */
  mode: number | null;
  /** Milliseconds since 1970; null where the archive has none. */
  mtime: number | null;
  /** What a link leads to. */
  target?: string;
  /** Why extractArchive would not unpack it. */
  unsafe?: string;
}

export interface ListResult {
  format: ArchiveFormat;
  entries: ArchiveEntry[];
  warnings: ArchiveWarning[];
  enforcement: Enforcement;
}
