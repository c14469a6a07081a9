/** The tree that a cell starts from: its root, and the mounts that every cell has. */

import { notFound, unsupported } from '../errors.js';
import type { HostFile } from '../host/types.js';
import type { CellPolicy, ValidRoot } from '../policy/valid.js';
import { isWithin, join } from '../util/paths.js';
import { groupFile, passwdFile } from './accounts.js';
import { type PlanContext, requireReach } from './context.js';
import { Refusal } from './refusal.js';
import { SYSTEM_DIRECTORIES, SYSTEM_FILES } from './system-files.js';
import {
  type Location,
  type Made,
  mountedRoot,
  ownRoot,
  type Node,
  placeOf,
  shownDirectory,
  target,
  Tree,
} from './tree.js';
import { bind, DEV, discardingOverlay, mask, type Placed, PROC, tmpfs } from './views.js';

/** Top-level names of the host that root 'host' covers: whatever the cell needs of them it has of its own. */
export const COVERED: ReadonlySet<string> = new Set(['proc', 'sys', 'dev', 'run', 'tmp']);

// Holds names only; contents are counted where they are put.
const ROOT_SIZE = 1024 * 1024;

export function plantRoot(context: PlanContext, policy: CellPolicy): Tree {
  const { root } = policy;
  const tree = new Tree(context.files, rootNode(context, policy, root));
  if (root.kind === 'system') {
    addSystem(context, tree, policy);
  } else if (root.kind === 'host') {
    addHost(context, tree);
  } else if (root.kind === 'directory') {
    hidePowerfulBelow(context, tree, root.directory, '/');
  }
  addStandardMounts(context, tree, policy);
  return tree;
}

function rootNode(context: PlanContext, { limits }: CellPolicy, root: ValidRoot): { root: Node; needsStage: boolean } {
  if (root.kind !== 'directory') {
    // Executable: programs may be put there as files of the policy, and nobody can add one once it is sealed.
    return { root: ownRoot(tmpfs(ROOT_SIZE, 0o755, { executable: true, sealed: true }).mount), needsStage: false };
  }
  const { directory, writable } = root;
  const source = context.files.realPath(directory);
  if (source === null) {
    throw notFound('cannot use as root', directory);
  }
  if (context.files.inspect(source)?.kind !== 'directory') {
    throw new Refusal('not-a-directory', `${directory} is not a directory`);
  }
  requireReach(context, source, writable !== false);
  if (writable === 'discard') {
    if (!context.features.overlay) {
      throw unsupported(
        "root: {directory, writable: 'discard'}",
        'no overlay can be mounted here',
        'Linux 5.11 allows it in a user namespace; else copy the directory, and let the copy be written to',
      );
    }
    const { mount, view } = discardingOverlay([source], limits.scratch, context.idMapped);
    return { root: mountedRoot(mount, view), needsStage: true };
  }
  const { mount, view } = bind(
    {
      source,
      directory: true,
      writable,
      executable: true,
      idMapped: context.idMapped,
      optional: false,
      devices: false,
    },
    context.features,
  );
  return { root: mountedRoot(mount, view), needsStage: true };
}

function addSystem(context: PlanContext, tree: Tree, { net, user }: CellPolicy): void {
  for (const name of SYSTEM_DIRECTORIES) {
    addTopLevel(context, tree, name);
  }
  for (const { path, network = false } of SYSTEM_FILES) {
    if (!network || net !== 'none') {
      addSystemFile(context, tree, `/etc/${path}`);
    }
  }
  make(tree, '/etc/passwd', { type: 'file', mode: 0o644, content: passwdFile(user.uid, user.gid) });
  make(tree, '/etc/group', { type: 'file', mode: 0o644, content: groupFile(user.gid) });
}

function addHost(context: PlanContext, tree: Tree): void {
  for (const name of context.files.list('/')) {
    if (!COVERED.has(name)) {
      addTopLevel(context, tree, name);
    }
  }
  for (const name of ['/run', '/sys']) {
    make(tree, name, { type: 'directory', mode: 0o755 });
  }
  hidePowerfulBelow(context, tree, '/', '/');
  hideSockets(context, tree);
}

/** A name in the host's root directory, as it is there: a link stays a link. */
function addTopLevel(context: PlanContext, tree: Tree, name: string): void {
  const path = `/${name}`;
  const file = context.files.inspect(path);
  if (file === null || file.kind === 'socket' || file.kind === 'device' || file.kind === 'fifo') {
    return;
  }
  if (file.kind === 'symlink') {
    make(tree, path, { type: 'symlink', to: context.files.readLink(path) });
    return;
  }
  showReadOnly(context, tree, path, path, file);
}

