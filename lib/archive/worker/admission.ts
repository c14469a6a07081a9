/** Which entries are let in. Nothing is written here: the tree that would come of them is kept as data. */

import { LinkChecker, type TreeNode } from '../links.js';
import { fold, readPath, targetProblem } from '../names.js';
import type { EntryHead } from './entry.js';
import { Refusal } from './refusal.js';

export type Verdict =
  | { readonly path: string; readonly created: readonly string[]; readonly linkTo?: string }
  | { readonly unsafe: string };

const SET_ID = 0o6000;
/** Rounds of dropping links that lead outside, each of which may leave others that led through them. */
const MOST_ROUNDS = 16;

export class Admission {
  readonly #tree = new Map<string, TreeNode>();
  readonly #folded = new Map<string, string>();
  readonly #collide: (path: string, other: string) => void;
  readonly #imply: (directories: number) => void;

  /** `collide` hears of names that only differ in case or in how accents are written, `imply` of directories that no entry has named; it may throw. */
  constructor(collide: (path: string, other: string) => void, imply: (directories: number) => void) {
    this.#collide = collide;
    this.#imply = imply;
  }

  /** `created`: directories above it that no entry has named yet, outermost first. `linkTo`: the file that a hard link is another name of. */
  admit(head: EntryHead): Verdict {
    const read = readPath(head.name);
    if ('problem' in read) {
      return { unsafe: read.problem };
    }
    const { path } = read;
    const unsafe = this.#kindProblem(head, path) ?? this.#placeProblem(head, path);
    if (unsafe !== null) {
      return { unsafe };
    }
    const linkTo = head.kind === 'hardlink' ? readPath(head.target ?? '') : null;
    if (linkTo !== null && ('problem' in linkTo || this.#tree.get(linkTo.path) !== 'file')) {
      return { unsafe: 'is a hard link to something that is not a file of this archive before it' };
    }
    const created = this.#register(head, path);
    return linkTo === null ? { path, created } : { path, created, linkTo: linkTo.path };
  }

  #kindProblem({ kind, what = 'nothing that is known', mode, target }: EntryHead, path: string): string | null {
    if (kind === 'other') {
      return `is ${what}`;
    }
    if (mode !== null && (mode & SET_ID) !== 0) {
      return 'has a set-user-ID or set-group-ID bit';
    }
    if (path === '' && kind !== 'directory') {
      return 'has an empty name';
    }
    return kind === 'symlink' ? targetProblem(target ?? '') : null;
  }

  #placeProblem({ kind }: EntryHead, path: string): string | null {
    const existing = path === '' ? 'directory' : this.#tree.get(path);
    if (existing !== undefined) {
      const isDirectory = existing === 'directory';
      if (isDirectory && kind === 'directory') {
        return null;
      }
      return isDirectory === (kind === 'directory')
        ? 'has the same name as an entry before it'
        : 'is a directory in one entry and something else in another';
    }
    // Every directory that is known has ancestors that are directories: only what is above the nearest one needs a look.
    for (let above = parentOf(path); above !== ''; above = parentOf(above)) {
      const node = this.#tree.get(above);
      if (node === 'directory') {
        return null;
      }
      if (node !== undefined) {
        return node === 'file' ? 'lies below a file' : 'lies behind a symbolic link';
      }
    }
    return null;
  }

  #register({ kind, target = '' }: EntryHead, path: string): string[] {
    const created: string[] = [];
    for (let above = parentOf(path); above !== '' && !this.#tree.has(above); above = parentOf(above)) {
      created.unshift(above);
    }
    this.#imply(created.length);
    for (const directory of created) {
      this.#add(directory, 'directory');
    }
    if (path !== '' && !this.#tree.has(path)) {
      this.#add(path, kind === 'directory' ? 'directory' : kind === 'symlink' ? { to: target } : 'file');
    }
    return created;
  }

  #add(path: string, node: TreeNode): void {
    this.#tree.set(path, node);
    const key = fold(path);
    const other = this.#folded.get(key);
    if (other === undefined) {
      this.#folded.set(key, path);
    } else {
      this.#collide(path, other);
    }
  }

  /** Looks where all symbolic links lead, now that everything is known. The ones that may be made; `refuse` hears of the others, and may throw. */
  settleLinks<Link extends { path: string; to: string }>(
    links: readonly Link[],
    refuse: (link: Link, reason: string) => void,
  ): Link[] {
    let left = [...links];
    const checker = new LinkChecker(this.#tree);
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const problems = left.map((link) => checker.problem(link.path, link.to));
      if (checker.exhausted) {
        throw new Refusal('limit', 'has symbolic links that take too long to follow');
      }
      if (problems.every((problem) => problem === null)) {
        return left;
      }
      left = left.filter((link, index) => {
        const problem = problems[index] ?? null;
        if (problem !== null) {
          this.#tree.delete(link.path);
          refuse(link, problem);
        }
        return problem === null;
      });
    }
    throw new Refusal('unsafe', 'has symbolic links that lead outside through each other');
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
