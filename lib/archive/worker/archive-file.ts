/** The archive: a descriptor that was opened by somebody else, read by position. */

import { fstatSync, readSync } from 'node:fs';

import { damaged } from './refusal.js';

const CHUNK = 256 * 2 ** 10;
const WINDOW = 64 * 2 ** 10;

export class ArchiveFile {
  readonly size: number;
  readonly #descriptor: number;
  /** What was read last for `read`: heads of entries are small and lie beside each other. */
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;
  /** How far `chunks` has come. */
  position = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
    this.size = fstatSync(descriptor).size;
  }

  /** Fills the target from `position` on. */
  read(target: Uint8Array, position: number): void {
    if (position + target.length > this.size) {
      throw damaged('ends too early');
    }
    if (target.length > WINDOW) {
      this.#fill(target, position);
      return;
    }
    if (position < this.#windowAt || position + target.length > this.#windowAt + this.#window.length) {
      const window = Buffer.allocUnsafe(Math.min(WINDOW, this.size - position));
      this.#fill(window, position);
      this.#window = window;
      this.#windowAt = position;
    }
    const from = position - this.#windowAt;
    target.set(this.#window.subarray(from, from + target.length));
  }

  /** As `chunks`, all in the same memory: for those who are done with one before they ask for the next. New memory for each costs more than reading. */
  *passing(start = 0, end: number = this.size): Generator<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK, Math.max(0, end - start)));
    for (this.position = start; this.position < end; ) {
      const chunk = buffer.subarray(0, end - this.position);
      this.#fill(chunk, this.position);
      this.position += chunk.length;
      yield chunk;
    }
  }

  /** The part from `start` to `end`, piece by piece. Each piece is its own memory: streams keep them. */
  *chunks(start = 0, end: number = this.size): Generator<Buffer> {
    for (this.position = start; this.position < end; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK, end - this.position));
      this.#fill(chunk, this.position);
      this.position += chunk.length;
      yield chunk;
    }
  }

  #fill(target: Uint8Array, position: number): void {
    for (let filled = 0; filled < target.length; ) {
      const count = readSync(this.#descriptor, target, filled, target.length - filled, position + filled);
      if (count === 0) {
        throw damaged('became shorter while it was read');
      }
      filled += count;
    }
  }
}
