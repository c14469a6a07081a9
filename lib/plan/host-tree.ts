/** The files of a cell that stands in the host's own tree: what Landlock grants it there. Grants add up, and none takes anything away. */

import { notFound, type PolicyIssue, policyError, unsupported } from '../errors.js';
import { HOME } from '../policy/defaults.js';
import { unveilPath } from '../policy/normalize.js';
import { isProvided, OWN_DEVICES } from '../policy/powerful-paths.js';
import type { CellPolicy, Permissions, UnveilEntry } from '../policy/valid.js';
import { components, isWithin, withParents } from '../util/paths.js';
import { landlockAbi, type PlanContext } from './context.js';
import { knownRights, rightsOfLetters, SOCKETS_ABI, unreadable, widened } from './landlock.js';
import { FS_RIGHTS, type FsRight } from './landlock-rights.js';
import { source } from './placing.js';
import { Refusal } from './refusal.js';
import { COVERED } from './roots.js';
import { SYSTEM_DIRECTORIES, SYSTEM_FILES } from './system-files.js';
import type { LandlockPlan } from './types.js';

export interface HostTree {
  readonly files: Required<Pick<LandlockPlan, 'handledFs' | 'rules'>>;
  /** Its /tmp. */
  readonly scratch: string;
  readonly environment: readonly string[];
  readonly cwd: string;
}

const READ: Permissions = { read: true, write: false, execute: false, create: false };
const READING: readonly FsRight[] = ['read-file', 'read-dir'];
const RUN: Permissions = { ...READ, execute: true };
const DEVICE: Permissions = { ...READ, write: true };
const ALL: Permissions = { read: true, write: true, execute: true, create: true };

/** What of /proc the cell has: native/child/landlock.cc. */
const OWN_PROCESS = '/proc/self';

/** Other than in a tree of its own, the cell has the host's lists of users: programs give up where their user has no name. */
const ACCOUNTS = ['/etc/passwd', '/etc/group'];

/** Before ABI 3 truncating went past Landlock. */
const TRUNCATE_ABI = 3;

/** @param readable what may be read when nothing else may; null: all that is granted. */
export function planHostTree(
  context: PlanContext,
  policy: CellPolicy,
  readable: readonly string[] | null = null,
): HostTree {
  const scratch = context.scratchPath();
  const abi = landlockAbi(context);
  if (abi < TRUNCATE_ABI) {
    goWithout(
      context,
      'unveil: files that may not be written are not truncated',
      `this kernel has Landlock ABI ${String(abi)}; it takes ABI ${String(TRUNCATE_ABI)} (Linux 6.2)`,
    );
  }
  const grants = new Grants(context);
  addRoot(context, grants, policy);
  for (const name of OWN_DEVICES) {
    grants.add(`/dev/${name}`, DEVICE);
  }
  grants.add(OWN_PROCESS, READ, true);
  grants.add(scratch, ALL, true);
  const issues: PolicyIssue[] = [];
  const unveiled = addUnveiled(context, grants, [...sameplaceBinds(policy), ...policy.unveil], issues);
  if (issues.length > 0) {
    throw policyError(issues);
  }
  reportWidened(context, [...widened(unveiled.granted, unveiled.hidden), ...unreadable(policy.unveil)]);
  reportHidden(context, grants, unveiled.hidden);
  if (readable !== null) {
    grants.withholdReading(readable);
  }
  return {
    files: { handledFs: knownRights(FS_RIGHTS, abi), rules: grants.rules() },
    scratch,
    environment: withScratch(policy.environment, scratch),
    cwd: workingDirectory(context, grants, policy.cwd, scratch),
  };
}

/** Real paths and their rights. */
class Grants {
  readonly #context: PlanContext;
  readonly #rights = new Map<string, Set<FsRight>>();

  constructor(context: PlanContext) {
    this.#context = context;
  }

