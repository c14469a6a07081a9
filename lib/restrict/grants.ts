/** The paths of `unveil`: each is opened once, and everything is decided about, and done with, what the descriptor leads to. */

import { CloisterError, notFound, type PolicyIssue, policyError, setupError } from '../errors.js';
import { hostFiles } from '../host/files.js';
import { mask } from '../native/encode.js';
import { FS_MASKS } from '../native/landlock-masks.js';
import type { OpenedPath, RestrictFunctions } from '../native/restrict-functions.js';
import { type Missing, rightsOfLetters, unreadable, widened } from '../plan/landlock.js';
import type { FsRight } from '../plan/landlock-rights.js';
import { unveilPath } from '../policy/normalize.js';
import type { Permissions, UnveilEntry } from '../policy/valid.js';
import { refuseGrant } from './danger.js';

/** Fewer than any limit of open files leaves room for. */
const BATCH = 128;
const ABSENT: ReadonlySet<number> = new Set([-2, -20]);

export interface GrantContext {
  readonly native: RestrictFunctions;
  readonly ruleset: number;
  readonly abi: number;
  /** What the ruleset handles. */
  readonly handled: readonly FsRight[];
}

export interface Granted {
  /** What Landlock cannot hold of the letters. */
  readonly missing: Missing[];
  /** The root directory may still be opened for reading. */
  readonly rootReadable: boolean;
}

/** Adds a rule for each entry. Throws ERR_CLOISTER_NOT_FOUND, ERR_CLOISTER_POLICY. */
export function grantPaths(context: GrantContext, entries: readonly UnveilEntry[]): Granted {
  const issues: PolicyIssue[] = [];
  const granted = new Map<string, UnveilEntry>();
  const hidden: UnveilEntry[] = [];
  for (let start = 0; start < entries.length; start += BATCH) {
    grantBatch(context, entries.slice(start, start + BATCH), { issues, granted, hidden });
  }
  if (issues.length > 0) {
    throw policyError(issues);
  }
  return {
    missing: [...widened(granted, hidden), ...unreadable(entries)],
    rootReadable: granted.get('/')?.permissions?.read === true,
  };
}

/** What promises open by name. One that is not there, or may not be looked at, is nobody's loss. */
export function grantNamed(
  { native, ruleset, abi, handled }: GrantContext,
  paths: readonly string[],
  permissions: Permissions,
): void {
  const opened = native.openPaths(paths);
  try {
    for (const { descriptor, kind } of opened) {
      const rights = rightsOfLetters(permissions, abi, kind === 'directory').filter((right) => handled.includes(right));
      if (descriptor !== undefined && rights.length > 0) {
        native.grantPath(ruleset, descriptor, mask(rights, FS_MASKS));
      }
    }
  } finally {
    native.closeDescriptors(opened.flatMap(({ descriptor }) => descriptor ?? []));
  }
}

/** Rights below these directories, those of them that the ruleset handles: moving files is nothing that a domain for something else is about. */
export function grantUse(
  { native, ruleset, handled }: GrantContext,
  directories: readonly string[],
  rights: readonly FsRight[],
): void {
  const granted = rights.filter((right) => handled.includes(right));
  if (granted.length === 0) {
    return;
  }
  const opened = native.openPaths(directories);
  try {
    for (const { descriptor, kind } of opened) {
      if (descriptor !== undefined && kind === 'directory') {
        native.grantPath(ruleset, descriptor, mask(granted, FS_MASKS));
      }
    }
  } finally {
    native.closeDescriptors(opened.flatMap(({ descriptor }) => descriptor ?? []));
  }
}

interface Collected {
  readonly issues: PolicyIssue[];
  /** By real path. */
  readonly granted: Map<string, UnveilEntry>;
  readonly hidden: UnveilEntry[];
}

function grantBatch(context: GrantContext, entries: readonly UnveilEntry[], collected: Collected): void {
  const opened = context.native.openPaths(entries.map(({ path }) => path));
  try {
    for (const [index, entry] of entries.entries()) {
      const target = opened[index];
      if (target !== undefined) {
        grantOne(context, entry, target, collected);
      }
    }
  } finally {
    context.native.closeDescriptors(opened.flatMap(({ descriptor }) => descriptor ?? []));
  }
}

function grantOne(context: GrantContext, entry: UnveilEntry, target: OpenedPath, collected: Collected): void {
  const { permissions, path, written } = entry;
  const at = unveilPath(written);
  if (permissions === null) {
    // What is not there cannot be seen either; what is there is hidden unless a grant reaches it.
    collected.hidden.push(target.real === undefined ? entry : { ...entry, path: target.real });
    return;
  }
  const { descriptor, real, kind, fileSystem } = target;
  if (target.errno !== 0 || descriptor === undefined || real === undefined || kind === undefined) {
    throw openError(path, target.errno);
  }
  const reason = refuseGrant({ real, kind, fileSystem: fileSystem ?? 0 }, permissions, mountsInSight);
  if (reason !== null) {
    collected.issues.push({ code: 'powerful-path', path: at, message: reason });
    return;
  }
  const other = collected.granted.get(real);
  if (other !== undefined && other.letters !== entry.letters) {
    collected.issues.push({
      code: 'duplicate',
      path: at,
      message: `leads to ${real}, which ${unveilPath(other.written)} grants with other letters`,
    });
    return;
  }
  collected.granted.set(real, entry);
  const rights = rightsOfLetters(permissions, context.abi, kind === 'directory');
  if (rights.length > 0) {
    context.native.grantPath(context.ruleset, descriptor, mask(rights, FS_MASKS));
  }
}

/** Where /proc is not readable any more, an earlier restriction has kept what is on other mounts from being written to already. */
function mountsInSight(): readonly { readonly path: string; readonly type: string }[] {
  try {
    return hostFiles.mounts();
  } catch (error) {
    if (error instanceof CloisterError && error.errno === EACCES) {
      return USUAL_MOUNTS;
    }
    throw error;
  }
}

const EACCES = -13;
const USUAL_MOUNTS = [
  { path: '/proc', type: 'proc' },
  { path: '/sys', type: 'sysfs' },
];

function openError(path: string, errno: number): Error {
  if (ABSENT.has(errno)) {
    return notFound('cannot unveil', path, {
      errno,
      syscall: 'open',
      hint: 'a path must exist to be unveiled; unveil the directory that it will be created in, with rwc',
    });
  }
  return setupError({ operation: `cannot unveil ${path}`, stage: 'landlock', errno, syscall: 'open', path });
}
