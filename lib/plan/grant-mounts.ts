/** What `mounts` asks for. */

import { notFound, unsupported } from '../errors.js';
import type { CellPolicy, ValidMount } from '../policy/valid.js';
import { dirname } from '../util/paths.js';
import type { PlanContext } from './context.js';
import { attach, claim, type Grant, kindOf, showSource, source } from './placing.js';
import { Refusal } from './refusal.js';
import { addDevices } from './roots.js';
import { placeOf, target, type Tree } from './tree.js';
import { content, discardingOverlay, keepingOverlay, PROC, tmpfs } from './views.js';

export function mountGrant(
  context: PlanContext,
  tree: Tree,
  policy: CellPolicy,
  mount: ValidMount,
  workDirectories: string[],
): Grant {
  return { at: mount.at, path: mount.target, apply: mountAction(context, tree, policy, mount, workDirectories) };
}

function mountAction(
  context: PlanContext,
  tree: Tree,
  policy: CellPolicy,
  mount: ValidMount,
  workDirectories: string[],
): () => void {
  const { at } = mount;
  switch (mount.type) {
    case 'bind':
      return bindAction(context, tree, mount);
    case 'tmpfs':
      return () =>
        attach(
          tree,
          tree.locate(mount.target),
          true,
          tmpfs(mount.size, mount.mode, { executable: mount.executable, sealed: false }),
          at,
        );
    case 'overlay':
      return overlayAction(context, tree, policy, mount, workDirectories);
    case 'file':
      return () => {
        putFile(tree, mount, at);
      };
    case 'directory':
      return () => {
        putDirectory(tree, mount, at);
      };
    case 'symlink':
      return () => {
        putLink(tree, mount, at);
      };
    case 'proc':
      return () => attach(tree, tree.locate(mount.target), true, PROC, at);
    case 'dev':
      return () => {
        claim(tree, tree.locate(mount.target), at);
        addDevices(tree, mount.target, policy.limits.scratch).by = at;
      };
  }
}

function bindAction(context: PlanContext, tree: Tree, mount: ValidMount & { type: 'bind' }): () => void {
  const { at, source: written, writable, executable, optional } = mount;
  const real = context.files.realPath(written);
  if (real === null) {
    if (!optional) {
      throw notFound('cannot bind', written, { hint: "create it, or set 'optional'" });
    }
    return () => undefined;
  }
  const file = source(context, real, { writable, explicit: true });
  const options = { source: real, ...kindOf(context, file), writable, executable, optional };
  return () => {
    showSource(context, tree, mount.target, options, at);
  };
}

function overlayAction(
  context: PlanContext,
  tree: Tree,
  policy: CellPolicy,
  mount: ValidMount & { type: 'overlay' },
  workDirectories: string[],
): () => void {
  if (!context.features.overlay) {
    throw unsupported(mount.at, 'this kernel does not allow overlayfs in a user namespace', 'Linux 5.11 does');
  }
  const layer = (path: string, writable: boolean): string => {
    const real = context.files.realPath(path);
    if (real === null) {
      throw notFound('cannot use as layer', path);
    }
    if (source(context, real, { writable, explicit: true }).kind !== 'directory') {
      throw new Refusal('not-a-directory', `${path} is not a directory`);
    }
    return real;
  };
  const lower = mount.lower.map((path) => layer(path, false));
  let placed = discardingOverlay(lower, policy.limits.scratch, context.idMapped);
  if (mount.upper !== null) {
    const upper = keptLayer(context, layer(mount.upper, true));
    workDirectories.push(upper.work);
    placed = keepingOverlay(lower, upper, context.idMapped);
  }
  return () => attach(tree, tree.locate(mount.target), true, placed, mount.at);
}

/** overlayfs needs an empty directory beside the upper one, on the same mount. It stays there, as the kernel leaves files of its own in it. */
function keptLayer({ files }: PlanContext, upper: string): { parent: string; upper: string; work: string } {
  const parent = dirname(upper);
  if (upper === '/' || files.inspect(parent)?.device !== files.inspect(upper)?.device) {
    throw new Refusal('no-place', `${upper} is a mount point: name a directory in it`);
  }
  return {
    parent,
    upper,
    work: `${parent === '/' ? '' : parent}/.${upper.slice(upper.lastIndexOf('/') + 1)}.cloister-work`,
  };
}

function putFile(tree: Tree, mount: ValidMount & { type: 'file' }, at: string): void {
  const location = tree.locate(mount.target);
  claim(tree, location, at);
  const parent = location.missing.length > 0 ? target(location) : location.nodes.at(-2);
  const existing = location.missing.length > 0 ? null : target(location);
  const sealed = parent?.view.kind === 'own' && parent.view.sealed && (existing === null || existing.made !== null);
  if (mount.writable || !sealed) {
    attach(tree, location, false, content(mount.content, mount.mode, mount.writable), at);
    return;
  }
  const made = { type: 'file', mode: mount.mode, content: mount.content } as const;
  if (existing === null) {
    tree.make(location, made, at);
    return;
  }
  if (existing.type !== 'file') {
    throw new Refusal('wrong-kind', `${placeOf(location)} is a directory`);
  }
  const node = tree.own(location);
  node.made = made;
  node.mount = null;
  node.by = at;
}

function putDirectory(tree: Tree, mount: ValidMount & { type: 'directory' }, at: string): void {
  const location = tree.locate(mount.target);
  if (location.missing.length > 0) {
    tree.make(location, { type: 'directory', mode: mount.mode }, at);
    return;
  }
  if (target(location).type !== 'directory') {
    throw new Refusal('wrong-kind', `${placeOf(location)} is there already, and no directory`);
  }
  claim(tree, location, at);
  const node = tree.own(location);
  if (node.made !== null && node.mount === null) {
    node.made = { type: 'directory', mode: mount.mode };
  }
  node.by = at;
}

function putLink(tree: Tree, mount: ValidMount & { type: 'symlink' }, at: string): void {
  const location = tree.locate(mount.target, false);
  if (location.missing.length > 0) {
    tree.make(location, { type: 'symlink', to: mount.to }, at);
  } else if (target(location).type !== 'symlink' || target(location).to !== mount.to) {
    throw new Refusal('exists', `${placeOf(location)} is there already`);
  }
}
