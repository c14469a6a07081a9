/** Namespaces and Landlock scopes: what separates the cell's processes from the host's. */

import { unsupported } from '../errors.js';
import type { Support } from '../host/types.js';
import type { Shared } from '../policy/separation.js';
import type { CellPolicy } from '../policy/valid.js';
import { landlockAbi, type PlanContext } from './context.js';
import { SOCKETS_ABI } from './landlock.js';
import type { CellLimits, NamespaceName, Plan } from './types.js';

const FEATURES: Readonly<Record<NamespaceName, string>> = {
  user: 'a user namespace',
  mount: 'a mount namespace',
  pid: 'a pid namespace',
  net: "net: 'none'",
  ipc: 'System V IPC of its own',
  uts: 'hostname',
  cgroup: 'a cgroup namespace',
};

export function planNamespaces(context: PlanContext, policy: CellPolicy): NamespaceName[] {
  const { support, backend } = context;
  if (support.platform !== 'linux') {
    throw unsupported('a cell', `${support.platform} is not Linux`, 'run it on Linux');
  }
  const available = backend.available(context);
  return backend.namespaces
    .filter((name) => name !== 'net' || policy.net === 'none')
    .filter((name) => available.includes(name) || doWithout(context, policy, name));
}

/** Never returns true: either the policy allows to go on without, or it is an error. */
function doWithout(
  { support, backend, degrade, missing }: PlanContext,
  policy: CellPolicy,
  name: NamespaceName,
): false {
  const essential = backend.essential.includes(name);
  const reason =
    support.namespacesBlockedBy ?? 'this kernel was built without it, or allows none (sysctl user.max_*_namespaces)';
  if (!degrade || essential) {
    throw unsupported(
      FEATURES[name],
      reason,
      essential ? instead(support, policy) : "set onUnsupported: 'degrade' to go on without",
    );
  }
  missing.push({ feature: FEATURES[name], reason });
  return false;
}

function instead({ landlock }: Support, { backend }: CellPolicy): string {
  return backend === 'auto' && landlock !== null
    ? "see cloister probe; or set onUnsupported: 'degrade' to go on with what Landlock can do here, and see what is missing in the enforcement"
    : 'see cloister probe';
}

const SCOPES = ['abstract-unix-socket', 'signal'] as const;
const SCOPES_ABI = 6;

/** The pid namespace keeps signals in, a network namespace of its own keeps abstract sockets in: Landlock's scopes are a second lock, or the only one. */
export function planScopes(
  context: PlanContext,
  { scope }: CellPolicy,
  namespaces: readonly NamespaceName[],
): NonNullable<Plan['landlock']>['scoped'] {
  if (scope === false) {
    return [];
  }
  if (landlockAbi(context) >= SCOPES_ABI) {
    return SCOPES;
  }
  const open = whatIsOpen(context, namespaces);
  if (open !== null) {
    if (!context.degrade) {
      throw unsupported('scope', open.reason, `${open.mend}, or set onUnsupported: 'degrade'`);
    }
    context.missing.push({ feature: 'scope', reason: open.reason });
  }
  return [];
}

/** What only a scope would close, or null. */
function whatIsOpen(
  { backend, ownHostId }: PlanContext,
  namespaces: readonly NamespaceName[],
): { reason: string; mend: string } | null {
  const lacking = 'and this kernel has no Landlock scopes (Linux 6.12, ABI 6)';
  if (!namespaces.includes('pid')) {
    // Signals to other users are refused anyway. Sockets are the filter's affair: planShared.
    return ownHostId
      ? null
      : {
          reason: `backend '${backend.name}': signals reach all processes of this user, ${lacking}; a cell can also outlive its launcher`,
          mend: 'set scope: false to allow it',
        };
  }
  return namespaces.includes('net')
    ? null
    : {
        reason: `with the host's network its abstract Unix sockets can be reached, ${lacking}`,
        mend: "set scope: false to allow it, net: 'none' to avoid it",
      };
}

/** What the cell shares with the host although it must not reach it: left to the filter. */
export function planShared(
  context: PlanContext,
  { net }: CellPolicy,
  namespaces: readonly NamespaceName[],
  { memory }: CellLimits,
): Shared {
  const { backend, ownHostId } = context;
  return {
    network: net === 'none' && !namespaces.includes('net'),
    unixSockets: !backend.ownTree && landlockAbi(context) < SOCKETS_ABI,
    ipc: !namespaces.includes('ipc'),
    processes: !namespaces.includes('pid') && !ownHostId,
    fileOwner: !backend.ownTree && !ownHostId,
    unseenMemory: memory?.by === 'sampling',
  };
}
