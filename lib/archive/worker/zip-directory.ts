/**
 * The central directory of a zip, compared with what stands at the entries themselves. Programs differ in which of the two they believe; an archive in which
 * they differ shows one thing to a scanner and another to whoever unpacks it.
 */

import { isUtf8 } from 'node:buffer';

import {
  type Entry,
  fromRandomAccessReaderPromise,
  getFileNameLowLevel,
  type LocalFileHeader,
  parseExtraFields,
  RandomAccessReader,
  type ZipFile,
} from 'yauzl';

import type { ArchiveFile } from './archive-file.js';
import type { Budget } from './budget.js';
import type { EntryHead } from './entry.js';
import { asDamage, damaged } from './refusal.js';

export interface ZipEntry {
  readonly name: string;
  readonly kind: Exclude<EntryHead['kind'], 'hardlink'>;
  readonly what?: string;
  readonly size: number;
  readonly compressedSize: number;
  readonly method: number;
  readonly crc: number;
  readonly mode: number | null;
  readonly mtime: number | null;
  readonly encrypted: boolean;
  readonly dataStart: number;
}

/** An entry of the directory, before its local header was looked at. */
interface Listed {
  readonly entry: Omit<ZipEntry, 'dataStart'>;
  readonly rawName: Buffer;
  readonly flags: number;
  readonly compressedSize: number;
  readonly relativeOffsetOfLocalHeader: number;
  dataStart: number;
}

const ENCRYPTED = 1;
/** Sizes and checksum follow the data; the local header may have zeros instead. */
const HAS_DESCRIPTOR = 8;
const UTF8 = 0x800;
const COMPARED_FLAGS: number = ENCRYPTED | HAS_DESCRIPTOR | UTF8;
/** Unix, and macOS. */
const UNIX_SYSTEMS: readonly number[] = [3, 19];
const ZIP64_FIELD = 1;
const ZIP64_MARK = 0xffffffff;
/** Signatures of what may stand behind the last entry of the directory. */
const DIRECTORY_ENDS: readonly number[] = [0x06054b50, 0x06064b50, 0x05054b50];
const ENTRY_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;

/** In the order of the directory. */
export async function readDirectory(archive: ArchiveFile, budget: Budget): Promise<ZipEntry[]> {
  let zip: ZipFile;
  try {
    zip = await fromRandomAccessReaderPromise(new Reader(archive), archive.size, {
      lazyEntries: true,
      decodeStrings: false,
      validateEntrySizes: true,
      autoClose: false,
    });
  } catch (error) {
    throw asDamage(error, 'is no whole zip file');
  }
  budget.expectEntries(zip.entryCount);
  const start = zip.readEntryCursor;
  const listed: Listed[] = [];
  for (let entry = await nextEntry(zip); entry !== null; entry = await nextEntry(zip)) {
    const name = nameOf(entry);
    budget.entry(name, entry.uncompressedSize);
    listed.push(describeEntry(entry, name));
  }
  assertEnd(archive, zip.readEntryCursor);
  await compareLocalHeaders(archive, zip, listed, start);
  return listed.map(({ entry, dataStart }) => ({ ...entry, dataStart }));
}

/**
 * Names are in cp437 unless a flag, or a field of their own, says UTF-8. Programs on Unix also write the bytes of their file system and say nothing: what is
 * UTF-8 there is taken for that.
 */
function nameOf({ generalPurposeBitFlag, fileNameRaw, extraFields, versionMadeBy }: Entry): string {
  const silent = UNIX_SYSTEMS.includes(versionMadeBy >> 8) && isUtf8(fileNameRaw) ? UTF8 : 0;
  return getFileNameLowLevel(generalPurposeBitFlag | silent, fileNameRaw, extraFields, true);
}

function nextEntry(zip: ZipFile): Promise<Entry | null> {
  return new Promise((resolve, reject) => {
    zip.removeAllListeners();
    zip.once('entry', resolve);
    zip.once('end', () => {
      resolve(null);
    });
    zip.once('error', (error) => {
      reject(asDamage(error, 'is no whole zip file'));
    });
    zip.readEntry();
  });
}

