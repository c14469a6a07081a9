/** From the arguments of a call to a cell that is decided: validated, planned, and nothing done yet. */

import { cellFiltering, compileFiltering } from '../filter/cell.js';
import { describeCalls } from '../filter/descriptions.js';
import { advise } from '../host/advice.js';
import { hostFiles } from '../host/files.js';
import { type HostInfo, hostInfo } from '../host/probe.js';
import { scratchPath } from '../host/scratch.js';
import { loadNative } from '../native/binding.js';
import { commandPaths } from '../plan/command.js';
import { Planner } from '../plan/compile.js';
import type { Plan } from '../plan/types.js';
import { parseEntry, parseSpawn } from '../policy/parse.js';
import { hostArch } from '../policy/syscalls/arch.js';
import type { Enforcement, PledgePromise } from '../policy/types.js';
import type { SpawnRequest } from '../policy/valid.js';
import type { Advice } from './failure.js';

/** A cell that is decided and not started. */
export interface CellStart<Request extends SpawnRequest = SpawnRequest> {
  readonly request: Request;
  readonly plan: Plan;
  /** Compiled form of `plan.filter`. */
  readonly filter: Uint8Array;
  /** Words for the last line of a command that is ended for a violation. */
  readonly descriptions: Uint8Array | undefined;
  /** What will be in force when the plan is carried out. */
  readonly expected: Enforcement;
  /** Directories of the host that the plan needs. */
  readonly workDirectories: readonly string[];
  readonly advice: Advice;
}

/** The arguments of spawnIsolated for a root that is there. Throws what parseSpawn and Planner.compile throw. */
export function prepareSpawn(command: unknown, args: unknown, options?: unknown): CellStart {
  return decide(parseSpawn(command, args, options));
}

/** The policy of enterCell, for a program and its arguments. */
export function prepareEntry(command: string, args: readonly string[], policy: unknown): CellStart {
  const request = parseEntry(command, args, policy);
  const { pledge } = request.policy;
  // This program compiles what it runs, in the cell as well.
  const promises = pledge === null ? null : [...new Set<PledgePromise>([...pledge, 'prot_exec'])];
  return decide({ ...request, policy: { ...request.policy, pledge: promises } });
}

let planner:
  | { readonly host: HostInfo; readonly uid: number; readonly mounts: number; readonly value: Planner }
  | undefined;

/** A planner keeps what it has read of the host's mounts: whoever mounted something meanwhile (a /proc, say) gets plans that know of it. */
function currentPlanner(host: HostInfo): Planner {
  const uid = process.geteuid?.() ?? 0;
  const mounts = loadNative().addon.mountGeneration();
  if (planner?.host !== host || planner.uid !== uid || planner.mounts !== mounts) {
    planner = { host, uid, mounts, value: new Planner({ ...host, files: hostFiles, uid, scratchPath }) };
  }
  return planner.value;
}

/** Plans a valid request. Throws what Planner.compile throws. */
export function decide<Request extends SpawnRequest>(request: Request): CellStart<Request> {
  const host = hostInfo();
  const { listener } = host.features;
  const { plan, filtering, enforcement, workDirectories } = currentPlanner(host).compile(request, (shared) =>
    cellFiltering(request.policy, commandPaths(request), { listener, shared }),
  );
  const described = plan.violations?.answer === 'kill' && plan.violations.reported;
  return {
    request,
    plan,
    filter: compileFiltering(filtering),
    descriptions: described
      ? describeCalls(hostArch() ?? 'x86_64', plan.violations.held, {
          signals: 'any',
          byPath: plan.violations.readable !== null,
        })
      : undefined,
    expected: enforcement,
    workDirectories,
    advice: (failure) => advise(failure, host.features),
  };
}
