/** Section 7: unpacking archives. Shapes are written out here, apart from the sources. */

import type { Bytes, Duration, Enforcement } from 'cloister';
import { extractArchive, type ExtractOptions, type ExtractResult, listArchive } from 'cloister/archive';
import { describe, expectTypeOf, it } from 'vitest';

interface Options {
  format?: 'zip' | 'tar' | 'tar.gz' | 'tar.bz2' | 'tar.xz' | 'tar.zst' | 'auto';
  limits?: {
    entries?: number;
    totalSize?: Bytes;
    fileSize?: Bytes;
    ratio?: number;
    wallTime?: Duration;
    memory?: Bytes;
  };
  onUnsafe?: 'error' | 'skip';
  overwrite?: boolean;
  onProgress?: (progress: { entries: number; bytes: number }) => void;
  signal?: AbortSignal;
}

interface Result {
  entries: number;
  bytes: number;
  skipped: { path: string; reason: string }[];
  enforcement: Enforcement;
}

type Extract = (archive: string, destination: string, options?: Options) => Promise<Result>;

describe('extractArchive', () => {
  it('takes the options and answers the result of the contract', () => {
    expectTypeOf(extractArchive).toExtend<Extract>();
    expectTypeOf<Options>().toExtend<ExtractOptions>();
    expectTypeOf<ExtractResult>().toExtend<Result>();
    expectTypeOf(extractArchive).toBeCallableWith('a.zip', 'a', { limits: { totalSize: '1GiB' } });
  });
});

describe('listArchive', () => {
  it('takes the options that unpack nothing', () => {
    expectTypeOf(listArchive).toBeCallableWith('a.zip', { format: 'zip' });
    expectTypeOf<Awaited<ReturnType<typeof listArchive>>['entries'][number]['path']>().toEqualTypeOf<string>();
  });
});
