/** From a valid request to the plan of its cell. Looks at the host's files, changes nothing. */

import { notFound, type PolicyIssue, policyError, unsupported } from '../errors.js';
import type { Filtering } from '../policy/filtering.js';
import type { Enforcement } from '../policy/types.js';
import type { Shared } from '../policy/separation.js';
import type { CellPolicy, SpawnRequest } from '../policy/valid.js';
import { requireMeans } from './backends.js';
import { candidates } from './command.js';
import { landlockAbi, type MountTable, mountTable, type PlanContext, type PlanHost, planContext } from './context.js';
import { type DomainWish, planDomain, planHostDomain, withheldReading } from './domain.js';
import { emit } from './emit.js';
import { applyGrants } from './grants.js';
import { planHostTree } from './host-tree.js';
import { planNamespaces, planScopes, planShared } from './isolation.js';
import { type PlannedLimits, planLimits } from './limits.js';
import { Refusal } from './refusal.js';
import { plantRoot } from './roots.js';
import { Tree } from './tree.js';
import type { MountOperation, Plan } from './types.js';

export interface Compiled {
  readonly plan: Plan;
  /** What will be in force if the launcher succeeds; it confirms what it can from the kernel. */
  readonly enforcement: Enforcement;
  /** Directories of the host to create first (mode 0700, existing ones are fine): overlays that keep what is written need them. */
  readonly workDirectories: readonly string[];
}

/** Makes plans for one process. Keeps what is the same for every one of them: the host's mounts and the layout of its root. */
export class Planner {
  readonly #host: PlanHost;
  #mounts: MountTable | null = null;
  readonly #roots = new Map<string, PlantedRoot>();

  constructor(host: PlanHost) {
    this.#host = host;
  }

  /**
   * @throws ERR_CLOISTER_POLICY where the policy does not fit the host's files; ERR_CLOISTER_NOT_FOUND for a path that is not there;
   * ERR_CLOISTER_UNSUPPORTED for what this machine cannot enforce.
   * @param filterFor the filter of a cell that shares this with the host; null: none, for tests of what is planned without one.
   */
  compile<Filter extends Filtering | null>(
    request: SpawnRequest,
    filterFor: (shared: Shared) => Filter,
  ): Compiled & { readonly filtering: Filter } {
    const { policy } = request;
    this.#mounts ??= mountTable(this.#host.files.mounts());
    const context = planContext(this.#host, this.#mounts, policy);
    const { backend } = context;
    const namespaces = planNamespaces(context, policy);
    requireMeans(context, policy);
    requireProc(context);
    const scoped = planScopes(context, policy, namespaces);
    const limits = planLimits(context, policy);
    const filtering = filterFor(planShared(context, policy, namespaces, limits.cell));
    const violations = filtering?.violations ?? null;
    context.missing.push(...(filtering?.missing ?? []));
    const wish = { scoped, violations, tcp: policy.tcp };
    const files = backend.ownTree ? this.#planOwnTree(context, policy, wish) : planInHostTree(context, policy, wish);
    const plan: Plan = {
      version: 1,
      backend: backend.name,
      namespaces,
      identity: { uid: policy.user.uid, gid: policy.user.gid, host: context.ownHostId ? 'unprivileged' : 'caller' },
      hostname: namespaces.includes('uts') ? policy.hostname : '',
      loopback: namespaces.includes('net'),
      scratch: files.scratch,
      mounts: files.mounts,
      capabilities: backend.namespaces.includes('user') ? policy.capabilities : [],
      landlock: files.landlock,
      limits: limits.resources,
      wallTime: limits.wallTime,
      cell: limits.cell,
      terminal: request.pty,
      filter: filtering?.policies ?? null,
      violations,
      command: {
        name: request.command,
        candidates: candidates(request.command, policy),
        argv: [request.argv0, ...request.args],
        environment: files.environment,
        cwd: files.cwd,
      },
    };
    const { workDirectories } = files;
    return { plan, filtering, enforcement: expected(context, plan, limits), workDirectories };
  }

  #planOwnTree(context: PlanContext, policy: CellPolicy, wish: DomainWish): PlannedFiles {
    const { mounts, workDirectories } = this.#planMounts(context, policy);
    const landlock = planDomain(context, mounts, wish);
    const { environment, cwd } = policy;
    return { mounts, landlock, scratch: null, environment, cwd, workDirectories };
  }