/** The number of entries is written apart from them: one that is too small would hide the rest. */
function assertEnd(archive: ArchiveFile, position: number): void {
  const signature = Buffer.alloc(4);
  archive.read(signature, position);
  if (!DIRECTORY_ENDS.includes(signature.readUInt32LE(0))) {
    throw damaged('has more in its directory than the number of entries says');
  }
}

/** S_IFMT of stat(2), in the upper half of the attributes where the archive was made by Unix. */
const FILE_KINDS: Readonly<Record<number, string>> = {
  0o010000: 'a fifo',
  0o020000: 'a character device',
  0o060000: 'a block device',
  0o140000: 'a socket',
};
function describeEntry(entry: Entry, name: string): Listed {
  const system = entry.versionMadeBy >> 8;
  const attributes = UNIX_SYSTEMS.includes(system) ? entry.externalFileAttributes >>> 16 : 0;
  const time = entry.getLastModDate().getTime();
  return {
    entry: {
      name,
      ...kindOf(attributes & 0o170000, name),
      size: entry.uncompressedSize,
      compressedSize: entry.compressedSize,
      method: entry.compressionMethod,
      crc: entry.crc32,
      // Archives without permissions have zeros there, and nobody means a file that nobody may read.
      mode: (attributes & 0o7777) === 0 ? null : attributes & 0o7777,
      mtime: Number.isNaN(time) ? null : time,
      encrypted: (entry.generalPurposeBitFlag & ENCRYPTED) !== 0,
    },
    rawName: entry.fileNameRaw,
    flags: entry.generalPurposeBitFlag,
    compressedSize: entry.compressedSize,
    relativeOffsetOfLocalHeader: entry.relativeOffsetOfLocalHeader,
    dataStart: 0,
  };
}

function kindOf(kind: number, name: string): Pick<ZipEntry, 'kind' | 'what'> {
  const slashed = name.endsWith('/');
  switch (kind) {
    case 0:
      return { kind: slashed ? 'directory' : 'file' };
    case 0o040000:
      return { kind: 'directory' };
    case 0o100000:
      return slashed ? { kind: 'other', what: 'a file with the name of a directory' } : { kind: 'file' };
    case 0o120000:
      return { kind: 'symlink' };
    default:
      return { kind: 'other', what: FILE_KINDS[kind] ?? 'of an unknown kind' };
  }
}

/** Along the archive, so that the end of each can be compared with the beginning of the next: shared data is what the worst bombs are made of. */
async function compareLocalHeaders(
  archive: ArchiveFile,
  zip: ZipFile,
  listed: readonly Listed[],
  directoryStart: number,
): Promise<void> {
  const along = [...listed].sort((a, b) => a.relativeOffsetOfLocalHeader - b.relativeOffsetOfLocalHeader);
  let end = 0;
  for (const each of along) {
    const { name } = each.entry;
    if (each.relativeOffsetOfLocalHeader < end) {
      throw damaged('overlaps the entry before it', name);
    }
    assertNothingHidden(archive, end, each.relativeOffsetOfLocalHeader);
    let header: LocalFileHeader;
    try {
      header = await zip.readLocalFileHeaderPromise(each);
      assertSame(each, header);
    } catch (error) {
      throw asDamage(error, 'is no whole zip file', name);
    }
    end = header.fileDataStart + each.compressedSize;
    if ((each.flags & HAS_DESCRIPTOR) !== 0) {
      end += assertDescriptor(archive, end, each);
    }
    if (end > directoryStart) {
      throw damaged('overlaps the directory of the archive', name);
    }
    each.dataStart = header.fileDataStart;
  }
  assertNothingHidden(archive, end, directoryStart);
}

