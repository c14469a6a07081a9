/** What planning knows besides the policy. */

import { unsupported } from '../errors.js';
import type { HostFeatures, HostFiles, Support } from '../host/types.js';
import type { CellPolicy } from '../policy/valid.js';
import { POWERFUL_FILE_SYSTEMS } from '../policy/powerful-paths.js';
import type { Enforcement } from '../policy/types.js';
import { isWithin, withParents } from '../util/paths.js';
import { type Backend, chooseBackend } from './backends.js';
import type { Restricted } from './fence.js';

/** The machine: the same for every plan of a process. */
export interface PlanHost {
  readonly support: Support;
  readonly features: HostFeatures;
  readonly files: HostFiles;
  /** The caller's uid. */
  readonly uid: number;
  /** A name for a new directory of the host: absolute, free of links, and never given before. */
  readonly scratchPath: () => string;
}

/** The host's mounts, as they were when the first plan was made. */
export interface MountTable {
  /** Mount points of file systems that hand out power. */
  readonly powerfulMounts: readonly string[];
  /** Type of the file system that a path of the host lies on. */
  readonly fileSystemOf: (path: string) => string;
}

export interface PlanContext extends PlanHost, MountTable {
  readonly backend: Backend;
  /** The cell runs on a host uid of its own, since the caller is root. */
  readonly ownHostId: boolean;
  /** Whether files that the policy names are shown as the caller's, although the cell runs on a host uid of its own. */
  readonly idMapped: boolean;
  readonly degrade: boolean;
  /** Grows while the plan is made. */
  readonly missing: Enforcement['missing'];
  /** Directories whose letters Landlock holds; grows while the plan is made. */
  readonly restricted: Restricted[];
}

export function mountTable(mounts: ReturnType<HostFiles['mounts']>): MountTable {
  const newestFirst = [...mounts].reverse();
  return {
    powerfulMounts: mounts.filter(({ type }) => POWERFUL_FILE_SYSTEMS.has(type)).map(({ path }) => path),
    // The last one that contains the path: a later mount covers an earlier one.
    fileSystemOf: (path) => newestFirst.find((mount) => isWithin(path, mount.path))?.type ?? '',
  };
}

export function planContext(
  host: PlanHost,
  { powerfulMounts, fileSystemOf }: MountTable,
  policy: CellPolicy,
): PlanContext {
  const { user, onUnsupported } = policy;
  const backend = chooseBackend(host, policy);
  const ownHostId = host.features.realRoot && !user.hostRoot;
  return {
    ...host,
    features: backend.features(host.features),
    backend,
    ownHostId,
    powerfulMounts,
    fileSystemOf,
    idMapped: ownHostId && backend.namespaces.includes('user'),
    degrade: onUnsupported === 'degrade',
    missing: [],
    restricted: [],
  };
}

/** 0: no Landlock. */
export function landlockAbi({ support }: PlanContext): number {
  return support.landlock?.abi ?? 0;
}

/**
 * A root caller's cell runs on another uid of the host. Id maps make the caller's files its own; where a backend has none, modes must allow everybody
 * what the policy does, as far as the path itself and the way to it tell.
 */
export function requireReach(context: PlanContext, real: string, writable: boolean): void {
  const { ownHostId, idMapped, features, files, degrade, missing, backend } = context;
  if (idMapped && !features.idMappedBinds) {
    throw unsupported(
      'files of a root caller',
      "this kernel has no id-mapped mounts, so the cell would see them as somebody else's",
      NO_ID_MAPS,
    );
  }
  if (!ownHostId || idMapped) {
    return;
  }
  const lacking = withParents(real).find((path) => {
    const file = files.inspect(path);
    const wanted = (path === real ? READ | (writable ? WRITE : 0) : 0) | (file?.kind === 'directory' ? SEARCH : 0);
    return file !== null && (file.mode & wanted) !== wanted;
  });
  if (lacking === undefined) {
    return;
  }
  const feature = `access to ${real}`;
  const reason = `backend '${backend.name}': root's cell runs on an unprivileged uid of the host, for which ${lacking} is not open`;
  if (!degrade) {
    throw unsupported(
      feature,
      reason,
      `allow it to everybody (chmod o+), run as another user, or give the host uid up with user: {hostRoot: true}`,
    );
  }
  missing.push({ feature, reason });
}

/** Of others, in a mode. */
const READ = 0o4;
const WRITE = 0o2;
const SEARCH = 0o1;

const NO_ID_MAPS = 'Linux 5.12 has them; else run as another user, or give the host uid up with user: {hostRoot: true}';
