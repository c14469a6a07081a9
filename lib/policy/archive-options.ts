/** The border of cloister/archive: what users hand to extractArchive and listArchive becomes a valid request, or one ERR_CLOISTER_POLICY with every issue. */

import * as z from './zod.js';

import { CloisterError, type PolicyIssue, policyError } from '../errors.js';
import { resolveFrom } from '../util/paths.js';
import { type Caller, currentCaller } from './caller.js';
import { describe } from './issues.js';
import { abortSignal, boolean, bytes, count, duration, oneOf, type Schema, scalar, strict } from './schema-parts.js';
import { checkShape } from './shape.js';
import { Snapshot } from './snapshot.js';

export const ARCHIVE_FORMATS = ['zip', 'tar', 'tar.gz', 'tar.bz2', 'tar.xz', 'tar.zst'] as const;
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number];

/** How far an extraction has come. */
export interface ArchiveProgress {
  /** Entries dealt with, skipped ones included. */
  readonly entries: number;
  /** Bytes written. */
  readonly bytes: number;
  /** Share of the archive that has been dealt with, from 0 to 1. */
  readonly fraction: number;
}

/** Ceilings in numbers: bytes, milliseconds. */
export interface ArchiveLimits {
  readonly entries: number;
  readonly totalSize: number;
  readonly fileSize: number;
  readonly ratio: number;
  /** Bytes that may be written before `ratio` is looked at. */
  readonly ratioFrom: number;
  readonly wallTime: number;
  readonly memory: number;
}

/** In force where the options are silent. docs/archives.md says why. */
const ARCHIVE_LIMITS: ArchiveLimits = {
  entries: 200_000,
  totalSize: 8 * 2 ** 30,
  fileSize: 8 * 2 ** 30,
  ratio: 200,
  ratioFrom: 64 * 2 ** 20,
  wallTime: 10 * 60_000,
  memory: 512 * 2 ** 20,
};

/** Both paths are absolute. */
export interface ArchiveRequest {
  readonly archive: string;
  readonly format: ArchiveFormat | 'auto';
  readonly limits: ArchiveLimits;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: ArchiveProgress) => void) | undefined;
}

export interface ExtractRequest extends ArchiveRequest {
  readonly destination: string;
  readonly onUnsafe: 'error' | 'skip';
  readonly overwrite: boolean;
}

interface ParsedOptions {
  readonly format?: ArchiveFormat | 'auto' | undefined;
  readonly limits?: { readonly [Name in keyof ArchiveLimits]?: number | undefined } | undefined;
  readonly onUnsafe?: 'error' | 'skip' | undefined;
  readonly overwrite?: boolean | undefined;
  readonly onProgress?: ((progress: ArchiveProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Times and ratios may have fractions; a ratio below 1 would refuse archives that merely contain something. */
const ratio: Schema<number> = scalar('out-of-range', { type: 'number', minimum: 1 }, (value) =>
  typeof value === 'number' && value >= 1 && value <= Number.MAX_SAFE_INTEGER
    ? { value }
    : { problem: `must be a number of at least 1, not ${describe(value)}` },
);

const progressListener: Schema<(progress: ArchiveProgress) => void> = scalar('wrong-type', {}, (value) =>
  typeof value === 'function'
    ? { value: value as (progress: ArchiveProgress) => void }
    : { problem: `must be a function, not ${describe(value)}` },
);

const common = {
  format: z.optional(oneOf([...ARCHIVE_FORMATS, 'auto'])),
  limits: z.optional(
    strict({
      entries: z.optional(count(1)),
      totalSize: z.optional(bytes()),
      fileSize: z.optional(bytes()),
      ratio: z.optional(ratio),
      wallTime: z.optional(duration(1)),
      memory: z.optional(bytes(1)),
    }),
  ),
  onProgress: z.optional(progressListener),
  signal: z.optional(abortSignal),
};

const listSchema = strict(common);
const extractSchema = strict({
  ...common,
  onUnsafe: z.optional(oneOf(['error', 'skip'])),
  overwrite: z.optional(boolean),
});

/** @throws ERR_CLOISTER_POLICY with every issue. */
export function parseExtract(
  archive: unknown,
  destination: unknown,
  options: unknown,
  caller: Caller = currentCaller(),
): ExtractRequest {
  const issues = [...pathIssues(archive, 'archive'), ...pathIssues(destination, 'destination')];
  const parsed = parseOptions(extractSchema, options, issues);
  return {
    ...makeRequest(archive as string, parsed, caller),
    destination: resolvePath(destination as string, caller),
    onUnsafe: parsed.onUnsafe ?? 'error',
    overwrite: parsed.overwrite ?? false,
  };
}

/** @throws ERR_CLOISTER_POLICY with every issue. */
export function parseList(archive: unknown, options: unknown, caller: Caller = currentCaller()): ArchiveRequest {
  const parsed = parseOptions(listSchema, options, pathIssues(archive, 'archive'));
  return makeRequest(archive as string, parsed, caller);
}

function makeRequest(archive: string, parsed: ParsedOptions, caller: Caller): ArchiveRequest {
  return {
    archive: resolvePath(archive, caller),
    format: parsed.format ?? 'auto',
    limits: limitsOf(parsed.limits ?? {}),
    signal: parsed.signal,
    onProgress: parsed.onProgress,
  };
}

/** A ratio that was asked for holds from the first byte; the default one leaves small archives alone, such as a few log files. */
function limitsOf(given: NonNullable<ParsedOptions['limits']>): ArchiveLimits {
  return {
    entries: given.entries ?? ARCHIVE_LIMITS.entries,
    totalSize: given.totalSize ?? ARCHIVE_LIMITS.totalSize,
    fileSize: given.fileSize ?? ARCHIVE_LIMITS.fileSize,
    ratio: given.ratio ?? ARCHIVE_LIMITS.ratio,
    ratioFrom: given.ratio === undefined ? ARCHIVE_LIMITS.ratioFrom : 0,
    wallTime: given.wallTime ?? ARCHIVE_LIMITS.wallTime,
    memory: given.memory ?? ARCHIVE_LIMITS.memory,
  };
}

/** As node:fs takes paths: `~` is a name like any other. */
function resolvePath(path: string, caller: Caller): string {
  return resolveFrom(path.startsWith('/') ? '/' : caller.cwd(), '/', path.startsWith('~') ? `./${path}` : path);
}

function pathIssues(path: unknown, at: string): PolicyIssue[] {
  if (typeof path !== 'string') {
    return [{ code: 'wrong-type', path: at, message: `must be a string, not ${describe(path)}` }];
  }
  const snapshot = new Snapshot();
  snapshot.take(path);
  const empty = path === '' ? [{ code: 'bad-path', path: at, message: 'is an empty path' }] : [];
  return [...empty, ...snapshot.issues.map((issue) => ({ ...issue, path: at }))];
}

function parseOptions(schema: Schema<ParsedOptions>, options: unknown, earlier: readonly PolicyIssue[]): ParsedOptions {
  const snapshot = new Snapshot();
  const copy = snapshot.take(options === undefined ? {} : options);
  const result = checkShape(schema, snapshot, copy);
  if ('data' in result && snapshot.issues.length === 0 && earlier.length === 0) {
    return result.data;
  }
  const found = 'data' in result ? [] : result.issues;
  const error = policyError([...earlier, ...snapshot.issues, ...found], 'arguments');
  if (snapshot.cause === undefined) {
    throw error;
  }
  throw new CloisterError(error.message, { code: 'ERR_CLOISTER_POLICY', issues: error.issues, cause: snapshot.cause });
}
