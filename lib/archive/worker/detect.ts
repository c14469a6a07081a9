/** Which format it is, told by content: names of files are chosen by whoever sent them. */

import type { ArchiveFormat } from '../../policy/archive-options.js';
import type { ArchiveFile } from './archive-file.js';
import { Refusal } from './refusal.js';

const BLOCK = 512;

const MAGIC: readonly (readonly [ArchiveFormat, readonly number[]])[] = [
  ['zip', [0x50, 0x4b, 0x03, 0x04]],
  // Without entries there is only the end of the directory.
  ['zip', [0x50, 0x4b, 0x05, 0x06]],
  ['tar.gz', [0x1f, 0x8b]],
  ['tar.bz2', [0x42, 0x5a, 0x68]],
  ['tar.xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['tar.zst', [0x28, 0xb5, 0x2f, 0xfd]],
];

export function detectFormat(archive: ArchiveFile): ArchiveFormat {
  const start = new Uint8Array(Math.min(BLOCK, archive.size));
  archive.read(start, 0);
  const found = MAGIC.find(([, magic]) => magic.every((byte, index) => start[index] === byte));
  if (found !== undefined) {
    return found[0];
  }
  // Frames of zstd may be preceded by ones that are to be skipped: 0x184d2a50 to 0x184d2a5f, little-endian.
  if (start[3] === 0x18 && start[2] === 0x4d && start[1] === 0x2a && (start[0] ?? 0) >> 4 === 5) {
    return 'tar.zst';
  }
  if (start.length === BLOCK && (isHeader(start) || start.every((byte) => byte === 0))) {
    return 'tar';
  }
  throw new Refusal('damaged', archive.size === 0 ? 'is empty' : 'is no archive of a known format');
}

/** A tar header has a checksum of itself, in octal at 148, counted as if there were spaces; that also holds for those from before there was a magic number. */
function isHeader(block: Uint8Array): boolean {
  const sum = block.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 0x20 : byte), 0);
  const digits = /^ *([0-7]+)[ \0]/u.exec(String.fromCharCode(...block.subarray(148, 156)))?.[1];
  return digits !== undefined && Number.parseInt(digits, 8) === sum;
}
