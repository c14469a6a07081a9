/** What the unpacker says, read by somebody who does not trust it: every line has a known form or the whole conversation is over. */

import { ARCHIVE_FORMATS, type ArchiveFormat, type ArchiveProgress } from '../policy/archive-options.js';
import { type Failure, type FailureKind, LONGEST_LINE, type Report } from './messages.js';
import { showName } from './names.js';
import type { ArchiveEntry, ArchiveWarning, SkippedEntry } from './types.js';

const NEWLINE = 0x0a;
const MOST_ERROR_TEXT = 2000;
const ENTRY_TYPES: readonly ArchiveEntry['type'][] = ['file', 'directory', 'symlink', 'hardlink', 'other'];
const FAILURE_KINDS: readonly FailureKind[] = ['unsafe', 'damaged', 'limit', 'unsupported', 'system'];

type Last = Extract<Report, { type: 'done' | 'failed' }>;

export class ReportReader {
  readonly #onProgress: ((progress: ArchiveProgress) => void) | undefined;
  #rest: Buffer = Buffer.alloc(0);
  readonly skipped: SkippedEntry[] = [];
  readonly warnings: ArchiveWarning[] = [];
  readonly entries: ArchiveEntry[] = [];
  /** The last line, if it was one. */
  last: Last | null = null;
  /** Why the conversation is over. */
  problem: string | null = null;
  /** What the caller's listener threw. */
  listenerError: { readonly thrown: unknown } | undefined;
  errorText = '';

  constructor(onProgress: ((progress: ArchiveProgress) => void) | undefined) {
    this.#onProgress = onProgress;
  }

  /** False when there is no point in listening on. */
  take(chunk: Buffer): boolean {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let end = rest.indexOf(NEWLINE); end >= 0 && this.#goesOn(); end = rest.indexOf(NEWLINE)) {
      this.#line(rest.toString('utf8', 0, end));
      rest = rest.subarray(end + 1);
    }
    this.#rest = rest;
    if (rest.length > LONGEST_LINE) {
      this.problem ??= 'a line that is too long';
    }
    return this.#goesOn();
  }

  takeError(chunk: Buffer): void {
    if (this.errorText.length < MOST_ERROR_TEXT) {
      const text = chunk.toString('utf8').replaceAll(/[^\P{Cc}\n]/gu, '?');
      this.errorText = (this.errorText + text).slice(0, MOST_ERROR_TEXT);
    }
  }

  #goesOn(): boolean {
    return this.problem === null && this.listenerError === undefined;
  }

  #line(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      this.problem = 'a line that is no JSON';
      return;
    }
    const known = typeof value === 'object' && value !== null && this.last === null && this.#understand({ ...value });
    if (!known) {
      this.problem ??= 'a line of an unknown form';
    }
  }

  #understand(value: Readonly<Record<string, unknown>>): boolean {
    switch (value['type']) {
      case 'progress':
        return this.#progress(value);
      case 'skipped':
      case 'warning': {
        const { type, path, reason } = value;
        if (typeof path !== 'string' || typeof reason !== 'string') {
          return false;
        }
        (type === 'skipped' ? this.skipped : this.warnings).push({ path: showName(path), reason: showName(reason) });
        return true;
      }
      case 'entry': {
        const entry = readEntry(value['entry']);
        if (entry !== null) {
          this.entries.push(entry);
        }
        return entry !== null;
      }
      case 'done':
      case 'failed':
        this.last = value['type'] === 'done' ? readDone(value) : readFailure(value);
        return this.last !== null;
      default:
        return false;
    }
  }

  #progress({ entries, bytes, fraction }: Readonly<Record<string, unknown>>): boolean {
    if (!isCount(entries) || !isCount(bytes) || typeof fraction !== 'number' || !(fraction >= 0 && fraction <= 1)) {
      return false;
    }
    this.tell({ entries, bytes, fraction });
    return true;
  }

  tell(progress: ArchiveProgress): void {
    try {
      this.#onProgress?.(progress);
    } catch (thrown) {
      this.listenerError ??= { thrown };
    }
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isNumberOrNull(value: unknown): value is number | null {
  return value === null || Number.isFinite(value);
}

function readDone({ format, entries, bytes, digests }: Readonly<Record<string, unknown>>): Last | null {
  return isCount(entries) &&
    isCount(bytes) &&
    ARCHIVE_FORMATS.includes(format as ArchiveFormat) &&
    (digests === undefined || isDigests(digests))
    ? { type: 'done', format: format as ArchiveFormat, entries, bytes, digests }
    : null;
}

function isDigests(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((text) => typeof text === 'string' && /^[0-9a-f]{64}$/u.test(text));
}

function readFailure({ kind, message, entry, errno, syscall }: Readonly<Record<string, unknown>>): Failure | null {
  if (!FAILURE_KINDS.includes(kind as FailureKind) || typeof message !== 'string') {
    return null;
  }
  return {
    type: 'failed',
    kind: kind as FailureKind,
    message: showName(message),
    entry: typeof entry === 'string' ? showName(entry) : undefined,
    errno: Number.isInteger(errno) ? (errno as number) : undefined,
    syscall: typeof syscall === 'string' ? showName(syscall) : undefined,
  };
}

function readEntry(value: unknown): ArchiveEntry | null {
  if (typeof value !== 'object' || value === null) {
    return null;
  }
  const { path, type, size, mode, mtime, target, unsafe } = { ...value } as Readonly<Record<string, unknown>>;
  if (
    typeof path !== 'string' ||
    !ENTRY_TYPES.includes(type as ArchiveEntry['type']) ||
    !isCount(size) ||
    !isNumberOrNull(mode) ||
    !isNumberOrNull(mtime)
  ) {
    return null;
  }
  return {
    path: showName(path),
    type: type as ArchiveEntry['type'],
    size,
    mode,
    mtime,
    ...(typeof target === 'string' ? { target: showName(target) } : {}),
    ...(typeof unsafe === 'string' ? { unsafe: showName(unsafe) } : {}),
  };
}
