/** What an archive may cost, counted before it is spent. */

import type { ArchiveLimits } from '../../policy/archive-options.js';
import { Refusal } from './refusal.js';

/** Bytes of all names together: they are kept until the end. */
const MOST_NAMES = 64 * 2 ** 20;

export class Budget {
  readonly #limits: ArchiveLimits;
  readonly #archiveSize: number;
  #entries = 0;
  #names = 0;
  /** What heads of entries promise. */
  #promised = 0;
  /** What came out of decompression. */
  #unpacked = 0;

  constructor(limits: ArchiveLimits, archiveSize: number) {
    this.#limits = limits;
    this.#archiveSize = archiveSize;
  }

  /** A directory of entries that says how many there are is believed where that is too many. */
  expectEntries(count: number): void {
    if (count > this.#limits.entries) {
      throw new Refusal('limit', `has ${count} entries, limits.entries is ${this.#limits.entries}`);
    }
  }

  /** Directories that an entry implies cost the disk what entries cost. */
  implied(count: number): void {
    this.#entries += count;
    if (this.#entries > this.#limits.entries) {
      throw new Refusal('limit', `has more than ${this.#limits.entries} entries (limits.entries)`);
    }
  }

  entry(name: string, size: number): void {
    this.#names += name.length;
    this.implied(1);
    if (this.#names > MOST_NAMES) {
      throw new Refusal('limit', `has names of more than ${MOST_NAMES} bytes in all`);
    }
    if (size > this.#limits.fileSize) {
      throw new Refusal('limit', `has ${size} bytes, limits.fileSize is ${this.#limits.fileSize}`, name);
    }
    this.#promised += size;
    if (this.#promised > this.#limits.totalSize) {
      throw new Refusal('limit', `goes beyond limits.totalSize, which is ${this.#limits.totalSize}`, name);
    }
  }

  /** Decompressed bytes, whatever they are for. */
  unpacked(bytes: number, entry?: string): void {
    this.#unpacked += bytes;
    const { ratio, ratioFrom } = this.#limits;
    if (this.#unpacked > ratioFrom && this.#unpacked > ratio * this.#archiveSize) {
      throw new Refusal('limit', `unpacks to more than ${ratio} times the size of the archive (limits.ratio)`, entry);
    }
  }
}
