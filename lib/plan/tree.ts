/**
 * A model of the cell's file tree while it is being planned: what lies where, which symbolic links lead elsewhere, and where something new can be
 * made without touching the host. Every name of a policy is resolved here, so that the launcher never follows a link.
 */

import type { HostFiles } from '../host/types.js';
import { components, join } from '../util/paths.js';
import { Refusal } from './refusal.js';

/** What is created in a file system of the cell's own. */
export type Made =
  | { readonly type: 'directory'; readonly mode: number }
  | { readonly type: 'file'; readonly mode: number; readonly content?: string | Uint8Array | undefined }
  | { readonly type: 'symlink'; readonly to: string };

export type Mount =
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly recursive: boolean;
      readonly writable: boolean;
      readonly executable: boolean;
      readonly idMapped: boolean;
      readonly optional: boolean;
      readonly devices: boolean;
    }
  | {
      readonly kind: 'tmpfs';
      readonly size: number;
      readonly inodes: number;
      readonly mode: number;
      readonly executable: boolean;
      readonly sealed: boolean;
    }
  | {
      readonly kind: 'overlay';
      readonly lower: readonly string[];
      /** Bytes of a tmpfs for what is written, or a host directory that keeps it. */
      readonly upper:
        | { readonly size: number }
        | { readonly parent: string; readonly upper: string; readonly work: string };
      readonly idMapped: boolean;
    }
  | {
      readonly kind: 'content';
      readonly content: string | Uint8Array;
      readonly mode: number;
      readonly writable: boolean;
    }
  | { readonly kind: 'proc' }
  | { readonly kind: 'dev' }
  | { readonly kind: 'mask'; readonly directory: boolean; readonly optional: boolean };

/** How a new name can come into a directory of the host: by an overlay over it, in the layer that the cell writes, or not at all, and why. */
export type Growth = 'skeleton' | 'upper' | { readonly refused: string };

/** What a directory shows. */
export type View =
  /** A file system of the cell's own. Sealed: nothing changes in it once the cell runs. */
  | { readonly kind: 'own'; readonly sealed: boolean }
  /** Directories of the host, merged, the first one on top. */
  | {
      readonly kind: 'host';
      readonly directories: readonly string[];
      readonly growth: Growth;
      readonly executable: boolean;
      readonly idMapped: boolean;
    }
  /** Nothing that the plan could add to. */
  | { readonly kind: 'closed'; readonly what: string };

export interface Node {
  /** Null: shown by what lies below. */
  made: Made | null;
  readonly type: 'directory' | 'file' | 'symlink';
  /** Of a symlink. */
  readonly to: string;
  mount: Mount | null;
  view: View;
  /** An overlay is needed to hold made children. */
  skeleton: boolean;
  readonly children: Map<string, Node>;
  /** The tree that may change this node: others copy it first. */
  readonly owner: Tree | null;
  /** Put there by the policy, and by which part of it. */
  by: string | null;
}

/** Where a name leads: the nodes from the root on, their names, and the names that do not exist yet. */
export interface Location {
  readonly nodes: readonly Node[];
  readonly names: readonly string[];
  readonly missing: readonly string[];
}

const OWN_UNSEALED: View = { kind: 'own', sealed: false };
const OWN_SEALED: View = { kind: 'own', sealed: true };
const NO_DIRECTORY: View = { kind: 'closed', what: 'a file' };

// As many as the kernel follows, MAXSYMLINKS.
const MOST_LINKS = 40;

export class Tree {
  root: Node;
  readonly #files: HostFiles;
  /** Whether a stage is needed: a file system that the cell never sees, where layers and contents are put together. */
  needsStage: boolean;

  constructor(files: HostFiles, from: { root: Node; needsStage: boolean }) {
    this.#files = files;
    this.root = from.root;
    this.needsStage = from.needsStage;
  }

  /** Resolves a path as a program in the cell would. `follow: false` leaves a link alone that is the last name. */
  locate(path: string, follow = true): Location {
    let nodes: Node[] = [this.root];
    let names: string[] = [];
    const queue = components(path);
    for (let links = 0, name = queue.shift(); name !== undefined; name = queue.shift()) {
      if (name === '..') {
        nodes = nodes.slice(0, Math.max(1, nodes.length - 1));
        names = names.slice(0, -1);
        continue;
      }
      const parent = last(nodes);
      if (parent.type !== 'directory') {
        throw new Refusal('not-a-directory', `/${names.join('/')} is not a directory`);
      }
      const child = this.child(parent, name);
      if (child === null) {
        if (queue.includes('..')) {
          throw new Refusal('bad-path', `/${[...names, name].join('/')} does not exist, and '..' follows`);
        }
        return { nodes, names, missing: [name, ...queue] };
      }
      if (child.type === 'symlink' && (follow || queue.length > 0)) {
        if (++links > MOST_LINKS) {
          throw new Refusal('loop', `${path} leads through too many symbolic links`);
        }
        queue.unshift(...components(child.to));
        if (child.to.startsWith('/')) {
          nodes = [this.root];
          names = [];
        }
        continue;
      }
      nodes.push(child);
      names.push(name);
    }
    return { nodes, names, missing: [] };
  }

