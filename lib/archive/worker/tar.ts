/** Tar: ustar, pax, GNU, and the form before those. */

import type { EventEmitter } from 'node:events';

import { extract as makeParser, type Header } from 'tar-stream';

import type { Budget } from './budget.js';
import type { EntryHead, EntrySink } from './entry.js';
import { asDamage, damaged, Refusal } from './refusal.js';

const BLOCK = 512;
const MODE_BITS = 0o7777;
/** Milliseconds on both sides of 1970 that any file system's time can hold. */
const FARTHEST_TIME = 8.64e15;

const OTHER_KINDS: Readonly<Record<string, string>> = {
  'character-device': 'a character device',
  'block-device': 'a block device',
  fifo: 'a fifo',
};

export async function readTar(
  chunks: AsyncIterable<Uint8Array>,
  sink: EntrySink,
  budget: Budget,
  progress: () => void,
): Promise<void> {
  const parser = makeParser({ allowUnknownFormat: true });
  let end = 0;
  parser.on('entry', (header, body, next) => {
    // The parser tells it as well.
    body.on('error', () => undefined);
    // What is thrown here would reach the library, which does not expect it.
    try {
      end = header.byteOffset + padded(header.type === 'directory' ? 0 : (header.size ?? 0));
      consume(header, body, sink, budget, next);
    } catch (error) {
      parser.destroy(error as Error);
    }
  });
  const failed = new Promise<never>((_, reject) => {
    parser.once('error', (error: Error) => {
      reject(asDamage(error, 'is no whole tar file'));
    });
  });
  failed.catch(() => undefined);
  let total = 0;
  for await (const chunk of chunks) {
    budget.unpacked(chunk.length);
    total += chunk.length;
    if (!parser.write(chunk)) {
      await Promise.race([new Promise((resolve) => parser.once('drain', resolve)), failed]);
    }
    progress();
  }
  const finished = new Promise((resolve) => parser.once('finish', resolve));
  parser.end();
  await Promise.race([finished, failed]);
  // Cut off between two entries it would look whole: the zero block at the end is what tells.
  if (total < end + BLOCK) {
    throw damaged('ends too early: it has no end-of-archive block');
  }
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function consume(header: Header, body: EventEmitter, sink: EntrySink, budget: Budget, next: () => void): void {
  const head = readHeader(header);
  budget.entry(head.name, head.kind === 'file' ? head.size : 0);
  const output = sink.begin(head);
  let left = head.size;
  body.on('data', (chunk: Uint8Array) => {
    output?.write(chunk);
    left -= chunk.length;
  });
  body.on('end', () => {
    // Where the archive ends within the content, the parser ends the stream as if it were whole.
    if (left === 0 || output === null) {
      output?.end();
      next();
    }
  });
}

function readHeader(header: Header): EntryHead {
  const { name, type, size, mode, linkname } = header;
  const pax = header.pax ?? {};
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.'))) {
    throw new Refusal('unsupported', 'is a sparse file, which is not supported', name);
  }
  if (!isCount(size) || !isCount(mode)) {
    throw damaged('has a header with numbers that are none', name);
  }
  const common = { name, size, mode: mode & MODE_BITS, mtime: timeOf(pax['mtime'], header.mtime) };
  switch (type) {
    case 'file':
    case 'contiguous-file':
      return fileOrDirectory(common);
    case 'directory':
      return { ...common, size: 0, kind: 'directory' };
    case 'symlink':
      return { ...common, mode: null, kind: 'symlink', target: linkname ?? '' };
    case 'link':
      return { ...common, mode: null, kind: 'hardlink', target: linkname ?? '' };
    case 'character-device':
    case 'block-device':
    case 'fifo':
      return { ...common, kind: 'other', what: OTHER_KINDS[type] ?? '' };
    default:
      // Among them the sparse files of old GNU tar, whose map has blocks that no size counts: what follows could not be told from content.
      throw new Refusal(
        'unsupported',
        'is of a type that is not supported, such as a sparse file or a volume label',
        name,
      );
  }
}

/** Before there was a type for directories, the slash told. */
function fileOrDirectory(common: Omit<EntryHead, 'kind'>): EntryHead {
  if (!common.name.endsWith('/')) {
    return { ...common, kind: 'file' };
  }
  if (common.size > 0) {
    throw damaged('is a directory with content', common.name);
  }
  return { ...common, kind: 'directory' };
}

function isCount(value: number | null): value is number {
  return value !== null && Number.isSafeInteger(value) && value >= 0;
}

/** pax(1) has fractions of seconds, as text. */
function timeOf(pax: string | undefined, header: Date): number | null {
  const time = pax === undefined ? header.getTime() : Math.round(Number(pax) * 1000);
  return Math.abs(time) <= FARTHEST_TIME ? time : null;
}
