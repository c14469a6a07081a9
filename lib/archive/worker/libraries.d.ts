/** The parts that are used of libraries without declarations of their own. */

declare module 'seek-bzip' {
  /** Input is read and output is written byte by byte. */
  interface ByteSource {
    read(target: Uint8Array, offset: number, length: number): number;
    readByte(): number;
  }
  interface ByteTarget {
    writeByte(byte: number): void;
  }
  class Bunzip {
    /** The CRC of the blocks so far; at the end of a stream it must be what `reader` has next. */
    streamCRC: number;
    readonly reader: { read(bits: number): number };
    constructor(input: ByteSource, output: ByteTarget);
    /** Begins the next of several streams. */
    _start_bunzip(input: ByteSource, output: ByteTarget): void;
    /** Reads a block; false at the end of a stream. */
    _init_block(): boolean;
    /** Writes the block that was read, and checks its CRC. */
    _read_bunzip(): void;
  }
  export = Bunzip;
}

declare module 'yauzl' {
  import { EventEmitter } from 'node:events';

  export interface ExtraField {
    readonly id: number;
    readonly data: Buffer;
  }
  export interface Entry {
    readonly versionMadeBy: number;
    readonly generalPurposeBitFlag: number;
    readonly compressionMethod: number;
    readonly crc32: number;
    readonly compressedSize: number;
    readonly uncompressedSize: number;
    readonly externalFileAttributes: number;
    readonly relativeOffsetOfLocalHeader: number;
    readonly fileNameRaw: Buffer;
    readonly extraFields: readonly ExtraField[];
    getLastModDate(): Date;
  }
  export interface LocalFileHeader {
    readonly fileDataStart: number;
    readonly generalPurposeBitFlag: number;
    readonly compressionMethod: number;
    readonly crc32: number;
    readonly compressedSize: number;
    readonly uncompressedSize: number;
    readonly fileName: Buffer;
    readonly extraField: Buffer;
  }
  export interface ZipFile extends EventEmitter {
    readonly entryCount: number;
    /** Where the next entry of the central directory begins. */
    readonly readEntryCursor: number;
    readEntry(): void;
    readLocalFileHeaderPromise(
      entry: Pick<Entry, 'relativeOffsetOfLocalHeader' | 'compressedSize'>,
    ): Promise<LocalFileHeader>;
  }
  export class RandomAccessReader extends EventEmitter {
    read(
      buffer: Buffer,
      offset: number,
      length: number,
      position: number,
      callback: (error: Error | null, bytesRead?: number) => void,
    ): void;
  }
  export interface Options {
    lazyEntries: boolean;
    decodeStrings: boolean;
    validateEntrySizes: boolean;
    autoClose: boolean;
  }
  export function fromRandomAccessReaderPromise(
    reader: RandomAccessReader,
    totalSize: number,
    options: Options,
  ): Promise<ZipFile>;
  export function getFileNameLowLevel(
    flags: number,
    name: Buffer,
    extraFields: readonly ExtraField[],
    strict: boolean,
  ): string;
  export function parseExtraFields(buffer: Buffer): ExtraField[];
}

/** The file headers.js of tar-stream, which tools/build-ts.mjs finds by this name. */
declare module 'tar-stream/headers' {
  export interface Header {
    readonly name: string;
    /** Null: a type flag that the library does not know. */
    readonly type: string | null;
    /** NaN: none. */
    readonly size: number;
    readonly mode: number;
    readonly mtime: Date;
    readonly linkname: string | null;
  }
  /** Null: a block of zeros. Throws where the checksum is wrong. */
  export function decode(block: Uint8Array, encoding: string, allowUnknownFormat: boolean): Header | null;
  export function decodeLongPath(bytes: Uint8Array, encoding: string): string;
  export function decodePax(bytes: Uint8Array): Record<string, string>;
}
