/** bzip2, block by block. */

import Bunzip from 'seek-bzip';

import type { ArchiveFile } from './archive-file.js';
import { damaged } from './refusal.js';

const PIECE = 256 * 2 ** 10;

/** The loop of the library's own decode(), which would keep the whole output; blocks are of 900 kB, and become more where they hold runs. */
export function* unpackBzip2(archive: ArchiveFile): Generator<Uint8Array> {
  const input = new ByteInput(archive);
  const output = new ByteOutput();
  const bunzip = new Bunzip(input, output);
  for (;;) {
    if (bunzip._init_block()) {
      bunzip._read_bunzip();
      yield* output.take();
      continue;
    }
    if (bunzip.reader.read(32) >>> 0 !== bunzip.streamCRC) {
      throw damaged('has a wrong checksum');
    }
    if (input.atEnd) {
      return;
    }
    // Several streams, one behind the other. Anything else there is refused for its magic number.
    bunzip._start_bunzip(input, output);
  }
}

class ByteInput {
  readonly #chunks: Iterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(archive: ArchiveFile) {
    this.#chunks = archive.chunks();
  }

  get atEnd(): boolean {
    return this.#at === this.#chunk.length && !this.#next();
  }

  #next(): boolean {
    const { value, done } = this.#chunks.next() as IteratorResult<Uint8Array, undefined>;
    this.#chunk = done === true ? new Uint8Array(0) : value;
    this.#at = 0;
    return done !== true;
  }

  readByte(): number {
    if (this.#at === this.#chunk.length && !this.#next()) {
      throw damaged('ends too early');
    }
    return this.#chunk[this.#at++] ?? 0;
  }

  read(target: Uint8Array, offset: number, length: number): number {
    for (let count = 0; count < length; count++) {
      target[offset + count] = this.readByte();
    }
    return length;
  }
}

class ByteOutput {
  #pieces: Uint8Array[] = [];
  #piece: Uint8Array = new Uint8Array(PIECE);
  #at = 0;

  writeByte(byte: number): void {
    if (this.#at === PIECE) {
      this.#pieces.push(this.#piece);
      this.#piece = new Uint8Array(PIECE);
      this.#at = 0;
    }
    this.#piece[this.#at++] = byte;
  }

  take(): Uint8Array[] {
    const pieces = [...this.#pieces, this.#piece.subarray(0, this.#at)];
    this.#pieces = [];
    this.#piece = new Uint8Array(PIECE);
    this.#at = 0;
    return pieces;
  }
}
