/** listArchive: what is in an archive. */

import { closeSync } from 'node:fs';

import { throwIfAborted } from '../cell/abort.js';
import { parseList } from '../policy/archive-options.js';
import { currentUmask, openArchive, runUnpacker, unpackError } from './cell.js';
import type { ListOptions, ListResult } from './types.js';

/**
 * Tells what is in an archive, in a cell that can read it and nothing else. Content of zip entries is not read, so their checksums are not compared.
 *
 * @param archive - Path of a regular file.
 * @returns Every entry, unsafe ones included: `unsafe` says why extractArchive would refuse it.
 * @throws ERR_CLOISTER_ARCHIVE for an archive that is damaged or beyond a limit; ERR_CLOISTER_NOT_FOUND; ERR_CLOISTER_POLICY; what spawnIsolated throws.
 */
export async function listArchive(archive: string, options?: ListOptions): Promise<ListResult> {
  const request = parseList(archive, options);
  throwIfAborted(request.signal);
  const descriptor = openArchive(request.archive);
  try {
    const task = { mode: 'list', onUnsafe: 'skip', umask: currentUmask() } as const;
    const never = new AbortController().signal;
    const unpacked = await runUnpacker({ request, task, archive: descriptor, output: null, stop: never });
    const error = unpackError(request, unpacked);
    const { last, entries, warnings } = unpacked.reports;
    if (error !== null || last?.type !== 'done') {
      throw error ?? new Error('unreachable');
    }
    return { format: last.format, entries, warnings, enforcement: unpacked.outcome.enforcement };
  } finally {
    closeSync(descriptor);
  }
}
