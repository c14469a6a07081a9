/** Zip: the central directory first, then each entry where the directory says it is. */

import { crc32, createInflateRaw, inflateRawSync, type Zlib } from 'node:zlib';

import type { ArchiveFile } from './archive-file.js';
import type { Budget } from './budget.js';
import type { EntryHead, EntrySink, FileOutput } from './entry.js';
import { asDamage, damaged, Refusal } from './refusal.js';
import { readDirectory, type ZipEntry } from './zip-directory.js';

const STORED = 0;
const DEFLATED = 8;
/** Entries up to this size are inflated in one call: for many small files that is most of the time. */
const SMALL = 512 * 2 ** 10;
const CHUNK = 256 * 2 ** 10;
const LONGEST_TARGET = 4096;

interface Content {
  readonly archive: ArchiveFile;
  readonly budget: Budget;
  readonly progress: (bytesOfArchive: number) => void;
}

export async function readZip(
  archive: ArchiveFile,
  sink: EntrySink,
  budget: Budget,
  progress: (bytesOfArchive: number) => void,
): Promise<void> {
  const entries = await readDirectory(archive, budget);
  let done = 0;
  for (const entry of entries) {
    const before = done;
    const content = {
      archive,
      budget,
      progress: (bytes: number) => {
        progress(before + bytes);
      },
    };
    await unpack(entry, sink, content);
    done += entry.compressedSize;
    progress(done);
  }
}

async function unpack(entry: ZipEntry, sink: EntrySink, content: Content): Promise<void> {
  const { name, size, mode, mtime, kind } = entry;
  const head: EntryHead = { name, kind, size, mode, mtime, ...(entry.what === undefined ? {} : { what: entry.what }) };
  if (entry.encrypted) {
    throw new Refusal('unsupported', 'is encrypted, which is not supported', name);
  }
  if (entry.method !== STORED && entry.method !== DEFLATED) {
    throw new Refusal('unsupported', `is compressed by method ${entry.method}, which is not supported`, name);
  }
  if (kind === 'symlink') {
    sink.begin({ ...head, target: await readTarget(entry, content) });
    return;
  }
  if (kind === 'directory' && size > 0) {
    throw damaged('is a directory with content', name);
  }
  const output = sink.begin(head);
  if (output !== null) {
    await inflateTo(output, entry, content);
  }
}

/** The content of a symbolic link is its target. */
async function readTarget(entry: ZipEntry, content: Content): Promise<string> {
  if (entry.size > LONGEST_TARGET) {
    throw damaged(`is a symbolic link with a target of more than ${LONGEST_TARGET} bytes`, entry.name);
  }
  const parts: Uint8Array[] = [];
  await inflateTo({ write: (chunk) => parts.push(chunk), end: () => undefined }, entry, content);
  return Buffer.concat(parts).toString('utf8');
}

/** Neither size nor checksum is believed: both are compared with what came out, and nothing is written beyond the size. */
async function inflateTo(output: FileOutput, entry: ZipEntry, content: Content): Promise<void> {
  const checked = new CheckedOutput(output, entry, content.budget);
  try {
    if (entry.method === STORED) {
      copy(checked, entry, content);
    } else if (entry.size <= SMALL && entry.compressedSize <= SMALL) {
      inflateSmall(checked, entry, content);
    } else {
      await inflateLarge(checked, entry, content);
    }
  } catch (error) {
    throw asDamage(error, 'has damaged data', entry.name);
  }
  checked.end();
}

function copy(output: CheckedOutput, { dataStart, compressedSize }: ZipEntry, { archive, progress }: Content): void {
  for (const chunk of archive.passing(dataStart, dataStart + compressedSize)) {
    output.write(chunk);
    progress(archive.position - dataStart);
  }
}

function inflateSmall(output: CheckedOutput, entry: ZipEntry, { archive }: Content): void {
  const compressed = Buffer.allocUnsafe(entry.compressedSize);
  archive.read(compressed, entry.dataStart);
  // With `info` the answer has the engine, which knows how much of its input it used.
  const { buffer, engine } = inflateRawSync(compressed, {
    chunkSize: Math.max(1024, entry.size + 64),
    maxOutputLength: Math.max(1, entry.size),
    info: true,
  }) as unknown as { buffer: Buffer; engine: Zlib };
  assertUsed(engine.bytesWritten, entry);
  output.write(buffer);
}

async function inflateLarge(output: CheckedOutput, entry: ZipEntry, { archive, progress }: Content): Promise<void> {
  const engine = createInflateRaw({ chunkSize: CHUNK });
  const feed = async (): Promise<void> => {
    for (const chunk of archive.chunks(entry.dataStart, entry.dataStart + entry.compressedSize)) {
      await new Promise<void>((resolve, reject) => {
        engine.write(chunk, (error) => {
          if (error) {
            reject(error);
          } else {
            resolve();
          }
        });
      });
      progress(archive.position - entry.dataStart);
    }
    engine.end();
  };
  // A failure there is one of the engine as well, and is heard below.
  const fed = feed().catch((error: unknown) => engine.destroy(error as Error));
  for await (const chunk of engine as AsyncIterable<Uint8Array>) {
    output.write(chunk);
  }
  await fed;
  assertUsed(engine.bytesWritten, entry);
}

function assertUsed(used: number, entry: ZipEntry): void {
  if (used !== entry.compressedSize) {
    throw damaged('has bytes behind the end of its compressed data', entry.name);
  }
}

class CheckedOutput {
  readonly #output: FileOutput;
  readonly #entry: ZipEntry;
  readonly #budget: Budget;
  #size = 0;
  #crc = 0;

  constructor(output: FileOutput, entry: ZipEntry, budget: Budget) {
    this.#output = output;
    this.#entry = entry;
    this.#budget = budget;
  }

  write(chunk: Uint8Array): void {
    this.#size += chunk.length;
    if (this.#size > this.#entry.size) {
      throw damaged('is larger than its header says', this.#entry.name);
    }
    this.#budget.unpacked(chunk.length, this.#entry.name);
    this.#crc = crc32(chunk, this.#crc);
    this.#output.write(chunk);
  }

  end(): void {
    if (this.#size !== this.#entry.size) {
      throw damaged('is smaller than its header says', this.#entry.name);
    }
    if (this.#crc !== this.#entry.crc) {
      throw damaged('has a wrong checksum', this.#entry.name);
    }
    this.#output.end();
  }
}
