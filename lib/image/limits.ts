/** What an image may cost. */

import type { ArchiveLimits, ArchiveRequest } from '../policy/archive-options.js';

/** docs/images.md says why. */
export const IMAGE_LIMITS: ArchiveLimits = {
  entries: 1_000_000,
  totalSize: 32 * 2 ** 30,
  fileSize: 32 * 2 ** 30,
  ratio: 200,
  ratioFrom: 256 * 2 ** 20,
  wallTime: 30 * 60_000,
  memory: 2 ** 30,
};

export function imageRequest(archive: string, signal: AbortSignal | undefined): ArchiveRequest {
  return { archive, format: 'auto', limits: IMAGE_LIMITS, signal, onProgress: undefined };
}
