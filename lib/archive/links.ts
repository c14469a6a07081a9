/** Where symbolic links of a tree lead, told from the tree alone. Used by the unpacker on what it is about to make, and from outside on what it made. Pure. */

export type TreeNode = 'directory' | 'file' | { readonly to: string };
/** Paths below the top, which itself is not in it. */
export type TreeView = ReadonlyMap<string, TreeNode>;

/** Links followed on the way to one target: the kernel's own limit (path_resolution(7)). */
const MOST_HOPS = 40;
/** Names looked up for all links of an archive: beyond any that was made to be unpacked. */
const MOST_STEPS = 4_000_000;

/** One for all links of a tree. */
export class LinkChecker {
  readonly #tree: TreeView;
  #steps = 0;

  constructor(tree: TreeView) {
    this.#tree = tree;
  }

  /** True once looking would take longer than any honest archive needs. */
  get exhausted(): boolean {
    return this.#steps > MOST_STEPS;
  }

  /**
   * Why the link at `path` must not be there, or null. Each name is followed as the kernel would: `..` after a link is the parent of where that link leads, so
   * a chain of links, each harmless as text, is seen to climb out. A target that is missing is fine, except with `..` behind it: what is put there later decides
   * where that leads.
   */
  problem(path: string, to: string): string | null {
    const at = path.split('/').slice(0, -1);
    const left = to.split('/').reverse();
    let missing = false;
    let hops = 0;
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      if (++this.#steps > MOST_STEPS) {
        return 'is a symbolic link that takes too long to follow';
      }
      if (name === '' || name === '.') {
        continue;
      }
      if (name === '..') {
        if (missing) {
          return "is a symbolic link with '..' behind something that is not there";
        }
        if (at.pop() === undefined) {
          return 'is a symbolic link that leads outside';
        }
        continue;
      }
      at.push(name);
      const node: TreeNode | undefined = missing ? undefined : this.#tree.get(at.join('/'));
      if (typeof node === 'object') {
        if (++hops > MOST_HOPS) {
          return 'is a symbolic link that leads around in a circle';
        }
        if (node.to.startsWith('/')) {
          return 'is a symbolic link that leads outside';
        }
        at.pop();
        left.push(...node.to.split('/').reverse());
      } else {
        missing ||= node !== 'directory';
      }
    }
    return null;
  }
}
