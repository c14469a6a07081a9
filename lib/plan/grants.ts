/** What `unveil` and `mounts` ask for, put into the planned tree. The order in which they are written does not matter. */

import { notFound, type PolicyIssue, unsupported } from '../errors.js';
import type { HostFile } from '../host/types.js';
import { unveilPath } from '../policy/normalize.js';
import { type Access, isProvided, OWN_DEVICES, refuseFileSystem, refusePath } from '../policy/powerful-paths.js';
import type { CellPolicy, UnveilEntry, ValidMount } from '../policy/valid.js';
import { components, dirname } from '../util/paths.js';
import { type PlanContext, requireIdMaps } from './context.js';
import { lettersByMount } from './letters.js';
import { Refusal } from './refusal.js';
import { addDevices, hidePowerfulBelow, mountPoint } from './roots.js';
import { type Location, type Node, placeOf, target, type Tree } from './tree.js';
import { bind, content, discardingOverlay, keepingOverlay, mask, type Placed, PROC, tmpfs } from './views.js';

/** One thing to put in place. */
interface Grant {
  /** Where in the policy it stands. */
  readonly at: string;
  /** Absolute path inside, as far as it is known before the tree is. */
  readonly path: string;
  readonly apply: () => void;
}

/** What the entries of `unveil` leave for the others. */
interface Later {
  /** To be applied when everything else is in place. */
  readonly aliases: Grant[];
  /** Real paths on the host, and their letters. */
  readonly shown: Map<string, string>;
}

/** Host directories that must exist before the cell starts: what overlayfs needs beside an `upper`. */
export interface Granted {
  readonly workDirectories: readonly string[];
}

/** Changes the tree; problems of single grants are collected in `issues`. */
export function applyGrants(context: PlanContext, tree: Tree, policy: CellPolicy, issues: PolicyIssue[]): Granted {
  const workDirectories: string[] = [];
  const later: Later = { aliases: [], shown: new Map() };
  const grants: Grant[] = [];
  for (const mount of policy.mounts) {
    attempt(issues, mount.at, () => grants.push(mountGrant(context, tree, policy, mount, workDirectories)));
  }
  for (const entry of policy.unveil) {
    const at = unveilPath(entry.written);
    attempt(issues, at, () => grants.push(...unveilGrants(context, tree, entry, later)));
  }
  // Parents before what lies in them; names decide between neighbours, so that the plan depends on nothing but the policy's meaning.
  for (const { at, apply } of [...grants.sort(byDepth), ...later.aliases.sort(byDepth)]) {
    attempt(issues, at, apply);
  }
  return { workDirectories };
}

function byDepth(a: Grant, b: Grant): number {
  return components(a.path).length - components(b.path).length || (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

function attempt(issues: PolicyIssue[], at: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Refusal)) {
      throw error;
    }
    issues.push({ code: error.code, path: at, message: error.message });
  }
}

// ------------------------------------------------------------------------------------------------ unveil

function unveilGrants(context: PlanContext, tree: Tree, entry: UnveilEntry, later: Later): Grant[] {
  const at = unveilPath(entry.written);
  const { path, permissions } = entry;
  if (permissions === null) {
    return hidingGrants(context, tree, path, at, later);
  }
  if (isProvided(path, permissions)) {
    return [];
  }
  const real = context.files.realPath(path);
  if (real === null) {
    throw notFound(`cannot unveil`, path, { hint: 'a path must exist to be unveiled; unveil the directory that it will be created in, with rwc' });
  }
  const file = source(context, real, { writable: permissions.write || permissions.create, explicit: false });
  const answer = lettersByMount(permissions, file.kind);
  if (answer.beyond !== null) {
    allowBeyond(context, `${at}: '${entry.letters}'`, answer.beyond);
  }
  if (real !== path) {
    later.aliases.push({ at, path, apply: () => linkAlias(tree, path, real, at) });
  }
  const letters = later.shown.get(real);
  if (letters !== undefined && letters !== entry.letters) {
    throw new Refusal('duplicate', `leads to ${real}, which is unveiled with other letters as well`);
  }
  if (letters !== undefined) {
    return [];
  }
  later.shown.set(real, entry.letters);
  const { writable, executable } = answer;
  const options = { source: real, ...kindOf(context, file), writable, executable, optional: false };
  return [{ at, path: real, apply: () => showSource(context, tree, real, options, at) }];
}

/**
 * Hides what the name leads to on the host, wherever that is shown, and then whatever the name leads to inside: a link on the way must not
 * keep the one from being found when only the other is there.
 */
function hidingGrants({ files }: PlanContext, tree: Tree, path: string, at: string, later: Later): Grant[] {
  const real = files.realPath(path) ?? path;
  if (real === path) {
    return [{ at, path, apply: () => hide(tree, path, at) }];
  }
  let hidden = false;
  later.aliases.push({
    at,
    path,
    apply: () => {
      const location = tree.locate(path);
      const covered = location.missing.length === 0 ? target(location).mount?.kind === 'mask' : hidden;
      if (!covered) {
        hide(tree, path, at);
      }
    },
  });
  const hideReal = (): void => {
    if (tree.locate(real).missing.length === 0) {
      hide(tree, real, at);
      hidden = true;
    }
  };
  return [{ at, path: real, apply: hideReal }];
}

