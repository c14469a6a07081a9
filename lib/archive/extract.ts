/** extractArchive: from an archive of a stranger to a directory that is safe to read. */

import { closeSync } from 'node:fs';

import { throwIfAborted } from '../cell/abort.js';
import { CloisterError } from '../errors.js';
import { type ExtractRequest, parseExtract } from '../policy/archive-options.js';
import { currentUmask, openArchive, runUnpacker, unpackError, type Unpacked } from './cell.js';
import { failure } from './destination.js';
import type { HeldDirectory } from './held-directory.js';
import { Staging } from './staging.js';
import type { ExtractOptions, ExtractResult } from './types.js';
import { type Expected, type Found, Unexpected, verifyTree } from './verify.js';
import { watchTree } from './watch.js';

const PERMISSIONS = 0o777;
const OWNER_ALL = 0o700;

/**
 * Unpacks an archive into a directory that appears complete or not at all. The unpacker runs in a cell without network, without another process, that can read the
 * archive and write to a directory beside the destination; what it leaves there is looked at from outside before it is moved to the destination.
 *
 * Modification times and permissions are kept, less set-id bits and what the umask takes; everything belongs to the caller. Checksums are compared.
 *
 * @param archive - Path of a regular file: zip, or tar, also compressed by gzip, bzip2, xz or zstd.
 * @param destination - Path of a directory that does not exist or is empty; its parent must exist.
 * @throws ERR_CLOISTER_ARCHIVE with the name of the entry, for whatever is wrong with the archive; ERR_CLOISTER_NOT_FOUND; ERR_CLOISTER_SETUP with `errno`
 * where the destination is taken (EEXIST) or cannot be written; ERR_CLOISTER_POLICY; what spawnIsolated throws.
 * @example
 * const { entries, bytes } = await extractArchive('upload.zip', 'upload', { limits: { totalSize: '200MiB' } });
 */
export async function extractArchive(
  archive: string,
  destination: string,
  options?: ExtractOptions,
): Promise<ExtractResult> {
  const request = parseExtract(archive, destination, options);
  throwIfAborted(request.signal);
  const descriptor = openArchive(request.archive);
  try {
    return await unpackTo(request, descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function unpackTo(request: ExtractRequest, archive: number): Promise<ExtractResult> {
  const staging = new Staging({ path: request.destination, overwrite: request.overwrite });
  const umask = currentUmask();
  const expected: Expected = { limits: request.limits, umask, uid: process.geteuid?.() ?? 0 };
  let result: ExtractResult;
  try {
    const watch = watchTree(staging.tree, expected);
    let unpacked: Unpacked;
    let problem: string | null = null;
    try {
      const task = { mode: 'extract', onUnsafe: request.onUnsafe, umask } as const;
      unpacked = await runUnpacker({ request, task, archive, output: staging.tree, stop: watch.stop });
    } finally {
      problem = await watch.end();
    }
    if (problem !== null) {
      throw refusal(request, problem);
    }
    const found = await check(request, unpacked, staging.tree, expected);
    throwIfAborted(request.signal);
    // What the archive says of its top, if it does; the directory was closed to others until now.
    staging.tree.chmod((staging.tree.stat().mode & PERMISSIONS & ~umask) | OWNER_ALL);
    result = makeResult(unpacked, found);
    unpacked.reports.tell({ entries: result.entries + result.skipped.length, bytes: found.bytes, fraction: 1 });
    if (unpacked.reports.listenerError !== undefined) {
      throw unpacked.reports.listenerError.thrown;
    }
    staging.publish();
  } catch (error) {
    await removeAfter(staging, error);
    throw error;
  }
  await staging.remove();
  return result;
}

/** That something is left is worse than what went wrong before, which is the cause. */
async function removeAfter(staging: Staging, cause: unknown): Promise<void> {
  try {
    await staging.remove();
  } catch (error) {
    const { message, errno, syscall, path } = error as CloisterError;
    throw new CloisterError(message, { errno, syscall, path, cause });
  }
}

async function check(
  request: ExtractRequest,
  unpacked: Unpacked,
  tree: HeldDirectory,
  expected: Expected,
): Promise<Found> {
  const { last } = unpacked.reports;
  if (last?.type === 'failed' && last.kind === 'system' && last.errno !== undefined) {
    throw failure(request.destination, last);
  }
  const error = unpackError(request, unpacked);
  if (error !== null) {
    throw error;
  }
  try {
    const found = await verifyTree(tree, expected);
    // Where somebody has exchanged the directory before it was shown to the cell, the one that is held has stayed empty.
    if (last?.type === 'done' && last.bytes !== found.bytes) {
      throw refusal(request, `${last.bytes} bytes were unpacked, ${found.bytes} are there`);
    }
    return found;
  } catch (caught) {
    throw caught instanceof Unexpected
      ? refusal(request, `${caught.entry}: what was unpacked ${caught.message}`, caught.entry)
      : caught;
  }
}

function refusal({ archive }: ExtractRequest, text: string, entry: string = archive): CloisterError {
  return new CloisterError(`cannot unpack ${archive}: ${text}`, { code: 'ERR_CLOISTER_ARCHIVE', path: entry });
}

function makeResult({ reports, outcome }: Unpacked, { bytes }: Found): ExtractResult {
  const { last, skipped, warnings } = reports;
  if (last?.type !== 'done') {
    throw new CloisterError('BUG: an unpacker that is not done was taken for one that is, please report');
  }
  return { entries: last.entries, bytes, skipped, warnings, format: last.format, enforcement: outcome.enforcement };
}
