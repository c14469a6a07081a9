/** What an executable needs to be loaded: elf(5). Only of 64 bits and little-endian, which is all that cloister runs on. */

import { closeSync, openSync, readSync } from 'node:fs';

export interface Elf {
  /** The loader that it names (PT_INTERP); null for one that is linked statically, and for libraries. */
  readonly interpreter: string | null;
  /** Libraries that it names (DT_NEEDED): file names, rarely paths. */
  readonly needed: readonly string[];
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

const HEADER_SIZE = 64;
const MAGIC = [0x7f, 0x45, 0x4c, 0x46, 2, 1];
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
const DYNAMIC_SIZE = 16;
/** Bytes of a path (PATH_MAX). */
const LONGEST_TEXT = 4096;

/** Null where it is no such file. */
export function readElf(file: string): Elf | null {
  const descriptor = openSync(file, 'r');
  try {
    const header = readAt(descriptor, 0, HEADER_SIZE);
    if (!MAGIC.every((byte, index) => header[index] === byte)) {
      return null;
    }
    const segments = readSegments(descriptor, header);
    const interpreter = segments.find(({ type }) => type === PT_INTERP);
    return {
      interpreter: interpreter === undefined ? null : textAt(descriptor, interpreter.offset),
      needed: readNeeded(descriptor, segments),
    };
  } finally {
    closeSync(descriptor);
  }
}

function readSegments(descriptor: number, header: Buffer): Segment[] {
  const offset = Number(header.readBigUInt64LE(32));
  const [size, count] = [header.readUInt16LE(54), header.readUInt16LE(56)];
  const table = readAt(descriptor, offset, size * count);
  return Array.from({ length: count }, (_, index) => {
    const entry = table.subarray(index * size);
    return {
      type: entry.readUInt32LE(0),
      offset: Number(entry.readBigUInt64LE(8)),
      address: Number(entry.readBigUInt64LE(16)),
      size: Number(entry.readBigUInt64LE(32)),
    };
  });
}

function readNeeded(descriptor: number, segments: readonly Segment[]): string[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) {
    return [];
  }
  const table = readAt(descriptor, dynamic.offset, dynamic.size);
  const entries = Array.from({ length: Math.floor(table.length / DYNAMIC_SIZE) }, (_, index) => ({
    tag: Number(table.readBigUInt64LE(index * DYNAMIC_SIZE)),
    value: Number(table.readBigUInt64LE(index * DYNAMIC_SIZE + 8)),
  }));
  const address = entries.find(({ tag }) => tag === DT_STRTAB)?.value ?? 0;
  const mapped = segments.find(
    (segment) => segment.type === PT_LOAD && address >= segment.address && address < segment.address + segment.size,
  );
  if (mapped === undefined) {
    return [];
  }
  const strings = mapped.offset + address - mapped.address;
  return entries.filter(({ tag }) => tag === DT_NEEDED).map(({ value }) => textAt(descriptor, strings + value));
}

function textAt(descriptor: number, position: number): string {
  return readAt(descriptor, position, LONGEST_TEXT).toString('utf8').replace(/\0.*$/su, '');
}

/** Zeros where the file ends before. */
function readAt(descriptor: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length);
  readSync(descriptor, buffer, 0, length, position);
  return buffer;
}
