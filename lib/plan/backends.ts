/** The ways to build a cell, and what each can do. Nothing else asks which one it is: what differs is in the plan. */

import { unsupported } from '../errors.js';
import type { HostFeatures, Support } from '../host/types.js';
import { HOSTNAME } from '../policy/defaults.js';
import type { CellPolicy } from '../policy/valid.js';
import type { Enforcement } from '../policy/types.js';
import type { NamespaceName } from './types.js';

/** A part of a policy that a backend has no means for. */
interface Lack {
  readonly feature: string;
  readonly asked: (policy: CellPolicy) => boolean;
  readonly reason: string;
  /** There is nothing to go on with: an error whatever `onUnsupported` says. */
  readonly essential?: true;
}

export interface Backend {
  readonly name: Support['backends'][number];
  /** What its cells are built with, and what they cannot be built without. */
  readonly namespaces: readonly NamespaceName[];
  readonly essential: readonly NamespaceName[];
  /** The cell has a file tree of its own; else it stands in the host's, and Landlock says what it may do there. */
  readonly ownTree: boolean;
  readonly rootFileSystem: Enforcement['rootFileSystem'];
  readonly lacks: readonly Lack[];
  /** Namespaces that this machine gives it. */
  readonly available: (host: BackendHost) => readonly NamespaceName[];
  /** What of the machine's features it can make use of. */
  readonly features: (features: HostFeatures) => HostFeatures;
}

export interface BackendHost {
  readonly support: Support;
  readonly features: HostFeatures;
}

const ALL: readonly NamespaceName[] = ['user', 'mount', 'pid', 'net', 'ipc', 'uts', 'cgroup'];

/** Both ids are the host's where no user namespace maps them. */
const HOST_IDS: readonly Lack[] = [
  {
    feature: 'user: {uid, gid}',
    asked: ({ user }) => user.changed,
    reason: 'without a user namespace the cell sees the ids that it has on the host',
  },
  {
    feature: 'capabilities',
    asked: ({ capabilities }) => capabilities.length > 0,
    reason: 'without a user namespace a capability is one over the host',
  },
];

const NAMESPACES: Backend = {
  name: 'namespaces',
  namespaces: ALL,
  essential: ['user', 'mount', 'pid'],
  ownTree: true,
  rootFileSystem: 'pivot_root',
  lacks: [],
  available: ({ support }) => ALL.filter((name) => support.namespaces[name]),
  features: (features) => features,
};

const CHROOT: Backend = {
  name: 'chroot',
  namespaces: ALL.filter((name) => name !== 'user'),
  essential: ['mount', 'pid'],
  ownTree: true,
  rootFileSystem: 'pivot_root',
  lacks: HOST_IDS,
  available: ({ features }) => features.asRoot?.namespaces ?? [],
  // Id maps of mounts are user namespaces. The kernel minds covers in /proc only where there is one (mount_too_revealing).
  features: (features) => ({
    ...features,
    idMappedBinds: false,
    freshProc: true,
    overlay: features.asRoot?.overlay ?? false,
  }),
};

const LANDLOCK: Backend = {
  name: 'landlock',
  namespaces: [],
  essential: [],
  ownTree: false,
  rootFileSystem: 'landlock',
  lacks: [
    ...HOST_IDS,
    {
      feature: 'root: {directory}',
      asked: ({ root }) => root.kind === 'directory',
      reason: 'without a mount namespace the cell has the root directory of the host',
      essential: true,
    },
    {
      feature: 'mounts',
      asked: ({ mounts }) => mounts.some((mount) => mount.type !== 'bind' || mount.source !== mount.target),
      reason: 'without a mount namespace nothing can be shown at another place, or made there',
    },
    {
      feature: 'hostname',
      asked: ({ hostname }) => hostname !== HOSTNAME,
      reason: "without a UTS namespace there is only the host's name",
    },
    {
      feature: 'limits.scratch',
      asked: ({ limits }) => limits.asked.includes('scratch'),
      reason: 'the scratch directory lies on the disk of the host, where no limit of its own holds',
    },
  ],
  available: () => [],
  features: (features) => ({ ...features, processesPerNamespace: false }),
};

const BACKENDS: Readonly<Record<Support['backends'][number], Backend>> = {
  namespaces: NAMESPACES,
  chroot: CHROOT,
  landlock: LANDLOCK,
};

/** @throws ERR_CLOISTER_UNSUPPORTED where the backend, or any, does not work here. */
export function chooseBackend({ support, features }: BackendHost, policy: CellPolicy): Backend {
  const degrade = policy.onUnsupported === 'degrade';
  const name = policy.backend === 'auto' ? strongest(support, features, degrade) : policy.backend;
  const partly = degrade && name === 'landlock' && support.landlock !== null;
  if (support.platform !== 'linux' || name === 'namespaces' || support.backends.includes(name) || partly) {
    // Namespaces that do not work are told one by one.
    return BACKENDS[name];
  }
  throw unsupported(`backend: '${name}'`, ...whyNot(name, support, features));
}

function strongest(support: Support, features: HostFeatures, degrade: boolean): Backend['name'] {
  // A cell that lacks /proc alone is still narrower than one without any namespace.
  const lacksProc = degrade && features.failure?.stage === 'procmount';
  const [best] = support.backends;
  if (best !== undefined && !lacksProc) {
    return best;
  }
  return degrade && !lacksProc && support.landlock !== null ? 'landlock' : 'namespaces';
}

/** What host/probe.ts asks for. */
const SCOPE_ABI = 'which cannot keep signals in; that takes ABI 6 (Linux 6.12)';
const TRUNCATE_ABI = 'which does not keep files from being truncated; that takes ABI 3 (Linux 6.2)';

function whyNot(name: 'landlock' | 'chroot', { landlock }: Support, { realRoot }: HostFeatures): [string, string] {
  if (name === 'chroot') {
    return realRoot
      ? ['this process may not make a mount and a pid namespace, although it is root', 'see cloister probe']
      : ['it takes the root of the host', "use backend: 'auto', which picks what works here"];
  }
  return landlock === null
    ? ['this kernel has no Landlock', 'it takes CONFIG_SECURITY_LANDLOCK, and landlock among lsm= (Linux 5.13)']
    : [
        `this kernel has Landlock ABI ${String(landlock.abi)}, ${realRoot ? TRUNCATE_ABI : SCOPE_ABI}`,
        "set onUnsupported: 'degrade' to go on without, and see what is missing in the enforcement",
      ];
}

/** What the backend has no means for: an error, or named in what is missing. */
export function requireMeans(context: MeansContext, policy: CellPolicy): void {
  const { backend, support, degrade, missing } = context;
  for (const { feature, asked, reason, essential = false } of backend.lacks) {
    if (!asked(policy)) {
      continue;
    }
    const because = `backend '${backend.name}': ${reason}${whyThisOne(backend, support)}`;
    if (essential || !degrade) {
      throw unsupported(feature, because, essential ? 'see cloister probe' : NAMES_DEGRADE);
    }
    missing.push({ feature, reason: because });
  }
}

interface MeansContext {
  readonly backend: Backend;
  readonly support: Support;
  readonly degrade: boolean;
  readonly missing: Enforcement['missing'];
}

const NAMES_DEGRADE = "leave it out, or set onUnsupported: 'degrade' to go on without";

function whyThisOne({ name }: Backend, { namespacesBlockedBy }: Support): string {
  return name === 'namespaces' || namespacesBlockedBy === undefined
    ? ''
    : `. Namespaces do not work here: ${namespacesBlockedBy}`;
}
