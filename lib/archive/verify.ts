/**
 * What the unpacker has left, looked at from outside. The unpacker may have been taken over by the archive, so nothing it said counts here: only directories, regular
 * files and symbolic links that stay inside pass, with plain permissions, owned by the caller, within the limits. It is called when nothing of the cell is alive any
 * more, so what was looked at does not change.
 */

import type { Stats } from 'node:fs';

import type { ArchiveLimits } from '../policy/archive-options.js';
import type { HeldDirectory } from './held-directory.js';
import { LinkChecker, type TreeNode } from './links.js';
import { DEEPEST, layerNameProblem, LONGEST_PATH, nameProblem, showName, targetProblem } from './names.js';

/** Permissions for the owner may be there whatever the umask: without them the caller could not read what is his. */
const OTHERS = 0o077;
const OWNER_ALL = 0o700;
const SPECIAL_BITS = 0o7000;
const BATCH = 256;
/** The unit of st_blocks (stat(2)). */
const BLOCK = 512;
/** File systems allocate ahead of a file that grows, and round up at its end: half of the space, and that much, is theirs. */
const SLACK = 64 * 2 ** 10;

/** Bytes of the disk that a file certainly was made to take, whatever its size is (FALLOC_FL_KEEP_SIZE, fallocate(2)). */
export function spaceOf(blocks: number): number {
  return (blocks * BLOCK) / 2 - SLACK;
}

export interface Expected {
  readonly limits: ArchiveLimits;
  readonly umask: number;
  readonly uid: number;
  /** A root file system: links lead wherever they want, since they are only followed by programs that have it as their root. */
  readonly asRoot?: boolean;
}

export interface Found {
  /** Bytes of all files; one with several names counts once. */
  readonly bytes: number;
  /** Names in the tree, directories that the archive only implies included. */
  readonly names: number;
}

/** What must not be there. */
export class Unexpected extends Error {
  /** As shown, relative to the top. */
  readonly entry: string;

  constructor(entry: string, problem: string) {
    super(problem);
    this.entry = entry;
  }
}

/** @throws Unexpected */
export async function verifyTree(top: HeldDirectory, expected: Expected): Promise<Found> {
  const verifier = new Verifier(expected, top.stat());
  await verifier.walk(top, '', 0);
  await verifier.finish();
  return { bytes: verifier.bytes, names: verifier.names };
}

interface HardLinked {
  readonly path: string;
  readonly expected: bigint;
  found: bigint;
}

class Verifier {
  readonly #expected: Expected;
  readonly #device: number;
  readonly #tree = new Map<string, TreeNode>();
  readonly #hardLinked = new Map<string, HardLinked>();
  #space = 0;
  names = 0;
  bytes = 0;

  constructor(expected: Expected, top: Stats) {
    this.#expected = expected;
    this.#device = top.dev;
  }

  async walk(directory: HeldDirectory, above: string, depth: number): Promise<void> {
    for (const bytes of directory.names()) {
      const name = bytes.toString('utf8');
      const path = above === '' ? name : `${above}/${name}`;
      this.#name(path, name, depth);
      // Exactly what the bytes were, now that there is nothing in it that stands for something else.
      const status = directory.inspect(name);
      if (status === null) {
        throw new Unexpected(showName(path), 'has disappeared');
      }
      this.#inspect(directory, name, path, status);
      if (status.isDirectory()) {
        const inner = directory.open(name);
        try {
          await this.walk(inner, path, depth + 1);
        } finally {
          inner.close();
        }
      }
      if (this.names % BATCH === 0) {
        // Others have a turn: this runs in the caller's process.
        await new Promise(setImmediate);
      }
    }
  }

  #name(path: string, name: string, depth: number): void {
    const { entries } = this.#expected.limits;
    const { asRoot = false } = this.#expected;
    const problem = (asRoot ? layerNameProblem(name) : nameProblem(name)) ?? (depth > DEEPEST ? 'is too deep' : null);
    if (problem !== null || Buffer.byteLength(path) > LONGEST_PATH) {
      throw new Unexpected(showName(path), problem ?? 'has a path that is too long');
    }
    if (++this.names > entries) {
      throw new Unexpected(showName(path), 'is one of more names than limits.entries');
    }
  }

  #inspect(directory: HeldDirectory, name: string, path: string, status: Stats): void {
    const { uid, umask, asRoot = false } = this.#expected;
    const refuse = (problem: string): never => {
      throw new Unexpected(showName(path), problem);
    };
    if (status.dev !== this.#device || status.uid !== uid) {
      refuse(status.uid === uid ? 'is on another file system' : `belongs to user ${status.uid}`);
    }
    if (status.isSymbolicLink()) {
      const to = directory.linkTarget(name).toString('utf8');
      const problem = asRoot ? null : targetProblem(to);
      this.#tree.set(path, problem === null ? { to } : refuse(problem));
      return;
    }
    if (!status.isDirectory() && !status.isFile()) {
      refuse('is neither a file, a directory nor a link');
    }
    // A directory that its owner may not enter can hide what is below, and be in the way of whoever cleans up.
    const closed = status.isDirectory() && (status.mode & OWNER_ALL) !== OWNER_ALL;
    if (closed || (status.mode & SPECIAL_BITS) !== 0 || (status.mode & umask & OTHERS) !== 0) {
      refuse(`has the permissions ${(status.mode & 0o7777).toString(8)}`);
    }
    this.#tree.set(path, status.isDirectory() ? 'directory' : 'file');
    if (status.isFile()) {
      this.#file(directory, name, path, status, refuse);
    }
  }

  #file(
    directory: HeldDirectory,
    name: string,
    path: string,
    { size, blocks, nlink }: Stats,
    refuse: (problem: string) => never,
  ): void {
    const { fileSize, totalSize } = this.#expected.limits;
    if (nlink > 1 && this.#isOtherName(directory, name, path)) {
      return;
    }
    // A sparse file is as long as it says; one that holds more space than that fills the disk nevertheless.
    this.bytes += size;
    this.#space += Math.max(size, spaceOf(blocks));
    if (size > fileSize || this.#space > totalSize) {
      refuse(size > fileSize ? 'is larger than limits.fileSize' : 'goes beyond limits.totalSize');
    }
  }

  /** Counts the names of a file: one with more links than names in the tree is a file of somebody else as well. */
  #isOtherName(directory: HeldDirectory, name: string, path: string): boolean {
    const { ino, nlink } = directory.inspectExactly(name);
    const key = ino.toString();
    const known = this.#hardLinked.get(key);
    if (known !== undefined) {
      known.found++;
      return true;
    }
    this.#hardLinked.set(key, { path, expected: nlink, found: 1n });
    return false;
  }

  async finish(): Promise<void> {
    for (const { path, expected, found } of this.#hardLinked.values()) {
      if (expected !== found) {
        throw new Unexpected(showName(path), 'is a hard link to a file outside');
      }
    }
    if (this.#expected.asRoot === true) {
      return;
    }
    const checker = new LinkChecker(this.#tree);
    let checked = 0;
    for (const [path, node] of this.#tree) {
      const problem = typeof node === 'object' ? checker.problem(path, node.to) : null;
      if (problem !== null) {
        throw new Unexpected(showName(path), problem);
      }
      if (++checked % BATCH === 0) {
        await new Promise(setImmediate);
      }
    }
  }
}
