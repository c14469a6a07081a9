/**
 * Walks along a tar: which bytes are headers and which content. What a header says is decoded by tar-stream; its own walk makes a stream for each entry, which takes longer
 * than everything else for an archive of many small files.
 */

import { decode, decodeLongPath, decodePax, type Header } from 'tar-stream/headers';

import { asDamage, damaged } from './refusal.js';

const BLOCK = 512;
/** Bytes of one header that is longer than a block: a name, or what pax has for an entry. */
const LONGEST_HEADER = 4 * 2 ** 20;
const ENCODING = 'utf-8';

export interface TarEntry extends Omit<Header, 'pax'> {
  readonly pax: Readonly<Record<string, string>>;
}

/** Takes what an entry contains. Chunks must not be kept. */
export interface TarContent {
  write(chunk: Uint8Array): void;
  end(): void;
}

type Long = 'gnu-long-path' | 'gnu-long-link-path' | 'pax-global-header' | 'pax-header';
const LONG: readonly (string | null)[] = ['gnu-long-path', 'gnu-long-link-path', 'pax-global-header', 'pax-header'];

/** Said by headers before the one of the entry. */
interface Said {
  name?: string;
  linkname?: string;
  pax?: Record<string, string>;
}

export class TarParser {
  readonly #begin: (entry: TarEntry) => TarContent | null;
  /** A header of which only the first part has come. */
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #long: { readonly type: Long; readonly bytes: Buffer } | null = null;
  #content: TarContent | null = null;
  /** Of the long header or the content that is being read. */
  #left = 0;
  /** Behind it, up to the next block. */
  #padding = 0;
  #said: Said = {};
  #global: Record<string, string> = {};
  /** Zero blocks since the last header. */
  #zeroBlocks = 0;

  /** `begin` may throw, and tells where the content goes; null where it is not wanted. */
  constructor(begin: (entry: TarEntry) => TarContent | null) {
    this.#begin = begin;
  }

  /** Keeps nothing of the chunk. */
  write(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) {
      at += this.#step(at === 0 ? chunk : chunk.subarray(at));
    }
  }

  end(): void {
    if (this.#filled > 0 || this.#left > 0 || this.#padding > 0) {
      throw damaged('is no whole tar file: it ends too early');
    }
    // Cut off between two entries it would look whole: the zero block at the end is what tells.
    if (this.#zeroBlocks === 0 || Object.keys(this.#said).length > 0) {
      throw damaged('ends too early: it has no end-of-archive block');
    }
  }

  /** How many bytes were dealt with: at least one. */
  #step(chunk: Uint8Array): number {
    if (this.#left > 0) {
      return this.#take(chunk.length > this.#left ? chunk.subarray(0, this.#left) : chunk);
    }
    if (this.#padding > 0) {
      const count = Math.min(this.#padding, chunk.length);
      this.#padding -= count;
      return count;
    }
    if (this.#filled === 0 && chunk.length >= BLOCK) {
      this.#header(chunk.subarray(0, BLOCK));
      return BLOCK;
    }
    const part = chunk.subarray(0, BLOCK - this.#filled);
    this.#block.set(part, this.#filled);
    this.#filled += part.length;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#header(this.#block);
    }
    return part.length;
  }

  #take(part: Uint8Array): number {
    const long = this.#long;
    if (long === null) {
      this.#content?.write(part);
    } else {
      long.bytes.set(part, long.bytes.length - this.#left);
    }
    this.#left -= part.length;
    if (this.#left === 0) {
      this.#finishPart();
    }
    return part.length;
  }

  #finishPart(): void {
    if (this.#long === null) {
      this.#content?.end();
      this.#content = null;
    } else {
      const { type, bytes } = this.#long;
      this.#long = null;
      this.#say(type, bytes);
    }
  }

  #header(block: Uint8Array): void {
    let header: Header | null;
    try {
      header = decode(block, ENCODING, true);
    } catch (error) {
      throw asDamage(error, 'is no whole tar file');
    }
    if (header === null) {
      this.#zeroBlocks++;
      return;
    }
    this.#zeroBlocks = 0;
    if (LONG.includes(header.type)) {
      this.#expectLong(header.type as Long, header.size);
      return;
    }
    const entry = this.#complete(header);
    this.#said = {};
    this.#content = this.#begin(entry);
    this.#expect(entry.size);
    if (entry.size === 0) {
      this.#finishPart();
    }
  }

  #expect(size: number): void {
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
  }

  #expectLong(type: Long, size: number): void {
    if (!(size > 0 && size <= LONGEST_HEADER)) {
      throw damaged(`is no whole tar file: a header of ${size} bytes`);
    }
    this.#long = { type, bytes: Buffer.alloc(size) };
    this.#expect(size);
  }

  #say(type: Long, bytes: Buffer): void {
    switch (type) {
      case 'gnu-long-path':
        this.#said.name = decodeLongPath(bytes, ENCODING);
        break;
      case 'gnu-long-link-path':
        this.#said.linkname = decodeLongPath(bytes, ENCODING);
        break;
      case 'pax-global-header':
        this.#global = { ...this.#global, ...readPax(bytes) };
        break;
      case 'pax-header':
        this.#said.pax = readPax(bytes);
    }
  }

  #complete(header: Header): TarEntry {
    const pax = { ...this.#global, ...this.#said.pax };
    const { path, linkpath, size } = pax;
    const entry = {
      ...header,
      name: path ?? this.#said.name ?? header.name,
      linkname: linkpath ?? this.#said.linkname ?? header.linkname,
      size: size === undefined ? header.size : /^\d+$/u.test(size) ? Number(size) : Number.NaN,
      pax,
    };
    if (!Number.isSafeInteger(entry.size) || entry.size < 0) {
      throw damaged('has a header with numbers that are none', entry.name);
    }
    return entry;
  }
}

/** Records of the form `LENGTH KEY=VALUE\n`, see pax(1). One that is not would be read by some programs up to there, by others not at all. */
function readPax(bytes: Buffer): Record<string, string> {
  for (let at = 0; at < bytes.length; ) {
    const digits = /^[1-9]\d{0,7}(?= [^=]+=)/u.exec(bytes.toString('latin1', at, at + LONGEST_KEY))?.[0];
    const end = at + Number(digits ?? Number.NaN);
    if (!(end <= bytes.length) || bytes[end - 1] !== NEWLINE) {
      throw damaged('is no whole tar file: a pax header with a wrong record');
    }
    at = end;
  }
  return decodePax(bytes);
}

const NEWLINE = 0x0a;
/** Bytes of a record in which its key ends. */
const LONGEST_KEY = 1024;
