/** From the planned tree to the operations that build it: parents before children, what a file system holds right after the file system itself. */

import type { HostFiles } from '../host/types.js';
import { join } from '../util/paths.js';
import { Refusal } from './refusal.js';
import type { Mount, Node, Tree, View } from './tree.js';
import type { BindOperation, MountOperation, Place } from './types.js';
import { inodesFor } from './views.js';

// kMaxOwnFileSystems of the launcher.
const MOST_FILE_SYSTEMS = 256;

// For directories, links and the empty files that serve as mount points.
const NAMES_SIZE = 1024 * 1024;
const PAGE = 4096;

/** A directory in one of the plan's own file systems: where things are created. `path` ends with a slash unless empty. */
interface Ground {
  readonly filesystem: number;
  readonly path: string;
  /** Bytes of the contents that go there. */
  readonly use: (bytes: number) => void;
}

/** What emission needs to know about the host. */
export interface EmitContext {
  readonly files: Pick<HostFiles, 'inspect'>;
  /** The caller's uid, which is the cell's user as far as files are concerned. */
  readonly uid: number;
}

export function emit(tree: Tree, context: EmitContext): MountOperation[] {
  return new Emitter(tree, context).run();
}

class Emitter {
  readonly #tree: Tree;
  readonly #context: EmitContext;
  readonly #operations: MountOperation[] = [];
  readonly #seals: MountOperation[] = [];
  #filesystems = 0;
  #stage: Ground | null = null;
  #stageContents = 0;
  #staged = 0;

  constructor(tree: Tree, context: EmitContext) {
    this.#tree = tree;
    this.#context = context;
  }

