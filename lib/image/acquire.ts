/** From the path of an image to a tree in the cache that can be a root. */

import { closeSync, fstatSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';

import { openArchive } from '../archive/cell.js';
import { HeldDirectory } from '../archive/held-directory.js';
import { join } from '../util/paths.js';
import { describeAci } from './aci.js';
import { defaultCache, type ImageCache, type Lease, type WorkFolder } from './cache.js';
import { copyFile } from './copy.js';
import { type Description, treeName } from './description.js';
import { digestOfBytes, digestOfFile } from './digest.js';
import { describeDocker } from './docker.js';
import { guarded, imageError } from './errors.js';
import { describeOci } from './oci.js';
import { Parts } from './parts.js';
import { makeEntry, unpackParts } from './unpack.js';

/** How much older than the look at it the last change of a file must be: one within the same tick of the clock could not be seen. */
const SETTLED_MS = 2000;

export interface ImageQuery {
  /** Absolute. */
  readonly image: string;
  readonly reference: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * The tree of an image, unpacked where the cache does not have it. Stays until it is released.
 *
 * @throws ERR_CLOISTER_ARCHIVE for what is wrong with the image; ERR_CLOISTER_POLICY where it has not what was asked for; ERR_CLOISTER_NOT_FOUND; AbortError; what
 * spawnIsolated throws. The cache is as before then.
 */
export async function acquireImage(query: ImageQuery, cache: ImageCache = defaultCache()): Promise<Lease> {
  const { image } = query;
  cache.open();
  const isDirectory = guarded('cannot use the image', image, () => statSync(image)).isDirectory();
  return isDirectory ? await acquireLayout(query, cache) : await acquireArchive(query, cache);
}

async function acquireLayout(query: ImageQuery, cache: ImageCache): Promise<Lease> {
  const { image, reference } = query;
  // The caller's own path may end in a link.
  const top = guarded('cannot use the image', image, () => new HeldDirectory(join(image, '.')));
  try {
    const parts = new Parts(image, top, false);
    if (!parts.has('oci-layout')) {
      throw imageError(image, 'is a directory without oci-layout; a root file system is named by root: {directory}');
    }
    const description = describeOci(parts, reference);
    return await ensure(query, cache, description, null);
  } finally {
    top.close();
  }
}

async function acquireArchive(query: ImageQuery, cache: ImageCache): Promise<Lease> {
  const archive = openArchive(query.image);
  try {
    const note = noteOf(archive, query, cache);
    const known = readNote(note.path);
    const lease = known === null ? null : await cache.lease(known, query.signal);
    if (lease !== null) {
      return lease;
    }
    await cache.sweep();
    return await leaseOrNothing(cache.work(), async (work) => {
      const description = await describeArchive(query, archive, work);
      const made = await ensure(query, cache, description, work);
      try {
        keepNote(note, archive, treeName(description), work);
      } catch (error) {
        made.release();
        throw error;
      }
      return made;
    });
  } finally {
    closeSync(archive);
  }
}

async function describeArchive(
  { image, reference, signal }: ImageQuery,
  archive: number,
  work: WorkFolder,
): Promise<Description> {
  const folder = work.make('parts');
  await unpackParts(image, archive, folder, signal);
  const top = new HeldDirectory(folder);
  // Layers are opened later, by the description, and closed with the work folder.
  work.whenRemoved(() => {
    top.close();
  });
  const parts = new Parts(image, top, true);
  if (parts.has('oci-layout')) {
    return describeOci(parts, reference);
  }
  if (parts.has('manifest.json')) {
    return await describeDocker(parts, reference, signal);
  }
  if (parts.has('manifest')) {
    const copy = await copyFile(archive, join(folder, '.archive'), null, signal);
    work.whenRemoved(() => {
      closeSync(copy);
    });
    const digest = await digestOfFile(copy, 'sha256', signal);
    // Another descriptor of the same file, which has no name any more (proc_pid_fd(5)).
    const open = (): number => openArchive(`/proc/self/fd/${String(copy)}`);
    return describeAci(parts, reference, { open, digest });
  }
  throw imageError(
    image,
    'is no image: it has neither oci-layout, nor manifest.json, nor the manifest of an App Container. An archive of a root file system is unpacked by cloister extract, and the directory named by root: {directory}',
  );
}

/** The tree from the cache, or made now. `work`: where the parts of the image are, if they are private. */
async function ensure(
  { image, signal }: ImageQuery,
  cache: ImageCache,
  description: Description,
  work: WorkFolder | null,
): Promise<Lease> {
  const name = treeName(description);
  const known = await cache.lease(name, signal);
  if (known !== null) {
    return known;
  }
  const finish = await cache.claim(name, signal);
  try {
    const made = await cache.lease(name, signal);
    if (made !== null) {
      return made;
    }
    await cache.sweep();
    return await leaseOrNothing(cache.work(), async (own) => {
      const entry = await makeEntry({ image, description, isPrivate: work !== null, work: own, signal });
      return cache.publish(entry, name);
    });
  } finally {
    finish();
  }
}

/** What `make` has made, once its work folder is gone; nothing is held where either fails. */
async function leaseOrNothing(work: WorkFolder, make: (work: WorkFolder) => Promise<Lease>): Promise<Lease> {
  let lease: Lease;
  try {
    lease = await make(work);
  } catch (error) {
    await work.remove();
    throw error;
  }
  try {
    await work.remove();
  } catch (error) {
    lease.release();
    throw error;
  }
  return lease;
}

interface Note {
  readonly path: string;
  readonly settled: boolean;
  readonly identity: string;
}

/**
 * Which tree a file is, is written down, so that it need not be unpacked and hashed each time to learn that. A file is known by what the kernel says of it; its
 * change time cannot be set by anybody (inode(7)).
 */
function noteOf(archive: number, { reference }: ImageQuery, cache: ImageCache): Note {
  const identity = identityOf(archive);
  const { ctimeMs } = fstatSync(archive);
  const name = digestOfBytes(JSON.stringify([identity, reference ?? null])).hex;
  return { path: cache.source(name), settled: Date.now() - ctimeMs > SETTLED_MS, identity };
}

function identityOf(archive: number): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = fstatSync(archive, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

function readNote(path: string): string | null {
  try {
    const name = readFileSync(path, 'utf8');
    return /^[0-9a-f]{64}$/u.test(name) ? name : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return null;
    }
    throw error;
  }
}

function keepNote({ path, settled, identity }: Note, archive: number, name: string, work: WorkFolder): void {
  if (settled && identityOf(archive) === identity) {
    const temporary = join(work.path, 'note');
    writeFileSync(temporary, name, { mode: 0o600 });
    renameSync(temporary, path);
  }
}
