/** Entries of the layers of an image, one layer on top of the other, with what an image says in names: whiteouts and opaque directories. */

import { closeSync, constants, futimesSync, linkSync, openSync, writeSync } from 'node:fs';

import { layerNameProblem, LONGEST_PATH } from '../names.js';
import type { EntryHead, EntrySink, FileOutput } from './entry.js';
import { diskPath, type ImageTree, type Node, type Spot } from './image-tree.js';
import { Refusal } from './refusal.js';
import type { Reporter } from './reporter.js';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const PERMISSIONS = 0o777;
const SET_ID = 0o6000;
const OWNER_READ = 0o400;
const ANY_FILE = 0o644;
const ANY_DIRECTORY = 0o755;

const WHITEOUT = '.wh.';
/** Of a directory: nothing in it is from below. */
const OPAQUE = '.wh..wh..opq';
/** Other names that begin with it are notes of one file system to itself. */
const NOTES = '.wh..wh.';

export class LayerWriter implements EntrySink {
  readonly #tree: ImageTree;
  readonly #reporter: Reporter;
  /** Directory of the archive that is the tree; empty: all of it is. */
  readonly #below: readonly string[];
  /** Names that were left out, as the archive has them without `below`: hard links to them are left out as well. */
  readonly #dropped = new Set<string>();
  #layer = -1;
  seen = 0;
  /** Written so far, including what a later layer takes away again. */
  bytes = 0;

  constructor(tree: ImageTree, reporter: Reporter, below: string) {
    this.#tree = tree;
    this.#reporter = reporter;
    this.#below = below === '' ? [] : [below];
  }

  nextLayer(): void {
    this.#layer++;
  }

  begin(head: EntryHead): FileOutput | null {
    this.seen++;
    const names = this.#namesOf(head.name, head.name);
    const base = names?.pop();
    if (names === null || base === undefined) {
      return null;
    }
    if (base.startsWith(WHITEOUT)) {
      this.#whiteout(names, base, head.name);
      return null;
    }
    const problem = [...names, base].map(layerNameProblem).find((found) => found !== null);
    if (problem !== undefined) {
      this.#drop(head, names, base, problem);
      return null;
    }
    const at = this.#tree.resolve(names, this.#layer, head.name);
    if (at === null) {
      throw new Error('a directory that was to be made was not');
    }
    return this.#put(at, base, head, names);
  }

  /** Nothing here: a layer above may change all of it. */
  finish(): void {
    this.#dropped.clear();
  }

