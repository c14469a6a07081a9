/** Namespaces and Landlock scopes: what separates the cell's processes from the host's. */

import { unsupported } from '../errors.js';
import type { CellPolicy } from '../policy/valid.js';
import { landlockAbi, type PlanContext } from './context.js';
import type { NamespaceName, Plan } from './types.js';

/** A cell is built with these; there is none without. */
const ESSENTIAL: readonly NamespaceName[] = ['user', 'mount', 'pid'];

const FEATURES: Readonly<Record<NamespaceName, string>> = {
  user: 'a user namespace',
  mount: 'a mount namespace',
  pid: 'a pid namespace',
  net: "net: 'none'",
  ipc: 'System V IPC of its own',
  uts: 'hostname',
  cgroup: 'a cgroup namespace',
};

export function planNamespaces(context: PlanContext, { net }: CellPolicy): NamespaceName[] {
  const { support } = context;
  if (support.platform !== 'linux') {
    throw unsupported('a cell', `${support.platform} is not Linux`, 'run it on Linux');
  }
  const wanted: NamespaceName[] = [...ESSENTIAL, ...(net === 'none' ? (['net'] as const) : []), 'ipc', 'uts', 'cgroup'];
  return wanted.filter((name) => support.namespaces[name] || doWithout(context, name));
}

/** Never returns true: either the policy allows to go on without, or it is an error. */
function doWithout({ support, degrade, missing }: PlanContext, name: NamespaceName): false {
  const reason = support.namespacesBlockedBy ?? 'this kernel was built without it';
  if (!degrade || ESSENTIAL.includes(name)) {
    throw unsupported(
      FEATURES[name],
      reason,
      ESSENTIAL.includes(name) ? 'see cloister probe' : "set onUnsupported: 'degrade' to go on without",
    );
  }
  missing.push({ feature: FEATURES[name], reason });
  return false;
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
  if (!namespaces.includes('net')) {
    const reason =
      "with the host's network its abstract Unix sockets can be reached, and this kernel has no Landlock scopes (Linux 6.12, ABI 6)";
    if (!context.degrade) {
      throw unsupported(
        'scope',
        reason,
        "set scope: false to allow it, net: 'none' to avoid it, or onUnsupported: 'degrade'",
      );
    }
    context.missing.push({ feature: 'scope', reason });
  }
  return [];
}