/** A file of /etc. A link that leads to something the cell has anyway stays a link; of any other the target is shown under the link's name. */
function addSystemFile({ files, features }: PlanContext, tree: Tree, path: string): void {
  const source = files.realPath(path);
  const file = source === null ? null : files.inspect(source);
  if (source === null || file === null || (file.kind !== 'file' && file.kind !== 'directory')) {
    return;
  }
  if (files.inspect(path)?.kind === 'symlink' && tree.locate(source).missing.length === 0) {
    make(tree, path, { type: 'symlink', to: source });
    return;
  }
  showReadOnly({ features }, tree, source, path, file);
}

function showReadOnly(
  { features }: Pick<PlanContext, 'features'>,
  tree: Tree,
  source: string,
  path: string,
  { kind }: HostFile,
): void {
  const directory = kind === 'directory';
  // Not id-mapped: the cell of a root caller sees the host's own system files as anybody does.
  place(
    tree,
    path,
    directory,
    bind(
      { source, directory, writable: false, executable: true, idMapped: false, optional: false, devices: false },
      features,
    ),
  );
}

function addStandardMounts(context: PlanContext, tree: Tree, { limits, onUnsupported }: CellPolicy): void {
  if (context.features.freshProc || onUnsupported === 'error') {
    place(tree, '/proc', true, PROC);
  } else {
    place(tree, '/proc', true, mask(true));
  }
  addDevices(tree, '/dev', limits.scratch);
  place(tree, '/tmp', true, tmpfs(limits.scratch, 0o1777, { executable: true, sealed: false }));
}

export function addDevices(tree: Tree, path: string, scratch: number): Node {
  const node = place(tree, path, true, DEV);
  const shm = shownDirectory({ kind: 'own', sealed: false });
  node.children.set('shm', { ...shm, mount: tmpfs(scratch, 0o1777, { executable: false, sealed: false }).mount });
  return node;
}

/** Puts a mount at a path, creating its mount point where there is none. */
function place(tree: Tree, path: string, directory: boolean, { mount, view }: Placed): Node {
  const location = tree.locate(path);
  const node = mountPoint(tree, location, directory, null);
  tree.attach(node, mount, view, null);
  return node;
}

/** The node that a mount goes on, of the right kind. */
export function mountPoint(tree: Tree, location: Location, directory: boolean, by: string | null): Node {
  if (location.missing.length > 0) {
    return tree.make(location, directory ? { type: 'directory', mode: 0o755 } : { type: 'file', mode: 0o644 }, by);
  }
  if ((target(location).type === 'directory') !== directory) {
    throw new Refusal(
      'wrong-kind',
      `${placeOf(location)} is ${directory ? 'not ' : ''}a directory, and what would cover it is ${directory ? 'one' : 'not'}`,
    );
  }
  return tree.own(location);
}

function make(tree: Tree, path: string, made: Made): void {
  const location = tree.locate(path);
  if (location.missing.length > 0) {
    tree.make(location, made, null);
  }
}

/**
 * A read-only bind does not keep anybody from connecting to a socket (unix(7)): the ones that are bound now are covered. One that is bound later
 * at a new name is not.
 */
function hideSockets({ files }: PlanContext, tree: Tree): void {
  for (const path of files.sockets()) {
    const location = tree.locate(path);
    if (location.missing.length === 0 && target(location).made === null && target(location).type === 'file') {
      const { mount, view } = mask(false, true);
      tree.attach(tree.own(location), mount, view, null);
    }
  }
}

/** Covers the file systems below a bound directory that hand out power over the host, such as a proc that lies in an unpacked image. */
export function hidePowerfulBelow(
  { powerfulMounts, files }: PlanContext,
  tree: Tree,
  source: string,
  path: string,
): void {
  for (const mountPath of powerfulMounts) {
    // What the caller cannot reach, the cell cannot either.
    if (mountPath === source || !isWithin(mountPath, source) || !files.isInReach(mountPath)) {
      continue;
    }
    const location = tree.locate(join(path, mountPath.slice(source === '/' ? 1 : source.length + 1)), false);
    if (location.missing.length > 0 || target(location).view.kind === 'own') {
      continue; // Out of sight as it is.
    }
    const { mount, view } = mask(files.inspect(mountPath)?.kind === 'directory', true);
    tree.attach(tree.own(location), mount, view, null);
  }
}