  run(): MountOperation[] {
    if (this.#tree.needsStage) {
      // Its size is known at the end, its place is the first: the launcher puts the first file system on top of the old root.
      this.#stage = { filesystem: this.#newFileSystem(), path: '', use: (bytes) => (this.#stageContents += bytes) };
    }
    this.#node(this.#tree.root, '/');
    if (this.#stage !== null) {
      const size = NAMES_SIZE + this.#stageContents;
      this.#operations.unshift({
        kind: 'tmpfs',
        at: { in: 'stage', path: '/' },
        size,
        // What is created there is at most one thing for each operation.
        inodes: inodesFor(size) + this.#operations.length,
        mode: 0o755,
        executable: true,
      });
    }
    return [...this.#operations, ...this.#seals];
  }

  #newFileSystem(): number {
    if (this.#filesystems >= MOST_FILE_SYSTEMS) {
      throw new Refusal('too-many', `needs more than ${String(MOST_FILE_SYSTEMS)} file systems of its own`);
    }
    return this.#filesystems++;
  }

  #node(node: Node, path: string): void {
    const at: Place = { in: 'root', path };
    if (node.mount !== null) {
      this.#mount(node, node.mount, at);
    } else if (node.skeleton && node.view.kind === 'host') {
      this.#layOver(node, node.view, at);
    }
    for (const [name, child] of node.children) {
      this.#node(child, join(path, name));
    }
  }

  #mount(node: Node, mount: Mount, at: Place): void {
    switch (mount.kind) {
      case 'tmpfs':
        this.#tmpfs(node, mount, at);
        break;
      case 'bind':
        if (node.skeleton && node.view.kind === 'host') {
          this.#layOver(node, node.view, at);
        } else {
          this.#operations.push(bindOperation(mount, at));
        }
        break;
      case 'overlay':
        this.#overlay(node, mount, at);
        break;
      case 'content':
        this.#content(mount, at);
        break;
      case 'mask':
        this.#operations.push({ kind: 'mask', at, directory: mount.directory, optional: mount.optional });
        break;
      default:
        this.#operations.push({ kind: mount.kind, at });
    }
  }

  #tmpfs(node: Node, mount: Mount & { kind: 'tmpfs' }, at: Place): void {
    const { mode, executable } = mount;
    let contents = 0;
    const position = this.#operations.length;
    const ground = { filesystem: this.#newFileSystem(), path: '', use: (bytes: number) => (contents += bytes) };
    this.#create(node, ground);
    const created = this.#operations.length - position;
    const size = mount.size + contents;
    this.#operations.splice(position, 0, {
      kind: 'tmpfs',
      at,
      size,
      inodes: Math.max(mount.inodes, inodesFor(size)) + created,
      mode,
      executable,
    });
    if (mount.sealed) {
      this.#seals.push({ kind: 'seal', at });
    }
  }

  /** Creates what was made below a node, down to where another file system begins. */
  #create(node: Node, ground: Ground): void {
    for (const [name, child] of node.children) {
      const path = `${ground.path}${name}`;
      const { made } = child;
      if (made !== null) {
        this.#make(made, path, ground);
      } else if (child.mount === null && continuesUpper(child) && hasMade(child)) {
        // A directory of a lower layer that gets a new name: it is merged with one in the layer above, which says how it looks.
        this.#operations.push({
          kind: 'directory',
          filesystem: ground.filesystem,
          path,
          mode: this.#modeOf(child.view),
        });
      } else {
        continue;
      }
      if (child.type === 'directory' && child.mount === null) {
        this.#create(child, { ...ground, path: `${path}/` });
      }
    }
  }

  #make(made: NonNullable<Node['made']>, path: string, { filesystem, use }: Ground): void {
    switch (made.type) {
      case 'directory':
        this.#operations.push({ kind: 'directory', filesystem, path, mode: made.mode });
        break;
      case 'symlink':
        this.#operations.push({ kind: 'symlink', filesystem, path, to: made.to });
        break;
      case 'file':
        use(pages(made.content));
        this.#operations.push({
          kind: 'file',
          filesystem,
          path,
          mode: made.mode,
          ...(made.content === undefined ? {} : { content: made.content }),
        });
    }
  }

  /** A directory of the host with new names in it: an overlay of a skeleton that holds the names, and the directory. */
  #layOver(node: Node, view: View & { kind: 'host' }, at: Place): void {
    const skeleton = this.#stageDirectory('names', this.#modeOf(view));
    this.#create(node, this.#stageGround(skeleton));
    const lower = [skeleton, ...view.directories.map((source) => this.#stageBind(source, view))];
    this.#newFileSystem();
    this.#operations.push({ kind: 'overlay', at, lower, executable: view.executable });
  }

  #overlay(node: Node, mount: Mount & { kind: 'overlay' }, at: Place): void {
    const layers = { writable: false, executable: true, idMapped: mount.idMapped };
    if ('parent' in mount.upper) {
      const parent = this.#stageBind(mount.upper.parent, { ...layers, writable: true });
      const inParent = (path: string): string => join(parent, path.slice(path.lastIndexOf('/') + 1));
      const lower = mount.lower.map((source) => this.#stageBind(source, layers));
      this.#newFileSystem();
      this.#operations.push({
        kind: 'overlay',
        at,
        lower,
        upper: inParent(mount.upper.upper),
        work: inParent(mount.upper.work),
        executable: true,
      });
      return;
    }
    const { size } = mount.upper;
    const scratch = this.#stageDirectory('scratch', 0o755);
    const filesystem = this.#newFileSystem();
    this.#operations.push({
      kind: 'tmpfs',
      at: { in: 'stage', path: scratch },
      size,
      inodes: inodesFor(size),
      mode: 0o755,
      executable: true,
    });
    this.#operations.push({ kind: 'directory', filesystem, path: 'upper', mode: this.#modeOf(node.view) });
    this.#operations.push({ kind: 'directory', filesystem, path: 'work', mode: 0o755 });
    this.#create(node, { filesystem, path: 'upper/', use: () => 0 });
    const lower = mount.lower.map((source) => this.#stageBind(source, layers));
    this.#newFileSystem();
    this.#operations.push({
      kind: 'overlay',
      at,
      lower,
      upper: join(scratch, 'upper'),
      work: join(scratch, 'work'),
      executable: true,
    });
  }

  /** A file that does not lie in a sealed file system: made in the stage and bound, so that its mode alone does not decide who may change it. */
  #content(mount: Mount & { kind: 'content' }, at: Place): void {
    const path = this.#stageName('file');
    const stage = this.#needStage();
    stage.use(pages(mount.content));
    this.#operations.push({
      kind: 'file',
      filesystem: stage.filesystem,
      path: path.slice(1),
      mode: mount.mode,
      content: mount.content,
    });
    const { writable } = mount;
    this.#operations.push({
      kind: 'bind',
      from: { in: 'stage', path },
      at,
      recursive: false,
      writable,
      executable: true,
      devices: false,
      idMapped: false,
      optional: false,
    });
  }

  #stageBind(
    source: string,
    { writable = false, executable, idMapped }: { writable?: boolean; executable: boolean; idMapped: boolean },
  ): string {
    const path = this.#stageDirectory('layer', 0o755);
    this.#operations.push({
      kind: 'bind',
      from: { in: 'host', path: source },
      at: { in: 'stage', path },
      recursive: false,
      writable,
      executable,
      devices: false,
      idMapped,
      optional: false,
    });
    return path;
  }

  #stageDirectory(kind: string, mode: number): string {
    const path = this.#stageName(kind);
    this.#operations.push({ kind: 'directory', filesystem: this.#needStage().filesystem, path: path.slice(1), mode });
    return path;
  }

  #stageName(kind: string): string {
    return `/${kind}${String(this.#staged++)}`;
  }

  #stageGround(directory: string): Ground {
    return { ...this.#needStage(), path: `${directory.slice(1)}/` };
  }

  #needStage(): Ground {
    if (this.#stage === null) {
      throw new Refusal('bug', 'BUG: a plan without a stage needs one, please report');
    }
    return this.#stage;
  }

  /**
   * Mode of a directory that covers one of the host and belongs to the cell's user: as much as that user may do with the covered one, if it is
   * his, else what others may. Otherwise the cover would open what the host keeps closed.
   */
  #modeOf(view: View): number {
    const file =
      view.kind === 'host' && view.directories[0] !== undefined
        ? this.#context.files.inspect(view.directories[0])
        : null;
    if (file === null) {
      return 0o755;
    }
    return file.uid === this.#context.uid ? file.mode & 0o1777 : ((file.mode & 0o007) << 6) | (file.mode & 0o077);
  }
}

function bindOperation(mount: Mount & { kind: 'bind' }, at: Place): BindOperation {
  const { source, recursive, writable, executable, devices, idMapped, optional } = mount;
  return {
    kind: 'bind',
    from: { in: 'host', path: source },
    at,
    recursive,
    writable,
    executable,
    devices,
    idMapped,
    optional,
  };
}

function continuesUpper(node: Node): boolean {
  return node.view.kind === 'host' && node.view.growth === 'upper';
}

function hasMade(node: Node): boolean {
  return [...node.children.values()].some((child) => child.made !== null || (child.mount === null && hasMade(child)));
}

/** Whole pages, as tmpfs counts. */
function pages(content: string | Uint8Array | undefined): number {
  const length = typeof content === 'string' ? Buffer.byteLength(content) : (content?.length ?? 0);
  return Math.ceil(length / PAGE) * PAGE;
}
