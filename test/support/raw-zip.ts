/** Writes zip archives as no honest program would: every field can be something else than what it should be. */

import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipFields {
  name: Buffer;
  flags: number;
  method: number;
  crc: number;
  compressedSize: number;
  size: number;
  extra: Buffer;
}

export interface ZipInput {
  name: string | Buffer;
  content?: string | Buffer;
  /** Default 8, deflate. */
  method?: number;
  /** General purpose bits. Default: that names are UTF-8. */
  flags?: number;
  /** Permissions and kind, as in st_mode. Default: none. */
  mode?: number;
  /** Instead of the compressed content. */
  data?: Buffer;
  /** In both headers. */
  fields?: Partial<ZipFields>;
  /** In the local header alone. */
  local?: Partial<ZipFields>;
  /** In the directory alone. */
  central?: Partial<ZipFields> & { offset?: number };
  /** Sizes and checksum behind the data; `'bad'`: others than in the directory. */
  descriptor?: boolean | 'bad';
  /** Sizes in fields of 64 bits. */
  zip64?: boolean;
}

const UTF8 = 0x800;
const DESCRIPTOR = 8;
const MADE_BY_UNIX = 3 << 8;
const MARK = 0xffffffff;
/** 2001-02-03 04:05:06, as MS-DOS has it. */
const TIME = (4 << 11) | (5 << 5) | 3;
const DATE = ((2001 - 1980) << 9) | (2 << 5) | 3;

function u16(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 2);
  values.forEach((value, index) => buffer.writeUInt16LE(value & 0xffff, index * 2));
  return buffer;
}

function u32(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => buffer.writeUInt32LE(value >>> 0, index * 4));
  return buffer;
}

function u64(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => buffer.writeBigUInt64LE(BigInt(value), index * 8));
  return buffer;
}

export function extraField(id: number, data: Buffer): Buffer {
  return Buffer.concat([u16(id, data.length), data]);
}

/** The field that has a name in UTF-8, beside one in another encoding. */
export function unicodeName(old: string, name: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(1, 0);
  head.writeUInt32LE(crc32(Buffer.from(old)), 1);
  return extraField(0x7075, Buffer.concat([head, Buffer.from(name)]));
}

function localHeader(fields: ZipFields): Buffer {
  const { name, flags, method, crc, compressedSize, size, extra } = fields;
  return Buffer.concat([
    u32(0x04034b50),
    u16(20, flags, method, TIME, DATE),
    u32(crc, compressedSize, size),
    u16(name.length, extra.length),
    name,
    extra,
  ]);
}

function centralHeader(fields: ZipFields, mode: number, offset: number): Buffer {
  const { name, flags, method, crc, compressedSize, size, extra } = fields;
  return Buffer.concat([
    u32(0x02014b50),
    u16(MADE_BY_UNIX | 20, 20, flags, method, TIME, DATE),
    u32(crc, compressedSize, size),
    u16(name.length, extra.length, 0, 0, 0),
    u32((mode & 0xffff) * 0x10000, offset),
    name,
    extra,
  ]);
}

interface Made {
  /** Local header, data, descriptor. */
  readonly bytes: Buffer;
  readonly central: (offset: number) => Buffer;
}

function make(input: ZipInput): Made {
  const content = Buffer.from(input.content ?? '');
  const method = input.method ?? 8;
  const data = input.data ?? (method === 8 ? deflateRawSync(content) : content);
  const follows = input.descriptor !== undefined && input.descriptor !== false;
  const truth: ZipFields = {
    name: Buffer.from(input.name),
    flags: (input.flags ?? UTF8) | (follows ? DESCRIPTOR : 0),
    method,
    crc: crc32(content),
    compressedSize: data.length,
    size: content.length,
    extra: Buffer.alloc(0),
    ...input.fields,
  };
  const long = extraField(1, u64(truth.size, truth.compressedSize));
  const shown = input.zip64 === true ? { ...truth, size: MARK, compressedSize: MARK, extra: long } : truth;
  const local = follows ? { ...shown, crc: 0, size: 0, compressedSize: 0 } : shown;
  const wrong = input.descriptor === 'bad' ? 1 : 0;
  const descriptor = follows
    ? Buffer.concat([u32(0x08074b50, truth.crc ^ wrong), u32(truth.compressedSize, truth.size)])
    : Buffer.alloc(0);
  return {
    bytes: Buffer.concat([localHeader({ ...local, ...input.local }), data, descriptor]),
    central: (offset) =>
      centralHeader({ ...shown, ...input.central }, input.mode ?? 0, input.central?.offset ?? offset),
  };
}

export interface ZipShape {
  /** What the end of the directory says. */
  count?: number;
  comment?: string;
  prefix?: Buffer;
}

export function zip(
  inputs: readonly ZipInput[],
  { count, comment = '', prefix = Buffer.alloc(0) }: ZipShape = {},
): Buffer {
  const parts = [prefix];
  const directory: Buffer[] = [];
  let offset = prefix.length;
  for (const input of inputs) {
    const { bytes, central } = make(input);
    directory.push(central(offset));
    parts.push(bytes);
    offset += bytes.length;
  }
  const central = Buffer.concat(directory);
  const total = count ?? inputs.length;
  const end = Buffer.concat([
    u32(0x06054b50),
    u16(0, 0, total, total),
    u32(central.length, offset),
    u16(comment.length),
    Buffer.from(comment),
  ]);
  return Buffer.concat([...parts, central, end]);
}
