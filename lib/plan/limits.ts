/** Limits of a cell: which mechanism holds each, and what it is told. */

import { unsupported } from '../errors.js';
import { CORE, OPEN_FILES, PROCESSES } from '../policy/defaults.js';
import type { LimitMechanism } from '../policy/types.js';
import type { CellPolicy, ValidLimits } from '../policy/valid.js';
import type { PlanContext } from './context.js';
import type { ResourceLimit } from './types.js';

export interface PlannedLimits {
  readonly resources: readonly ResourceLimit[];
  readonly wallTime: number | null;
  /** Of the limits that were asked for. */
  readonly mechanisms: Record<string, LimitMechanism>;
}

const MECHANISMS: Readonly<Record<string, LimitMechanism>> = {
  wallTime: 'launcher',
  processes: 'rlimit',
  fileSize: 'rlimit',
  openFiles: 'rlimit',
  core: 'rlimit',
  stack: 'rlimit',
  addressSpace: 'rlimit',
  scratch: 'tmpfs',
};

export function planLimits(context: PlanContext, { limits, user }: CellPolicy): PlannedLimits {
  const resources: ResourceLimit[] = [
    { resource: 'RLIMIT_NOFILE', value: limits.openFiles ?? OPEN_FILES },
    { resource: 'RLIMIT_CORE', value: limits.core ?? CORE },
  ];
  const processes = processLimit(context, limits, user.hostRoot);
  if (processes !== null) {
    resources.push({ resource: 'RLIMIT_NPROC', value: processes });
  }
  const optional = {
    RLIMIT_FSIZE: limits.fileSize,
    RLIMIT_STACK: limits.stack,
    RLIMIT_AS: limits.addressSpace,
  } as const;
  for (const resource of ['RLIMIT_FSIZE', 'RLIMIT_STACK', 'RLIMIT_AS'] as const) {
    const value = optional[resource];
    if (value !== null) {
      resources.push({ resource, value });
    }
  }
  return { resources, wallTime: limits.wallTime, mechanisms: mechanismsOf(limits, processes !== null) };
}

function mechanismsOf(limits: ValidLimits, countsProcesses: boolean): Record<string, LimitMechanism> {
  const mechanisms: Record<string, LimitMechanism> = {};
  for (const name of limits.asked) {
    const mechanism = MECHANISMS[name];
    if (mechanism !== undefined && (name !== 'processes' || countsProcesses)) {
      mechanisms[name] = mechanism;
    }
  }
  return mechanisms;
}

/**
 * RLIMIT_NPROC counts the processes of the cell's host uid: those of the cell alone where the uid is its own, or where the kernel counts per user
 * namespace. Anywhere else all processes of the caller would count, and a cell could not even start. The cell's init is one more process.
 */
function processLimit(
  { features, degrade, missing }: PlanContext,
  { processes }: ValidLimits,
  hostRoot: boolean,
): number | null {
  const reason = whyNotCounted(features.realRoot, hostRoot, features.processesPerNamespace);
  if (reason === null) {
    return (processes ?? PROCESSES) + 1;
  }
  if (processes !== null) {
    if (!degrade) {
      throw unsupported('limits.processes', reason, "leave it out, or set onUnsupported: 'degrade'");
    }
    missing.push({ feature: 'limits.processes', reason });
  }
  return null;
}

function whyNotCounted(realRoot: boolean, hostRoot: boolean, perNamespace: boolean): string | null {
  if (realRoot && hostRoot) {
    return "RLIMIT_NPROC does not bind the host's root";
  }
  return realRoot || perNamespace
    ? null
    : 'this kernel counts all processes of the user together, not those of the cell (Linux 5.14 counts them apart)';
}
