/** Limits of a cell: which mechanism holds each, and what it is told. */

import { unsupported } from '../errors.js';
import type { ControllerName } from '../host/types.js';
import { CORE, OPEN_FILES, PROCESSES } from '../policy/defaults.js';
import type { Enforcement, LimitMechanism } from '../policy/types.js';
import type { CellPolicy, ValidLimits } from '../policy/valid.js';
import type { PlanContext } from './context.js';
import type { CellLimits, ResourceLimit } from './types.js';

export interface PlannedLimits {
  readonly resources: readonly ResourceLimit[];
  readonly wallTime: number | null;
  readonly cell: CellLimits;
  /** The version of the control groups that the cell gets; of the newer one where both are in use. */
  readonly cgroup: Enforcement['cgroup'];
  /** Of the limits that were asked for. */
  readonly mechanisms: Record<string, LimitMechanism>;
}

/** Limits that are always held the same way. */
const MECHANISMS: Readonly<Record<string, LimitMechanism>> = {
  wallTime: 'launcher',
  output: 'node',
  fileSize: 'rlimit',
  openFiles: 'rlimit',
  core: 'rlimit',
  stack: 'rlimit',
  addressSpace: 'rlimit',
  scratch: 'tmpfs',
};

/** Private writable memory of one process, used or not, that is left beyond a limit held by sampling: what one process can take between two looks. */
const DATA_MARGIN = 2 ** 30;

export function planLimits(context: PlanContext, { limits, user }: CellPolicy): PlannedLimits {
  const mechanisms: Record<string, LimitMechanism> = {};
  for (const name of limits.asked) {
    const mechanism = MECHANISMS[name];
    if (mechanism !== undefined && (name !== 'scratch' || context.backend.ownTree)) {
      mechanisms[name] = mechanism;
    }
  }
  const processes = planProcesses(context, limits, user.hostRoot, mechanisms);
  const cell: CellLimits = {
    memory: planMemory(context, limits, mechanisms),
    cpuTime: planCpuTime(context, limits, mechanisms),
    processes: processes.byGroup,
    cpus: planCpus(context, limits, mechanisms),
  };
  return {
    resources: [...resourceLimits(limits, processes.byResource), ...backstops(cell)],
    wallTime: limits.wallTime,
    cell,
    cgroup: versionInUse(mechanisms),
    mechanisms,
  };
}

function resourceLimits(limits: ValidLimits, processes: number | null): ResourceLimit[] {
  const optional = {
    RLIMIT_NPROC: processes,
    RLIMIT_FSIZE: limits.fileSize,
    RLIMIT_STACK: limits.stack,
    RLIMIT_AS: limits.addressSpace,
  } as const;
  const resources: ResourceLimit[] = [
    { resource: 'RLIMIT_NOFILE', value: limits.openFiles ?? OPEN_FILES },
    { resource: 'RLIMIT_CORE', value: limits.core ?? CORE },
  ];
  for (const resource of ['RLIMIT_NPROC', 'RLIMIT_FSIZE', 'RLIMIT_STACK', 'RLIMIT_AS'] as const) {
    const value = optional[resource];
    if (value !== null) {
      resources.push({ resource, value });
    }
  }
  return resources;
}

/** What the kernel itself holds a single process to, should the launcher be kept from looking. */
function backstops({ memory, cpuTime }: CellLimits): ResourceLimit[] {
  return [
    ...(memory?.by === 'sampling' ? [{ resource: 'RLIMIT_DATA', value: memory.bytes + DATA_MARGIN } as const] : []),
    ...(cpuTime?.by === 'sampling'
      ? [{ resource: 'RLIMIT_CPU', value: Math.ceil(cpuTime.milliseconds / 1000) + 1 } as const]
      : []),
  ];
}

function groupMechanism({ features }: PlanContext, controller: ControllerName): 'cgroup-v2' | 'cgroup-v1' | null {
  const version = features.controllers[controller];
  return version === undefined ? null : `cgroup-${version}`;
}

function planMemory(
  context: PlanContext,
  { memory }: ValidLimits,
  mechanisms: Record<string, LimitMechanism>,
): CellLimits['memory'] {
  if (memory === null) {
    return null;
  }
  const group = groupMechanism(context, 'memory');
  mechanisms['memory'] = group ?? 'sampling';
  return { bytes: memory, by: group === null ? 'sampling' : 'group' };
}

function planCpuTime(
  context: PlanContext,
  { cpuTime }: ValidLimits,
  mechanisms: Record<string, LimitMechanism>,
): CellLimits['cpuTime'] {
  if (cpuTime === null) {
    return null;
  }
  const group = groupMechanism(context, 'cpuacct');
  mechanisms['cpuTime'] = group ?? 'sampling';
  return { milliseconds: cpuTime, by: group === null ? 'sampling' : 'group' };
}

function planCpus(
  context: PlanContext,
  { cpus }: ValidLimits,
  mechanisms: Record<string, LimitMechanism>,
): number | null {
  if (cpus === null) {
    return null;
  }
  const group = groupMechanism(context, 'cpu');
  if (group === null) {
    leaveOut(
      context,
      'limits.cpus',
      'no control group with the cpu controller can be made here, and nothing else holds a share of processors',
    );
    return null;
  }
  mechanisms['cpus'] = group;
  return cpus;
}

/**
 * Asked for: by a control group where there is one, with RLIMIT_NPROC besides. The default: by RLIMIT_NPROC alone, which costs nothing.
 *
 * RLIMIT_NPROC counts the processes of the cell's host uid: those of the cell alone where the uid is its own, or where the kernel counts per user
 * namespace. Anywhere else all processes of the caller would count, and a cell could not even start. The cell's init is one more process.
 */
function planProcesses(
  context: PlanContext,
  { processes }: ValidLimits,
  hostRoot: boolean,
  mechanisms: Record<string, LimitMechanism>,
): { byGroup: number | null; byResource: number | null } {
  const { realRoot, processesPerNamespace } = context.features;
  const reason = whyNotCounted(realRoot, hostRoot, processesPerNamespace);
  const count = (processes ?? PROCESSES) + 1;
  const byResource = reason === null ? count : null;
  if (processes === null) {
    return { byGroup: null, byResource };
  }
  const group = groupMechanism(context, 'pids');
  if (group !== null) {
    mechanisms['processes'] = group;
    return { byGroup: count, byResource };
  }
  if (reason === null) {
    mechanisms['processes'] = 'rlimit';
  } else {
    leaveOut(context, 'limits.processes', reason);
  }
  return { byGroup: null, byResource };
}

function whyNotCounted(realRoot: boolean, hostRoot: boolean, perNamespace: boolean): string | null {
  if (realRoot && hostRoot) {
    return "RLIMIT_NPROC does not bind the host's root";
  }
  return realRoot || perNamespace
    ? null
    : 'this kernel counts all processes of the user together, not those of the cell (Linux 5.14 counts them apart)';
}

function leaveOut({ degrade, missing }: PlanContext, feature: string, reason: string): void {
  if (!degrade) {
    throw unsupported(feature, reason, "leave it out, or set onUnsupported: 'degrade'");
  }
  missing.push({ feature, reason });
}

function versionInUse(mechanisms: Readonly<Record<string, LimitMechanism>>): Enforcement['cgroup'] {
  const used = Object.values(mechanisms);
  if (used.includes('cgroup-v2')) {
    return 'v2';
  }
  return used.includes('cgroup-v1') ? 'v1' : null;
}