  add(
    real: string,
    permissions: Permissions,
    directory = this.#context.files.inspect(real)?.kind === 'directory',
  ): void {
    const rights = this.#rights.get(real) ?? new Set();
    this.#rights.set(real, rights);
    for (const right of rightsOfLetters(permissions, landlockAbi(this.#context), directory)) {
      rights.add(right);
    }
  }

  /** Whether something can be opened at the path, or below it. */
  reaches(path: string): boolean {
    return this.over(path) !== undefined || [...this.#rights.keys()].some((granted) => isWithin(granted, path));
  }

  /** The place that a path lies in, if it is granted. */
  over(path: string): string | undefined {
    return withParents(path).find((outer) => this.#rights.has(outer));
  }

  /** Leaves reading to these paths, as far as they had it. */
  withholdReading(paths: readonly string[]): void {
    const { files } = this.#context;
    const kept = paths.flatMap((path) => files.realPath(path) ?? []).filter((real) => this.#isRead(real));
    for (const rights of this.#rights.values()) {
      for (const right of READING) {
        rights.delete(right);
      }
    }
    for (const real of kept) {
      this.add(real, READ);
    }
  }

  #isRead(real: string): boolean {
    return withParents(real).some((outer) => this.#rights.get(outer)?.has('read-file') === true);
  }

  /** Without what an outer one grants as well. */
  rules(): { path: string; rights: FsRight[] }[] {
    return [...this.#rights]
      .filter(([, rights]) => rights.size > 0)
      .filter(
        ([path, rights]) =>
          !withParents(path)
            .slice(1)
            .some((outer) => this.#grants(outer, rights)),
      )
      .map(([path, rights]) => ({ path, rights: [...rights] }));
  }

  #grants(path: string, rights: ReadonlySet<FsRight>): boolean {
    const granted = this.#rights.get(path);
    return granted !== undefined && [...rights].every((right) => granted.has(right));
  }
}

function addRoot(context: PlanContext, grants: Grants, { root, net }: CellPolicy): void {
  if (root.kind === 'system') {
    for (const name of SYSTEM_DIRECTORIES) {
      addIfThere(context, grants, `/${name}`, RUN);
    }
    for (const { path, network = false } of SYSTEM_FILES) {
      if (!network || net !== 'none') {
        addIfThere(context, grants, `/etc/${path}`, READ);
      }
    }
    for (const path of ACCOUNTS) {
      addIfThere(context, grants, path, READ);
    }
  } else if (root.kind === 'host') {
    for (const name of context.files.list('/').filter((entry) => !COVERED.has(entry))) {
      addIfThere(context, grants, `/${name}`, RUN, COVERED);
    }
  }
}

/** A link may lead to a place below a `covered` name of the root directory, which the cell is not to have. */
function addIfThere(
  context: PlanContext,
  grants: Grants,
  path: string,
  permissions: Permissions,
  covered: ReadonlySet<string> = new Set(),
): void {
  const { files } = context;
  const real = files.realPath(path);
  const kind = real === null ? null : (files.inspect(real)?.kind ?? null);
  if (real !== null && (kind === 'file' || kind === 'directory') && !covered.has(components(real)[0] ?? '')) {
    checkPowerfulBelow(context, real, 'root');
    grants.add(real, permissions);
  }
}

function addUnveiled(
  context: PlanContext,
  grants: Grants,
  entries: readonly UnveilEntry[],
  issues: PolicyIssue[],
): { granted: Map<string, UnveilEntry>; hidden: UnveilEntry[] } {
  const granted = new Map<string, UnveilEntry>();
  const hidden: UnveilEntry[] = [];
  for (const entry of entries) {
    const at = unveilPath(entry.written);
    try {
      addEntry(context, grants, entry, { granted, hidden });
    } catch (error) {
      if (!(error instanceof Refusal)) {
        throw error;
      }
      issues.push({ code: error.code, path: at, message: error.message });
    }
  }
  return { granted, hidden };
}

function addEntry(
  context: PlanContext,
  grants: Grants,
  entry: UnveilEntry,
  { granted, hidden }: { granted: Map<string, UnveilEntry>; hidden: UnveilEntry[] },
): void {
  const { path, permissions } = entry;
  const real = context.files.realPath(path);
  if (permissions === null) {
    hidden.push(real === null ? entry : { ...entry, path: real });
    return;
  }
  if (isProvided(path, permissions)) {
    return;
  }
  if (real === null) {
    throw notFound('cannot unveil', path, {
      hint: 'a path must exist to be unveiled; unveil the directory that it will be created in, with rwc',
    });
  }
  const file = source(context, real, { writable: permissions.write || permissions.create, explicit: false });
  const other = granted.get(real);
  if (other !== undefined && other.letters !== entry.letters) {
    throw new Refusal('duplicate', `leads to ${real}, to which another entry with other letters leads as well`);
  }
  if (file.kind === 'socket' && permissions.write) {
    requireSockets(context, entry);
  }
  checkPowerfulBelow(context, real, unveilPath(entry.written));
  granted.set(real, entry);
  grants.add(real, permissions, file.kind === 'directory');
}

/** A bind at its own place is what unveil does. */
function sameplaceBinds({ mounts }: CellPolicy): UnveilEntry[] {
  return mounts.flatMap((mount) => {
    if (mount.type !== 'bind' || mount.source !== mount.target) {
      return [];
    }
    const { writable, executable, source: path } = mount;
    const letters = `r${writable ? 'w' : ''}${executable ? 'x' : ''}${writable ? 'c' : ''}`;
    const permissions = { read: true, write: writable, execute: executable, create: writable };
    return [{ written: path, path, letters, permissions }];
  });
}

function requireSockets(context: PlanContext, { written, letters }: UnveilEntry): void {
  if (landlockAbi(context) < SOCKETS_ABI) {
    goWithout(
      context,
      `${unveilPath(written)}: '${letters}'`,
      `before Landlock ABI ${String(SOCKETS_ABI)} (Linux 7.1) connecting to one socket cannot be told from connecting to any: none can be`,
    );
  }
}

/** Nothing can be hidden in a place that is granted. */
function reportHidden(context: PlanContext, grants: Grants, hidden: readonly UnveilEntry[]): void {
  for (const { written, path } of hidden) {
    const place = grants.over(path);
    if (place !== undefined) {
      goWithout(
        context,
        `${unveilPath(written)}: ''`,
        `it lies in ${place}, which the cell may read, and Landlock takes nothing away inside a grant`,
      );
    }
  }
}

function reportWidened(context: PlanContext, missing: readonly { feature: string; reason: string }[]): void {
  for (const { feature, reason } of missing) {
    goWithout(context, feature, reason);
  }
}

function checkPowerfulBelow(context: PlanContext, real: string, at: string): void {
  const { powerfulMounts, files } = context;
  // What the caller cannot reach, the cell cannot either.
  const mount = powerfulMounts.find((path) => path !== real && isWithin(path, real) && files.isInReach(path));
  if (mount !== undefined) {
    goWithout(
      context,
      `${at}: ${mount} is covered`,
      `it is mounted there and hands out power over the host, and Landlock takes nothing away inside a grant`,
    );
  }
}

function goWithout({ degrade, missing, backend }: PlanContext, feature: string, reason: string): void {
  if (!degrade) {
    throw unsupported(
      feature,
      `backend '${backend.name}': ${reason}`,
      "leave it out, or set onUnsupported: 'degrade' to go on without",
    );
  }
  missing.push({ feature, reason });
}

/** The scratch directory stands in for /tmp wherever the environment names that. */
function withScratch(environment: readonly string[], scratch: string): string[] {
  const replaced = environment.map((line) => {
    const [name = ''] = line.split('=', 1);
    const value = line.slice(name.length + 1);
    return SCRATCH_VARIABLES.has(name) && value === HOME ? `${name}=${scratch}` : line;
  });
  return replaced.some((line) => line.startsWith('TMPDIR=')) ? replaced : [...replaced, `TMPDIR=${scratch}`];
}

const SCRATCH_VARIABLES: ReadonlySet<string> = new Set(['HOME', 'TMPDIR', 'TMP', 'TEMP']);

/** As in a tree of its own: a directory that the cell has, or one on the way to what it has. */
function workingDirectory(context: PlanContext, grants: Grants, cwd: string, scratch: string): string {
  if (cwd === '/' || cwd === HOME) {
    return cwd === HOME ? scratch : cwd;
  }
  const real = context.files.realPath(cwd);
  if (real === null || context.files.inspect(real)?.kind !== 'directory' || !grants.reaches(real)) {
    throw notFound('cannot use as working directory inside', cwd, { hint: 'put it there with unveil' });
  }
  return real;
}
