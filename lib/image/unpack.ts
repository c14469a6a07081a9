/** From the files of an image to directories, by the unpacker in its cell. What that leaves is looked at from outside before anything is made of it. */

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

import { type Unpacked, runUnpacker, unpackError } from '../archive/cell.js';
import { HeldDirectory } from '../archive/held-directory.js';
import type { ImageTask } from '../archive/messages.js';
import { type Expected, type Found, Unexpected, verifyTree } from '../archive/verify.js';
import { watchTree } from '../archive/watch.js';
import { type Entry, RECORD_FILE, ROOT_FOLDER, type WorkFolder } from './cache.js';
import type { Description, Layer } from './description.js';
import { digestOfFile, digestText, sameDigest } from './digest.js';
import { imageError } from './errors.js';
import { IMAGE_LIMITS, imageRequest } from './limits.js';
import { makeRecord } from './record.js';
import { copyFile } from './copy.js';

const OPEN_TO_READ = 0o755;
const PRIVATE_FILE = 0o600;
const MOST_DROPPED = 1000;

interface Job {
  readonly image: string;
  readonly signal: AbortSignal | undefined;
  /** The lowest first. */
  readonly archives: readonly number[];
  readonly output: string;
  /** Null: an archive with the parts of an image. */
  readonly task: ImageTask | null;
}

/** Unpacks into an empty directory. */
async function unpack({ image, signal, archives, output, task }: Job): Promise<{ unpacked: Unpacked; found: Found }> {
  const [archive = -1, ...layers] = archives;
  const request = imageRequest(image, signal);
  const expected: Expected = {
    limits: IMAGE_LIMITS,
    umask: 0,
    uid: process.geteuid?.() ?? 0,
    asRoot: task !== null,
  };
  const tree = new HeldDirectory(output);
  try {
    const watch = watchTree(tree, expected);
    let unpacked: Unpacked;
    let problem: string | null = null;
    try {
      const words = task === null ? ({ mode: 'parts' } as const) : ({ mode: 'layers', image: task } as const);
      unpacked = await runUnpacker({
        request,
        task: { ...words, onUnsafe: task === null ? 'error' : 'skip', umask: 0 },
        archive,
        layers,
        output: tree,
        // What a layer puts over what is there takes its place; parts have a name each.
        removes: task !== null,
        stop: watch.stop,
      });
    } finally {
      problem = await watch.end();
    }
    const error = problem === null ? unpackError(request, unpacked) : imageError(image, problem);
    if (error !== null) {
      throw error;
    }
    const found = await verifyTree(tree, expected);
    const { last } = unpacked.reports;
    // Where somebody has exchanged the directory before it was shown to the cell, the one that is held has stayed empty.
    if (last?.type !== 'done' || last.bytes !== found.bytes) {
      throw imageError(image, 'what was unpacked is not what is there');
    }
    tree.chmod(OPEN_TO_READ);
    return { unpacked, found };
  } catch (error) {
    throw error instanceof Unexpected ? imageError(image, `${error.entry}: what was unpacked ${error.message}`) : error;
  } finally {
    tree.close();
  }
}

/** The manifests and layers of an image that is one archive. */
export async function unpackParts(
  image: string,
  archive: number,
  output: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await unpack({ image, signal, archives: [archive], output, task: null });
}

export interface Making {
  readonly image: string;
  readonly description: Description;
  /** Layers lie where nobody else has a way to, and have been compared with their digests where they have none that says what they are. */
  readonly isPrivate: boolean;
  readonly work: WorkFolder;
  readonly signal: AbortSignal | undefined;
}

/** Makes the entry of a tree: its folder, on which a shared lock is held. */
export async function makeEntry(making: Making): Promise<Entry> {
  const { image, description, work, signal } = making;
  const { layers, config, below } = description;
  const entry = work.makeEntry();
  const archives: number[] = [];
  try {
    for (const [position, layer] of layers.entries()) {
      archives.push(await openChecked(making, layer, position));
    }
    const { unpacked, found } = await unpack({
      image,
      signal,
      archives,
      output: `${entry.path}/${ROOT_FOLDER}`,
      task: { layers: layers.length, below, workingDirectory: config.workingDirectory },
    });
    compareUnpacked(making, unpacked);
    writeRecord(`${entry.path}/${RECORD_FILE}`, description, unpacked, found);
    return entry;
  } catch (error) {
    entry.lock.release();
    throw error;
  } finally {
    archives.forEach(closeSync);
  }
}

/**
 * A layer that is what its digest says, and stays it: of a file that others can write, a copy is compared and unpacked. Otherwise one content could be compared
 * and another be unpacked, and stay in the cache under the name of the first.
 */
async function openChecked(
  { image, isPrivate, work, signal }: Making,
  layer: Layer,
  position: number,
): Promise<number> {
  let descriptor = layer.open();
  try {
    if (!isPrivate) {
      const copy = await copyFile(descriptor, `${work.make('layers')}/${String(position)}`, layer.size, signal);
      closeSync(descriptor);
      descriptor = copy;
    }
    const digest = await digestOfFile(descriptor, layer.digest.algorithm, signal);
    if (!sameDigest(digest, layer.digest)) {
      throw imageError(image, `${layer.name} is something else: ${digestText(digest)}`);
    }
    return descriptor;
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

/** The unpacker says what it has decompressed. It is not believed: what it has read was compared before. But a configuration that belongs to other layers shows. */
function compareUnpacked({ image, description }: Making, { reports }: Unpacked): void {
  const digests = reports.last?.type === 'done' ? (reports.last.digests ?? []) : [];
  for (const [position, { unpacked, name }] of description.layers.entries()) {
    if (unpacked !== null && digests[position] !== unpacked) {
      throw imageError(
        image,
        `${name} decompresses to sha256:${digests[position] ?? 'nothing'}, and not to sha256:${unpacked} (rootfs.diff_ids)`,
      );
    }
  }
}

function writeRecord(path: string, description: Description, { reports }: Unpacked, { bytes, names }: Found): void {
  const record = makeRecord({
    kind: description.kind,
    names: description.names,
    platform: description.platform,
    digest: digestText(description.digest),
    layers: description.layers.map(({ digest }) => digestText(digest)),
    config: description.config,
    created: Date.now(),
    entries: names,
    bytes,
    dropped: reports.skipped.slice(0, MOST_DROPPED),
    droppedCount: reports.skipped.length,
  });
  const descriptor = openSync(path, 'wx', PRIVATE_FILE);
  try {
    writeSync(descriptor, record);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