function allowBeyond({ degrade, missing }: PlanContext, feature: string, { reason, hint }: { reason: string; hint: string }): void {
  if (!degrade) {
    throw unsupported(feature, reason, `${hint}, or set onUnsupported: 'degrade'`);
  }
  missing.push({ feature, reason });
}

function hide(tree: Tree, path: string, at: string): void {
  const location = tree.locate(path);
  if (location.missing.length === 0) {
    attach(tree, location, target(location).type === 'directory', mask(target(location).type === 'directory'), at);
    return;
  }
  const { view } = target(location);
  if (view.kind !== 'own' && !(view.kind === 'host' && view.growth === 'upper')) {
    throw new Refusal('not-there', `${path} does not exist inside, and a name that does not exist cannot be hidden in a tree of the host`);
  }
  if (view.kind === 'own' && view.sealed) {
    return; // Nothing can ever appear there.
  }
  // A placeholder: with the name taken, the program can neither create nor see anything there.
  attach(tree, location, false, mask(false), at);
}

/** The name that the policy used leads through a symbolic link on the host: it does so inside. */
function linkAlias(tree: Tree, path: string, real: string, at: string): void {
  const location = tree.locate(path);
  if (location.missing.length === 0) {
    if (placeOf(location) !== placeOf(tree.locate(real))) {
      throw new Refusal('conflict', `${path} is a link to ${real} on the host, and something else inside; name ${real}`);
    }
    return;
  }
  tree.make(location, { type: 'symlink', to: real }, at);
}

// ------------------------------------------------------------------------------------------------ mounts

function mountGrant(context: PlanContext, tree: Tree, policy: CellPolicy, mount: ValidMount, workDirectories: string[]): Grant {
  return { at: mount.at, path: mount.target, apply: mountAction(context, tree, policy, mount, workDirectories) };
}

function mountAction(context: PlanContext, tree: Tree, policy: CellPolicy, mount: ValidMount, workDirectories: string[]): () => void {
  const { at } = mount;
  switch (mount.type) {
    case 'bind':
      return bindAction(context, tree, mount);
    case 'tmpfs':
      return () => attach(tree, tree.locate(mount.target), true, tmpfs(mount.size, mount.mode, { executable: mount.executable }), at);
    case 'overlay':
      return overlayAction(context, tree, policy, mount, workDirectories);
    case 'file':
      return () => putFile(tree, mount, at);
    case 'directory':
      return () => putDirectory(tree, mount, at);
    case 'symlink':
      return () => putLink(tree, mount, at);
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
  return () => showSource(context, tree, mount.target, options, at);
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
  return { parent, upper, work: `${parent === '/' ? '' : parent}/.${upper.slice(upper.lastIndexOf('/') + 1)}.cloister-work` };
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

// ------------------------------------------------------------------------------------------------ both

/** What kind of file a source is, once it is clear that it may be shown. */
function source(context: PlanContext, real: string, access: Access): HostFile {
  const { files, fileSystemOf } = context;
  requireIdMaps(context);
  const reason = refusePath(real, access) ?? refuseFileSystem(fileSystemOf(real), access);
  if (reason !== null) {
    throw new Refusal('powerful-path', `${real}: ${reason}`);
  }
  const file = files.inspect(real);
  if (file === null) {
    throw notFound('cannot show', real);
  }
  if (file.kind === 'device' && !OWN_DEVICES.some((name) => real === `/dev/${name}`)) {
    throw new Refusal('device', `${real} is a device, which acts on the host`);
  }
  return file;
}

/** What follows from the kind of a source. A device's file system knows no id maps, and needs none: everybody may use the ones that are let through. */
function kindOf({ idMapped }: PlanContext, { kind }: HostFile): { directory: boolean; devices: boolean; idMapped: boolean } {
  return { directory: kind === 'directory', devices: kind === 'device', idMapped: idMapped && kind !== 'device' };
}

function showSource(context: PlanContext, tree: Tree, path: string, options: Parameters<typeof bind>[0], at: string): void {
  const node = attach(tree, tree.locate(path), options.directory, bind(options, context.features), at);
  if (options.directory && node !== null) {
    hidePowerfulBelow(context, tree, options.source, path);
  }
}

function attach(tree: Tree, location: Location, directory: boolean, placed: Placed, at: string): Node | null {
  claim(tree, location, at);
  const node = mountPoint(tree, location, directory, at);
  tree.attach(node, placed.mount, placed.view, at);
  return node;
}

/** Two parts of a policy for one place, or one that would cover another, contradict each other. */
function claim(tree: Tree, location: Location, at: string): void {
  if (location.missing.length > 0) {
    return;
  }
  const node = target(location);
  const other = node.by ?? firstBelow(node);
  if (other !== null && other !== at) {
    throw new Refusal('conflict', `${placeOf(location)} is also the place of ${other}`);
  }
}

function firstBelow(node: Node): string | null {
  for (const child of node.children.values()) {
    const by = child.by ?? firstBelow(child);
    if (by !== null) {
      return by;
    }
  }
  return null;
}