  /** What a directory shows under a name, or null. Looks at the host only where the plan itself has put nothing. */
  child(parent: Node, name: string): Node | null {
    const planned = parent.children.get(name);
    if (planned !== undefined || parent.view.kind !== 'host') {
      return planned ?? null;
    }
    const { view } = parent;
    const directories: string[] = [];
    for (const directory of view.directories) {
      const path = join(directory, name);
      const file = this.#files.inspect(path);
      if (file === null) {
        continue;
      }
      if (file.kind === 'directory') {
        directories.push(path);
        continue;
      }
      if (directories.length === 0) {
        return shown(
          file.kind === 'symlink' ? 'symlink' : 'file',
          file.kind === 'symlink' ? this.#files.readLink(path) : '',
          NO_DIRECTORY,
        );
      }
      break;
    }
    return directories.length === 0 ? null : shown('directory', '', { ...view, directories });
  }

  /** The node at a location as this tree's own, with all above it, so that it can be changed. */
  own(location: Location): Node {
    this.root = this.#copy(this.root);
    let node = this.root;
    for (const [index, name] of location.names.entries()) {
      const current = node.children.get(name) ?? location.nodes[index + 1];
      if (current === undefined) {
        throw new Refusal('bad-path', `/${location.names.join('/')} changed while it was planned`);
      }
      const copy = this.#copy(current);
      node.children.set(name, copy);
      node = copy;
    }
    return node;
  }

  /** Creates what is missing at a location: directories on the way and, as the last name, `made`. */
  make(location: Location, made: Made, by: string | null): Node {
    let node = this.own(location);
    for (const [index, name] of location.missing.entries()) {
      const isLast = index === location.missing.length - 1;
      const parent = node;
      this.#grow(parent, location);
      node = this.#newNode(isLast ? made : { type: 'directory', mode: 0o755 }, parent, isLast ? by : null);
      parent.children.set(name, node);
    }
    return node;
  }

  /** Puts a mount on a node of this tree's own. What was below it is out of sight. */
  attach(node: Node, mount: Mount, view: View, by: string | null): void {
    node.mount = mount;
    node.view = view;
    node.skeleton = false;
    node.children.clear();
    node.by = by;
    this.needsStage ||= mount.kind === 'overlay' || mount.kind === 'content';
  }

  /** Lets new names into a directory. */
  #grow(parent: Node, location: Location): void {
    const { view } = parent;
    const place = `/${location.names.join('/')}`;
    if (parent.mount?.kind === 'mask') {
      // Something below a hidden directory is granted: what hides it becomes a file system that can hold its name, and that nobody can list.
      this.attach(
        parent,
        { kind: 'tmpfs', size: HIDING_SIZE, inodes: HIDING_INODES, mode: 0o111, executable: false, sealed: true },
        OWN_SEALED,
        parent.by,
      );
      return;
    }
    if (parent.type !== 'directory') {
      throw new Refusal('not-a-directory', `${place} is not a directory`);
    }
    if (view.kind === 'closed') {
      throw new Refusal(
        'no-place',
        `there is no ${placeOf(location)} inside, and nothing can be added to ${view.what}`,
      );
    }
    if (view.kind === 'own' || view.growth === 'upper') {
      return;
    }
    if (view.growth !== 'skeleton') {
      throw new Refusal('no-place', `there is no ${placeOf(location)} inside, and ${place} ${view.growth.refused}`);
    }
    parent.skeleton = true;
    this.needsStage = true;
  }

  #newNode(made: Made, parent: Node, by: string | null): Node {
    const sealed = parent.view.kind === 'own' ? parent.view.sealed : parent.skeleton;
    const view = made.type === 'directory' ? (sealed ? OWN_SEALED : OWN_UNSEALED) : NO_DIRECTORY;
    return {
      made,
      type: made.type,
      to: made.type === 'symlink' ? made.to : '',
      mount: null,
      view,
      skeleton: false,
      children: new Map(),
      owner: this,
      by,
    };
  }

  #copy(node: Node): Node {
    return node.owner === this ? node : { ...node, children: new Map(node.children), owner: this };
  }
}

// One page and its inodes would do; tmpfs takes 0 for "no limit".
const HIDING_SIZE = 65536;
const HIDING_INODES = 1024;

/** A root that is a file system of the cell's own. */
export function ownRoot(mount: Mount & { kind: 'tmpfs' }): Node {
  return { ...shown('directory', '', mount.sealed ? OWN_SEALED : OWN_UNSEALED), mount };
}

/** A root with a mount of another kind. */
export function mountedRoot(mount: Mount, view: View): Node {
  return { ...shown('directory', '', view), mount };
}

/** A directory that a mount shows by itself. */
export function shownDirectory(view: View): Node {
  return shown('directory', '', view);
}

function shown(type: Node['type'], to: string, view: View): Node {
  return { made: null, type, to, mount: null, view, skeleton: false, children: new Map(), owner: null, by: null };
}

/** The absolute path of a location, what is missing included. */
export function placeOf({ names, missing }: Pick<Location, 'names' | 'missing'>): string {
  return `/${[...names, ...missing].join('/')}`;
}

export function target(location: Location): Node {
  return last(location.nodes);
}

function last(nodes: readonly Node[]): Node {
  const node = nodes[nodes.length - 1];
  if (node === undefined) {
    throw new Refusal('bad-path', 'BUG: a location without nodes, please report');
  }
  return node;
}
