/** What `unveil` and `mounts` ask for, put into the planned tree. The order in which they are written does not matter. */

import type { PolicyIssue } from '../errors.js';
import { unveilPath } from '../policy/normalize.js';
import type { CellPolicy } from '../policy/valid.js';
import { components } from '../util/paths.js';
import type { PlanContext } from './context.js';
import { mountGrant } from './grant-mounts.js';
import { type Later, unveilGrants } from './grant-unveil.js';
import type { Grant } from './placing.js';
import { Refusal } from './refusal.js';
import type { Tree } from './tree.js';

/** Host directories that must exist before the cell starts: what overlayfs needs beside an `upper`. */
export interface Granted {
  readonly workDirectories: readonly string[];
}

/** Changes the tree; problems of single grants are collected in `issues`. */
export function applyGrants(context: PlanContext, tree: Tree, policy: CellPolicy, issues: PolicyIssue[]): Granted {
  const workDirectories: string[] = [];
  const later: Later = { aliases: [], places: new Map() };
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