  #put(at: Spot, base: string, head: EntryHead, names: readonly string[]): FileOutput | null {
    const { kind, mode, what = 'of an unknown kind', target = '' } = head;
    if (mode !== null && (mode & SET_ID) !== 0 && kind !== 'other') {
      this.#reporter.skipped(head.name, 'set-user-ID or set-group-ID bit dropped');
    }
    if (head.privileged === true) {
      this.#reporter.skipped(head.name, 'file capabilities dropped');
    }
    switch (kind) {
      case 'directory':
        this.#directory(at, base, head);
        return null;
      case 'hardlink':
        this.#hardLink(at, base, head, names);
        return null;
      case 'symlink':
        this.#tree.remove(at, base);
        if (target === '' || target.includes('\0') || layerTargetProblem(target)) {
          this.#drop(head, names, base, 'is a symbolic link whose target is none');
        } else {
          diskPath(at, base, head.name);
          this.#set(at, base, { kind: 'symlink', layer: this.#layer, to: target, mtime: head.mtime });
        }
        return null;
      case 'other':
        this.#tree.remove(at, base);
        this.#drop(head, names, base, `is ${what}`);
        return null;
      default:
        return this.#file(at, base, head);
    }
  }

  #set({ directory }: Spot, base: string, node: Node): void {
    directory.children.set(base, node);
  }

  #drop({ name }: EntryHead, names: readonly string[], base: string, reason: string): void {
    this.#dropped.add([...names, base].join('/'));
    this.#reporter.skipped(name, reason);
  }

  #directory(at: Spot, base: string, { mode, mtime, name }: EntryHead): void {
    const existing = at.directory.children.get(base);
    if (existing?.kind !== 'directory') {
      this.#tree.remove(at, base);
    }
    const directory = existing?.kind === 'directory' ? existing : this.#tree.makeDirectory(at, base, this.#layer, name);
    directory.layer = this.#layer;
    directory.mode = (mode ?? ANY_DIRECTORY) & PERMISSIONS;
    directory.mtime = mtime;
  }

  #file(at: Spot, base: string, { name, mode, mtime }: EntryHead): FileOutput {
    this.#tree.remove(at, base);
    const wanted = ((mode ?? ANY_FILE) & PERMISSIONS) | OWNER_READ;
    const descriptor = openSync(diskPath(at, base, name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, wanted);
    const content = { size: 0 };
    this.#set(at, base, { kind: 'file', layer: this.#layer, content });
    return {
      write: (chunk) => {
        for (let done = 0; done < chunk.length; ) {
          done += writeSync(descriptor, chunk, done);
        }
        content.size += chunk.length;
        this.bytes += chunk.length;
      },
      end: () => {
        if (mtime !== null) {
          futimesSync(descriptor, Date.now() / 1000, mtime / 1000);
        }
        closeSync(descriptor);
      },
    };
  }

  #hardLink(at: Spot, base: string, head: EntryHead, names: readonly string[]): void {
    const { name, target = '' } = head;
    const refuse = (): never => {
      throw new Refusal('unsafe', 'is a hard link to something that is no file of the image before it', name);
    };
    const way = this.#namesOf(target, name) ?? refuse();
    if (this.#dropped.has(way.join('/'))) {
      this.#drop(head, names, base, 'is a hard link to something that was left out');
      return;
    }
    const targetBase = way.pop() ?? refuse();
    const from = this.#tree.resolve(way, null, name) ?? refuse();
    const node = from.directory.children.get(targetBase) ?? refuse();
    if (node.kind === 'directory') {
      refuse();
    }
    if (from.directory === at.directory && targetBase === base) {
      return;
    }
    this.#tree.remove(at, base);
    // What was in the way may have been a directory with the file in it.
    if (this.#tree.resolve(from.path, null, name)?.directory.children.get(targetBase) !== node) {
      refuse();
    }
    if (node.kind === 'file') {
      linkSync(diskPath(from, targetBase, name), diskPath(at, base, name));
    }
    this.#set(at, base, { ...node, layer: this.#layer });
  }

  #whiteout(names: readonly string[], base: string, name: string): void {
    const hidden = base.slice(WHITEOUT.length);
    if (base !== OPAQUE && base.startsWith(NOTES)) {
      return;
    }
    if (base !== OPAQUE && (hidden === '' || hidden === '.' || hidden === '..')) {
      throw new Refusal('unsafe', 'is a whiteout of a directory above it, or of nothing', name);
    }
    const at = this.#tree.resolve(names, null, name);
    if (at === null) {
      return;
    }
    if (base === OPAQUE) {
      this.#tree.clearBelow(at, this.#layer);
    } else {
      this.#tree.removeBelow(at, hidden, this.#layer);
    }
  }

  /** Null: not in the tree, or the tree itself. A leading slash says the same as none: the tree is somebody's root. */
  #namesOf(path: string, entry: string): string[] | null {
    if (Buffer.byteLength(path) > LONGEST_PATH) {
      throw new Refusal('unsafe', `has a path longer than ${LONGEST_PATH} bytes`, entry);
    }
    const names = path.split('/').filter((name) => name !== '' && name !== '.');
    if (names.includes('..')) {
      throw new Refusal('unsafe', "has '..' in its path", entry);
    }
    for (const above of this.#below) {
      if (names.shift() !== above) {
        return null;
      }
    }
    return names.length === 0 ? null : names;
  }
}

/** symlink(2) takes no more. Bytes that are no UTF-8 would be others on disk. */
function layerTargetProblem(target: string): boolean {
  return Buffer.byteLength(target) > 4095 || target.split('/').some((name) => layerNameProblem(name) !== null);
}
