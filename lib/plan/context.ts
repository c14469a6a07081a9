/** What planning knows besides the policy. */

import { unsupported } from '../errors.js';
import type { HostFeatures, HostFiles, Support } from '../host/types.js';
import type { CellPolicy } from '../policy/valid.js';
import { POWERFUL_FILE_SYSTEMS } from '../policy/powerful-paths.js';
import type { Enforcement } from '../policy/types.js';
import { isWithin } from '../util/paths.js';
import type { Restricted } from './fence.js';

/** The machine: the same for every plan of a process. */
export interface PlanHost {
  readonly support: Support;
  readonly features: HostFeatures;
  readonly files: HostFiles;
  /** The caller's uid. */
  readonly uid: number;
}

/** The host's mounts, as they were when the first plan was made. */
export interface MountTable {
  /** Mount points of file systems that hand out power. */
  readonly powerfulMounts: readonly string[];
  /** Type of the file system that a path of the host lies on. */
  readonly fileSystemOf: (path: string) => string;
}

export interface PlanContext extends PlanHost, MountTable {
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
  { user, onUnsupported }: CellPolicy,
): PlanContext {
  const { support, features, files, uid } = host;
  return {
    support,
    features,
    files,
    uid,
    powerfulMounts,
    fileSystemOf,
    idMapped: features.realRoot && !user.hostRoot,
    degrade: onUnsupported === 'degrade',
    missing: [],
    restricted: [],
  };
}

/** 0: no Landlock. */
export function landlockAbi({ support }: PlanContext): number {
  return support.landlock?.abi ?? 0;
}

/** Without id maps a root caller's cell would see the caller's files as somebody else's. */
export function requireIdMaps({ idMapped, features }: PlanContext): void {
  if (idMapped && !features.idMappedBinds) {
    throw unsupported(
      'files of a root caller',
      "this kernel has no id-mapped mounts, so the cell would see them as somebody else's",
      NO_ID_MAPS,
    );
  }
}

const NO_ID_MAPS = 'Linux 5.12 has them; else run as another user, or give the host uid up with user: {hostRoot: true}';
