const FIRST_CAPACITY = 16 * 1024;
const TWO_TO_32 = 2 ** 32;

/** Little-endian fields into one growing buffer; the counterpart of native/base/bytes.h. It is on the path of every spawn. */
export class ByteWriter {
  #buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  #view: DataView = viewOf(this.#buffer);
  #length = 0;

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  /** A bigint, or a number that is a safe integer and not negative. */
  u64(value: number | bigint): void {
    this.#reserve(8);
    if (typeof value === 'bigint') {
      this.#view.setBigUint64(this.#length, value, true);
    } else {
      this.#view.setUint32(this.#length, value % TWO_TO_32, true);
      this.#view.setUint32(this.#length + 4, Math.floor(value / TWO_TO_32), true);
    }
    this.#length += 8;
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
    const written = this.#ascii(value, start) ?? this.#buffer.write(value, start, 'utf8');
    this.#view.setUint32(this.#length, written, true);
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

  /** Nearly every text is short and ASCII, where a loop beats the call into the encoder. Null: it is not. */
  #ascii(value: string, start: number): number | null {
    const buffer = this.#buffer;
    for (let index = 0; index < value.length; index += 1) {
      const unit = value.charCodeAt(index);
      if (unit > 0x7f) {
        return null;
      }
      buffer[start + index] = unit;
    }
    return value.length;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) {
      return;
    }
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#length + count));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
    this.#view = viewOf(grown);
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
}