/** Programs that read along the archive would unpack an entry that the directory does not have. */
function assertNothingHidden(archive: ArchiveFile, from: number, to: number): void {
  if (to - from >= 4) {
    const signature = Buffer.alloc(4);
    archive.read(signature, from);
    if (signature.readUInt32LE(0) === ENTRY_SIGNATURE) {
      throw damaged('has an entry that is not in its directory');
    }
  }
}

function assertSame({ entry, rawName, flags, compressedSize }: Listed, header: LocalFileHeader): void {
  const differs = (what: string): void => {
    throw damaged(`has another ${what} in its own header than in the directory`, entry.name);
  };
  const field = getFileNameLowLevel(flags, header.fileName, parseExtraFields(header.extraField), true);
  const plain = getFileNameLowLevel(flags, header.fileName, [], true);
  // Its own header may have the name in a field for UTF-8 as well.
  if (!header.fileName.equals(rawName) || (field !== plain && field !== entry.name)) {
    differs('name');
  }
  if ((header.generalPurposeBitFlag & COMPARED_FLAGS) !== (flags & COMPARED_FLAGS)) {
    differs('flag');
  }
  if (header.compressionMethod !== entry.method) {
    differs('compression method');
  }
  const local = localSizes(header, entry.name);
  const follows = (flags & HAS_DESCRIPTOR) !== 0;
  const same = (ours: number, theirs: number): boolean => ours === theirs || (follows && theirs === 0);
  if (!same(entry.size, local.size) || !same(compressedSize, local.compressedSize)) {
    differs('size');
  }
  if (!same(entry.crc, header.crc32)) {
    differs('checksum');
  }
}

function localSizes(header: LocalFileHeader, name: string): { size: number; compressedSize: number } {
  const { uncompressedSize: size, compressedSize } = header;
  if (size !== ZIP64_MARK && compressedSize !== ZIP64_MARK) {
    return { size, compressedSize };
  }
  const field = parseExtraFields(header.extraField).find(({ id }) => id === ZIP64_FIELD)?.data;
  const numbers =
    field === undefined
      ? []
      : Array.from({ length: field.length >> 3 }, (_, i) => Number(field.readBigUInt64LE(i * 8)));
  const take = (value: number): number => {
    const long = value === ZIP64_MARK ? numbers.shift() : value;
    if (long === undefined) {
      throw damaged('has a header without the sizes that it promises', name);
    }
    return long;
  };
  return { size: take(size), compressedSize: take(compressedSize) };
}

/** Length of the data descriptor at `position`: with or without a signature, with sizes of four or of eight bytes. */
function assertDescriptor(archive: ArchiveFile, position: number, { entry }: Listed): number {
  const bytes = Buffer.alloc(Math.min(24, archive.size - position));
  archive.read(bytes, position);
  for (const start of [4, 0]) {
    for (const width of [4, 8]) {
      const length = start + 4 + 2 * width;
      if (length <= bytes.length && fits(bytes, start, width, entry)) {
        return length;
      }
    }
  }
  throw damaged('has a data descriptor that differs from the directory', entry.name);
}

function fits(bytes: Buffer, start: number, width: number, entry: Listed['entry']): boolean {
  const size = (at: number): number => (width === 4 ? bytes.readUInt32LE(at) : Number(bytes.readBigUInt64LE(at)));
  return (
    (start === 0 || bytes.readUInt32LE(0) === DESCRIPTOR_SIGNATURE) &&
    bytes.readUInt32LE(start) === entry.crc &&
    size(start + 4) === entry.compressedSize &&
    size(start + 4 + width) === entry.size
  );
}

/** Answers at once: reading is synchronous, and the library does not mind. */
class Reader extends RandomAccessReader {
  readonly #archive: ArchiveFile;

  constructor(archive: ArchiveFile) {
    super();
    this.#archive = archive;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    try {
      this.#archive.read(buffer.subarray(offset, offset + length), position);
    } catch (error) {
      callback(error as Error);
      return;
    }
    callback(null, length);
  }
}
