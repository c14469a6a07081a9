/** Putting one part of a policy into the planned tree. */

import { notFound } from '../errors.js';
import type { HostFile } from '../host/types.js';
import { type Access, OWN_DEVICES, refuseFileSystem, refusePath } from '../policy/powerful-paths.js';
import { type PlanContext, requireReach } from './context.js';
import { Refusal } from './refusal.js';
import { hidePowerfulBelow, mountPoint } from './roots.js';
import { type Location, type Node, placeOf, target, type Tree } from './tree.js';
import { bind, type BindOptions, type Placed } from './views.js';

/** One thing to put in place. */
export interface Grant {
  /** Where in the policy it stands. */
  readonly at: string;
  /** Absolute path inside, as far as it is known before the tree is. */
  readonly path: string;
  readonly apply: () => void;
}

/** What kind of file a source is, once it is clear that it may be shown. */
export function source(context: PlanContext, real: string, access: Access): HostFile {
  const { files, fileSystemOf } = context;
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
  requireReach(context, real, access.writable);
  return file;
}

/** What follows from the kind of a source. A device's file system knows no id maps, and needs none: everybody may use the ones that are let through. */
export function kindOf(
  { idMapped }: PlanContext,
  { kind }: HostFile,
): { directory: boolean; devices: boolean; idMapped: boolean } {
  return { directory: kind === 'directory', devices: kind === 'device', idMapped: idMapped && kind !== 'device' };
}

export function showSource(context: PlanContext, tree: Tree, path: string, options: BindOptions, at: string): void {
  const node = attach(tree, tree.locate(path), options.directory, bind(options, context.features), at);
  if (options.directory && node !== null) {
    hidePowerfulBelow(context, tree, options.source, path);
  }
}

export function attach(tree: Tree, location: Location, directory: boolean, placed: Placed, at: string): Node | null {
  claim(tree, location, at);
  const node = mountPoint(tree, location, directory, at);
  tree.attach(node, placed.mount, placed.view, at);
  return node;
}

/** Two parts of a policy for one place, or one that would cover another, contradict each other. */
export function claim(tree: Tree, location: Location, at: string): void {
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
