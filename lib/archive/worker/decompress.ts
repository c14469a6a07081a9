/** From the archive's bytes to those of the tar in it. Every checksum that a format has is compared; what stands behind the end is an error. */

import { Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { createGunzip } from 'node:zlib';

import { XzReadableStream } from 'xz-decompress';
import { ZSTDDecoder } from 'zstddec/stream';

import type { ArchiveFormat } from '../../policy/archive-options.js';
import type { ArchiveFile } from './archive-file.js';
import { unpackBzip2 } from './bzip2.js';
import { asDamage, damaged } from './refusal.js';

const CHUNK = 256 * 2 ** 10;
/** Results without a byte in a row: an end of a frame each. */
const MOST_EMPTY = 4096;

type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

const UNPACKERS: Readonly<Record<Exclude<ArchiveFormat, 'zip'>, (archive: ArchiveFile) => Chunks>> = {
  tar: (archive) => archive.passing(),
  'tar.gz': gunzip,
  'tar.bz2': unpackBzip2,
  'tar.xz': unpackXz,
  'tar.zst': unpackZstd,
};

export async function* decompress(
  archive: ArchiveFile,
  format: Exclude<ArchiveFormat, 'zip'>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* UNPACKERS[format](archive);
  } catch (error) {
    throw asDamage(error, `is no whole ${format.slice('tar.'.length)} file`);
  }
}

/** All members, one behind the other: zlib goes on by itself (gzip(1)). */
async function* gunzip(archive: ArchiveFile): AsyncGenerator<Uint8Array> {
  const engine = createGunzip({ chunkSize: CHUNK });
  const source = Readable.from(archive.chunks());
  source.once('error', (error) => engine.destroy(error));
  source.pipe(engine);
  yield* engine as AsyncIterable<Uint8Array>;
  // It stops at a zero byte behind a member. Tapes and block devices pad with those; anything else is not part of the archive and must not pass unseen.
  for (const chunk of archive.chunks(engine.bytesWritten)) {
    if (chunk.some((byte) => byte !== 0)) {
      throw damaged('has bytes behind the end of the compressed data');
    }
  }
}

function unpackXz(archive: ArchiveFile): AsyncIterable<Uint8Array> {
  const chunks = archive.chunks();
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      const next = chunks.next();
      if (next.done === true) {
        controller.close();
      } else {
        controller.enqueue(next.value);
      }
    },
  });
  return new XzReadableStream(source);
}

async function* unpackZstd(archive: ArchiveFile): AsyncGenerator<Uint8Array> {
  // With fetch in sight the library would load its own code through it, and Node.js an HTTP client for that.
  Reflect.deleteProperty(globalThis, 'fetch');
  const decoder = new ZSTDDecoder();
  await decoder.init();
  let empty = 0;
  for (const chunk of decoder.decodeStreaming(archive.chunks())) {
    // On an error the library keeps asking for the same piece again, and gets nothing each time.
    empty = chunk.length === 0 ? empty + 1 : 0;
    if (empty > MOST_EMPTY) {
      throw damaged('has damaged data, or asks for a window of more than 128 MiB');
    }
    yield chunk;
  }
}