  #planMounts(
    context: PlanContext,
    policy: CellPolicy,
  ): { mounts: readonly MountOperation[]; workDirectories: readonly string[] } {
    const issues: PolicyIssue[] = [];
    const planted = reported('root', () => this.#root(context, policy));
    const tree = new Tree(context.files, planted.tree);
    const { workDirectories } = applyGrants(context, tree, policy, issues);
    if (issues.length > 0) {
      throw policyError(issues);
    }
    checkWorkingDirectory(tree, policy.cwd);
    if (tree.root === planted.tree.root) {
      planted.mounts ??= emitTree(context, tree);
      return { mounts: planted.mounts, workDirectories };
    }
    return { mounts: emitTree(context, tree), workDirectories };
  }

  /** The tree before the policy's own grants. A directory that somebody keeps changing is looked at anew each time. */
  #root(context: PlanContext, policy: CellPolicy): PlantedRoot {
    const { root, net, limits, user } = policy;
    if (root.kind !== 'system' && root.kind !== 'empty') {
      return { tree: plantRoot(context, policy), mounts: null };
    }
    const key = [root.kind, net, limits.scratch, user.uid, user.gid, context.degrade].join(' ');
    const known = this.#roots.get(key);
    if (known !== undefined) {
      return known;
    }
    const planted: PlantedRoot = { tree: plantRoot(context, policy), mounts: null };
    if (this.#roots.size >= MOST_ROOTS) {
      this.#roots.clear();
    }
    this.#roots.set(key, planted);
    return planted;
  }
}

/** Where the cell's files come from. */
interface PlannedFiles {
  readonly mounts: readonly MountOperation[];
  readonly landlock: Plan['landlock'];
  readonly scratch: string | null;
  readonly environment: readonly string[];
  readonly cwd: string;
  readonly workDirectories: readonly string[];
}

function planInHostTree(context: PlanContext, policy: CellPolicy, wish: DomainWish): PlannedFiles {
  const { files, scratch, environment, cwd } = planHostTree(context, policy, withheldReading(wish.violations));
  const landlock = planHostDomain(context, files, wish, policy.net);
  return { mounts: [], landlock, scratch, environment, cwd, workDirectories: [] };
}

interface PlantedRoot {
  readonly tree: Tree;
  /** Of a policy that adds nothing; once it has been asked for. */
  mounts: readonly MountOperation[] | null;
}

function emitTree({ files, uid }: PlanContext, tree: Tree): MountOperation[] {
  return reported('mounts', () => emit(tree, { files, uid }));
}

// Policies of one program differ little; a caller that makes up a new uid for every cell must not fill the memory.
const MOST_ROOTS = 64;

function reported<T>(part: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof Refusal) {
      throw policyError([{ code: error.code, path: part, message: error.message }]);
    }
    throw error;
  }
}

function requireProc({ features, backend, degrade, missing }: PlanContext): void {
  if (features.freshProc || !backend.ownTree) {
    return;
  }
  const reason =
    'parts of the /proc in sight are covered, as container engines do, and the kernel then allows no new one in a user namespace';
  if (!degrade) {
    throw unsupported(
      "the cell's own /proc",
      reason,
      "let the container see all of /proc (docker run --security-opt systempaths=unconfined), or set onUnsupported: 'degrade'",
    );
  }
  missing.push({ feature: "the cell's own /proc", reason });
}

function checkWorkingDirectory(tree: Tree, cwd: string): void {
  if (cwd === '/') {
    return;
  }
  const found = reported('cwd', () => tree.locate(cwd));
  if (found.missing.length > 0) {
    throw notFound('cannot use as working directory inside', cwd, { hint: 'put it there with unveil or mounts' });
  }
}

function expected(context: PlanContext, plan: Plan, limits: PlannedLimits): Enforcement {
  return {
    noNewPrivileges: true,
    landlock:
      plan.landlock === null
        ? null
        : {
            abi: landlockAbi(context),
            handledFs: [...(plan.landlock.handledFs ?? [])],
            handledNet: [...(plan.landlock.handledNet ?? [])],
            scoped: [...plan.landlock.scoped],
          },
    seccomp: plan.filter === null ? null : { filters: 1, instructions: 0 },
    namespaces: [...plan.namespaces],
    rootFileSystem: context.backend.rootFileSystem,
    cgroup: limits.cgroup,
    capabilities: [...plan.capabilities],
    limits: limits.mechanisms,
    missing: context.missing,
  };
}
