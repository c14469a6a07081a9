const FIRST_CAPACITY = 16 * 1024;

/** Little-endian fields into one growing buffer; the counterpart of native/base/bytes.h. */
export class ByteWriter {
  #buffer: Buffer = Buffer.allocUnsafe(FIRST_CAPACITY);
  #length = 0;

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value >>> 0, this.#length);
  }

  u64(value: bigint): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), this.#length);
  }

  flag(value: boolean): void {
    this.u32(value ? 1 : 0);
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Length, UTF-8 bytes, NUL. */
  text(value: string): void {
    // A UTF-16 code unit never takes more than three bytes of UTF-8.
    this.#reserve(value.length * 3 + 5);
    const start = this.#length + 4;
    const written = this.#buffer.write(value, start, 'utf8');
    this.#buffer.writeUInt32LE(written, this.#length);
    this.#buffer[start + written] = 0;
    this.#length = start + written + 1;
  }

  texts(values: readonly string[]): void {
    this.u32(values.length);
    for (const value of values) {
      this.text(value);
    }
  }

  /** What was written; the writer is not to be used afterwards. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) {
      return;
    }
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + count));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
