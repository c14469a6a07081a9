/** What `unveil` asks for. */

import { notFound, unsupported } from '../errors.js';
import { unveilPath } from '../policy/normalize.js';
import { isProvided } from '../policy/powerful-paths.js';
import type { UnveilEntry } from '../policy/valid.js';
import { landlockAbi, type PlanContext } from './context.js';
import { fenceHolds } from './fence.js';
import { lettersByMount } from './letters.js';
import { attach, type Grant, kindOf, showSource, source } from './placing.js';
import { Refusal } from './refusal.js';
import { placeOf, target, type Tree } from './tree.js';
import { mask } from './views.js';

/** What the entries of `unveil` leave for the others. */
export interface Later {
  /** To be applied when everything else is in place. */
  readonly aliases: Grant[];
  /** Real paths on the host, and their letters. */
  readonly places: Map<string, string>;
}

export function unveilGrants(context: PlanContext, tree: Tree, entry: UnveilEntry, later: Later): Grant[] {
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
    throw notFound(`cannot unveil`, path, {
      hint: 'a path must exist to be unveiled; unveil the directory that it will be created in, with rwc',
    });
  }
  const file = source(context, real, { writable: permissions.write || permissions.create, explicit: false });
  const answer = lettersByMount(permissions, file.kind);
  const fenced = answer.beyond !== null && file.kind === 'directory' && fenceHolds(permissions, landlockAbi(context));
  if (answer.beyond !== null && !fenced) {
    allowBeyond(context, `${at}: '${entry.letters}'`, answer.beyond);
  }
  if (real !== path) {
    later.aliases.push({
      at,
      path,
      apply: () => {
        linkAlias(tree, path, real, at);
      },
    });
  }
  if (!isFirst(later, real, entry.letters)) {
    return [];
  }
  if (fenced) {
    context.restricted.push({ path: real, permissions });
  }
  const { writable, executable } = answer;
  const options = { source: real, ...kindOf(context, file), writable, executable, optional: false };
  return [
    {
      at,
      path: real,
      apply: () => {
        showSource(context, tree, real, options, at);
      },
    },
  ];
}

/** Whether no other entry leads to the same place; one with other letters contradicts this one. */
function isFirst({ places }: Later, real: string, letters: string): boolean {
  const others = places.get(real);
  if (others !== undefined && others !== letters) {
    throw new Refusal('duplicate', `leads to ${real}, to which another entry with other letters leads as well`);
  }
  places.set(real, letters);
  return others === undefined;
}

/**
 * Hides what the name leads to on the host, wherever that is shown, and then whatever the name leads to inside: a link on the way must not
 * keep the one from being found when only the other is there.
 */
function hidingGrants({ files }: PlanContext, tree: Tree, path: string, at: string, later: Later): Grant[] {
  const real = files.realPath(path) ?? path;
  isFirst(later, real, '');
  if (real === path) {
    return [
      {
        at,
        path,
        apply: () => {
          hide(tree, path, at);
        },
      },
    ];
  }
  let hidden = false;
  later.aliases.push({
    at,
    path,
    apply: () => {
      const location = tree.locate(path);
      // What is granted below may have made more than a mask of it: covering it once more would take that away.
      const same = location.missing.length > 0 || placeOf(location) === placeOf(tree.locate(real));
      if (!hidden || !same) {
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

function allowBeyond(
  { degrade, missing }: PlanContext,
  feature: string,
  { reason, hint }: { reason: string; hint: string },
): void {
  if (!degrade) {
    throw unsupported(feature, reason, `${hint}, or set onUnsupported: 'degrade'`);
  }
  missing.push({ feature, reason });
}

function hide(tree: Tree, path: string, at: string): void {
  const location = tree.locate(path);
  if (location.missing.length === 0 && target(location).mount?.kind === 'mask') {
    return;
  }
  if (location.missing.length === 0) {
    attach(tree, location, target(location).type === 'directory', mask(target(location).type === 'directory'), at);
    return;
  }
  const { view } = target(location);
  if (view.kind !== 'own' && !(view.kind === 'host' && view.growth === 'upper')) {
    throw new Refusal(
      'not-there',
      `${path} does not exist inside, and a name that does not exist cannot be hidden in a tree of the host`,
    );
  }
  if (view.kind === 'own' && view.sealed) {
    return; // Nothing can ever appear there.
  }
  // With its name taken by a mask, the program can neither create nor see anything there.
  attach(tree, location, false, mask(false), at);
}

/** The name that the policy used leads through a symbolic link on the host: it does so inside. */
function linkAlias(tree: Tree, path: string, real: string, at: string): void {
  const location = tree.locate(path);
  if (location.missing.length === 0) {
    if (placeOf(location) !== placeOf(tree.locate(real))) {
      throw new Refusal(
        'conflict',
        `${path} is a link to ${real} on the host, and something else inside; name ${real}`,
      );
    }
    return;
  }
  tree.make(location, { type: 'symlink', to: real }, at);
}
