/** The limit on what a command may write to its two pipes, counted where they are read. */

export class OutputLimit {
  #left: number;
  readonly #onExceeded: () => void;

  /** `onExceeded` is called once, when there is a byte more than `bytes`. */
  constructor(bytes: number, onExceeded: () => void) {
    this.#left = bytes;
    this.#onExceeded = onExceeded;
  }

  /** The part of what was read that is within the limit: of everything together, the first bytes. */
  admit(chunk: Buffer): Buffer {
    if (chunk.length <= this.#left) {
      this.#left -= chunk.length;
      return chunk;
    }
    const admitted = chunk.subarray(0, Math.max(this.#left, 0));
    if (this.#left >= 0) {
      // Nothing is within the limit any more.
      this.#left = -1;
      this.#onExceeded();
    }
    return admitted;
  }
}
