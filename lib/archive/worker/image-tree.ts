/**
 * The tree that the layers of an image make, kept as data, and on disk but for its symbolic links: those are made at the very end. While layers are read there is
 * none on disk, so that no name can lead anywhere but where it says; where a layer means to go through a link of a layer below, the way is found in the data.
 */

import { chmodSync, lutimesSync, mkdirSync, rmdirSync, symlinkSync, unlinkSync, utimesSync } from 'node:fs';

import { DEEPEST, layerNameProblem, LONGEST_PATH } from '../names.js';
import { Refusal } from './refusal.js';

const OWNER_ALL = 0o700;
const NEW_DIRECTORY = 0o755;
/** Links followed on the way to one name: the kernel's own limit (path_resolution(7)). */
const MOST_HOPS = 40;
/** Names looked up for all entries, beyond any image that was made to be run. */
const MOST_STEPS = 40_000_000;

/** What several names of one file have in common. */
export interface Content {
  size: number;
}

interface Common {
  /** The layer that has named it last, counted from 0. */
  layer: number;
}
export interface Directory extends Common {
  readonly kind: 'directory';
  readonly children: Map<string, Node>;
  mode: number;
  mtime: number | null;
}
export type Node =
  | Directory
  | (Common & { readonly kind: 'file'; readonly content: Content })
  | (Common & { readonly kind: 'symlink'; readonly to: string; readonly mtime: number | null });

/** A directory of the tree, and the names that lead to it. None of them is a link. */
export interface Spot {
  readonly directory: Directory;
  readonly path: readonly string[];
}

export class ImageTree {
  readonly root: Directory = newDirectory(0);
  readonly #implied: () => void;
  #steps = 0;

  /** `implied` hears of each directory that no entry has named; it may throw. */
  constructor(implied: () => void) {
    this.#implied = implied;
  }

  /**
   * Where names lead, links followed as by a program whose root this is: an absolute target begins at the root, and '..' stays there. `make`: the layer for which
   * directories that are missing are made; null: then the result is null.
   *
   * @throws Refusal where a file is in the way, or links lead in a circle.
   */
  resolve(names: readonly string[], make: number | null, entry: string): Spot | null {
    let spots: Spot[] = [{ directory: this.root, path: [] }];
    const left = [...names].reverse();
    let hops = 0;
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (++this.#steps > MOST_STEPS) {
        throw new Refusal('limit', 'has names that take too long to follow');
      }
      if (name === '' || name === '.') {
        continue;
      }
      if (name === '..') {
        spots = spots.length > 1 ? spots.slice(0, -1) : spots;
        continue;
      }
      const at = last(spots);
      const node = at.directory.children.get(name) ?? (make === null ? null : this.#imply(at, name, make, entry));
      if (node === null) {
        return null;
      }
      if (node.kind === 'file') {
        throw new Refusal('unsafe', 'lies below a file', entry);
      }
      if (node.kind === 'directory') {
        spots.push({ directory: node, path: [...at.path, name] });
        continue;
      }
      if (++hops > MOST_HOPS) {
        throw new Refusal('unsafe', 'lies behind symbolic links that lead around in a circle', entry);
      }
      spots = node.to.startsWith('/') ? spots.slice(0, 1) : spots;
      left.push(...node.to.split('/').reverse());
    }
    return last(spots);
  }

  #imply(at: Spot, name: string, layer: number, entry: string): Directory {
    const problem = layerNameProblem(name);
    if (problem !== null) {
      throw new Refusal('unsafe', `lies behind a symbolic link whose target ${problem}`, entry);
    }
    this.#implied();
    return this.makeDirectory(at, name, layer, entry);
  }

  /** Nothing is there. */
  makeDirectory(at: Spot, name: string, layer: number, entry: string): Directory {
    mkdirSync(diskPath(at, name, entry), OWNER_ALL);
    const made = newDirectory(layer);
    at.directory.children.set(name, made);
    return made;
  }

  /** What is there, with all that is below it, is there no more. */
  remove({ directory, path }: Spot, name: string): void {
    const node = directory.children.get(name);
    if (node !== undefined) {
      removeFromDisk(node, [...path, name].join('/'));
      directory.children.delete(name);
    }
  }

  /** As `remove`, but for what this layer itself has put there, before or after it said so (image-layer whiteouts speak of lower layers only). */
  removeBelow(at: Spot, name: string, layer: number): void {
    const node = at.directory.children.get(name);
    if (node === undefined) {
      return;
    }
    if (node.kind === 'directory') {
      this.clearBelow({ directory: node, path: [...at.path, name] }, layer);
      if (node.children.size > 0) {
        return;
      }
    }
    if (node.layer < layer) {
      this.remove(at, name);
    }
  }

  /** The same for all that is in a directory. */
  clearBelow(at: Spot, layer: number): void {
    for (const name of [...at.directory.children.keys()]) {
      this.removeBelow(at, name, layer);
    }
  }

  /** Makes the links, and then gives directories their permissions and times, the innermost first: making an entry would change the one and be refused by the other. */
  finish(): void {
    finishDirectory(this.root, '.', Date.now() / 1000);
  }

  /** Names, and bytes of all files, one with several names counted once. */
  census(): { entries: number; bytes: number } {
    const contents = new Set<Content>();
    let entries = 0;
    const visit = ({ children }: Directory): void => {
      for (const node of children.values()) {
        entries++;
        if (node.kind === 'directory') {
          visit(node);
        } else if (node.kind === 'file') {
          contents.add(node.content);
        }
      }
    };
    visit(this.root);
    return { entries, bytes: [...contents].reduce((total, { size }) => total + size, 0) };
  }
}

/** Relative to the working directory, which is the top of the tree. */
export function diskPath({ path }: Spot, name: string, entry: string): string {
  const whole = [...path, name].join('/');
  // Through links a short name may get to a long path.
  if (path.length >= DEEPEST || Buffer.byteLength(whole) > LONGEST_PATH) {
    throw new Refusal('unsafe', `has a path that is too long or more than ${DEEPEST} directories deep`, entry);
  }
  return whole;
}

function newDirectory(layer: number): Directory {
  return { kind: 'directory', layer, children: new Map(), mode: NEW_DIRECTORY, mtime: null };
}

function last(spots: readonly Spot[]): Spot {
  const spot = spots.at(-1);
  if (spot === undefined) {
    throw new Error('a path without a root');
  }
  return spot;
}

function removeFromDisk(node: Node, path: string): void {
  if (node.kind === 'directory') {
    for (const [name, child] of node.children) {
      removeFromDisk(child, `${path}/${name}`);
    }
    rmdirSync(path);
  } else if (node.kind === 'file') {
    unlinkSync(path);
  }
}

function finishDirectory(directory: Directory, path: string, now: number): void {
  for (const [name, node] of directory.children) {
    const inner = `${path}/${name}`;
    if (node.kind === 'directory') {
      finishDirectory(node, inner, now);
    } else if (node.kind === 'symlink') {
      symlinkSync(node.to, inner);
      if (node.mtime !== null) {
        lutimesSync(inner, now, node.mtime / 1000);
      }
    }
  }
  if (path !== '.') {
    chmodSync(path, directory.mode | OWNER_ALL);
  }
  if (directory.mtime !== null) {
    utimesSync(path, now, directory.mtime / 1000);
  }
}
