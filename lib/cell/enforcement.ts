/** What is in force in a cell: what the plan expected, once the kernel has confirmed it. */

import { CloisterError, setupError } from '../errors.js';
import { capabilityMask, mask, NAMESPACE_FLAGS } from '../native/encode.js';
import { FS_MASKS, NET_MASKS } from '../native/landlock-masks.js';
import { type ConfirmedState, RootChange } from '../native/functions.js';
import type { Plan } from '../plan/types.js';
import type { Enforcement } from '../policy/types.js';

const SCOPE_FLAGS = { 'abstract-unix-socket': 1, signal: 2 } as const;
/** struct sock_filter. */
const INSTRUCTION_SIZE = 8;
const EMFILE = -24;

/** What has to be confirmed. Plain data. */
export interface Expectation {
  readonly capabilities: Plan['capabilities'];
  readonly namespaces: Plan['namespaces'];
  readonly ownTree: boolean;
  readonly landlock: Pick<NonNullable<Plan['landlock']>, 'handledFs' | 'handledNet' | 'scoped'> | null;
  readonly instructions: number;
}

export function expectationOf(plan: Plan, filter: Uint8Array | null): Expectation {
  const { capabilities, namespaces, mounts, landlock } = plan;
  return {
    capabilities,
    namespaces,
    ownTree: mounts.length > 0,
    landlock:
      landlock === null
        ? null
        : { handledFs: landlock.handledFs ?? [], handledNet: landlock.handledNet ?? [], scoped: landlock.scoped },
    instructions: filter === null ? 0 : filter.length / INSTRUCTION_SIZE,
  };
}

/** Everything that the command's process read back and that is less than what was expected, in words; empty when all is in force. */
export function shortfalls(expected: Expectation, confirmed: ConfirmedState): string[] {
  const { capabilities, namespaces, ownTree, landlock, instructions } = expected;
  const missing: string[] = [];
  const require = (feature: string, inForce: boolean): void => {
    if (!inForce) {
      missing.push(feature);
    }
  };
  require('no_new_privs', confirmed.noNewPrivileges);
  require('dropped capabilities', (confirmed.capabilities & ~capabilityMask(capabilities)) === 0n);
  for (const name of namespaces) {
    require(`${name} namespace`, (confirmed.namespaces & NAMESPACE_FLAGS[name]) !== 0);
  }
  require('root file system', confirmed.rootChange !== RootChange.none || !ownTree);
  const { handledFs = [], handledNet = [] } = landlock ?? {};
  require('Landlock files', (mask(handledFs, FS_MASKS) & ~confirmed.landlockFs) === 0);
  require('Landlock ports', (mask(handledNet, NET_MASKS) & ~confirmed.landlockNet) === 0);
  for (const scope of landlock?.scoped ?? []) {
    require(`Landlock scope ${scope}`, (confirmed.landlockScoped & SCOPE_FLAGS[scope]) !== 0);
  }
  require('system call filter', confirmed.filterInstructions === instructions &&
    (instructions === 0 || confirmed.filters > 0));
  return missing;
}

/** The report: what was expected, with what only the kernel knows. */
export function confirmedEnforcement(expected: Enforcement, confirmed: ConfirmedState): Enforcement {
  const { landlock, seccomp } = expected;
  return {
    ...expected,
    noNewPrivileges: confirmed.noNewPrivileges,
    ...(confirmed.rootChange === RootChange.chroot ? { rootFileSystem: 'chroot' as const } : {}),
    landlock: landlock === null ? null : { ...landlock, abi: confirmed.landlockAbi },
    seccomp:
      seccomp === null && confirmed.filters === 0
        ? null
        : { filters: confirmed.filters, instructions: confirmed.filterInstructions },
  };
}

/** What nobody could enforce: the end of a process that sleeps in the kernel. */
export function withProcessesLeft(enforcement: Enforcement): Enforcement {
  const reason =
    'a process of the cell sleeps in the kernel (state D), as on a file system that does not answer, and ends when that answers: SIGKILL was sent five seconds ago';
  return { ...enforcement, missing: [...enforcement.missing, { feature: 'end of every process', reason }] };
}

/** Why a command that was started must not go on, or null. */
export function refusal(command: string, missing: readonly string[], noTerminal: boolean): CloisterError | null {
  if (noTerminal) {
    const operation = `cannot start ${command}: its terminal was not received`;
    return setupError({ operation, stage: 'stdio', errno: EMFILE, syscall: 'recvmsg' });
  }
  if (missing.length === 0) {
    return null;
  }
  const message = `cannot start ${command}: the kernel does not confirm ${missing.join(', ')} (stage exec)`;
  return new CloisterError(message, { stage: 'exec' });
}
