/** The filter of a cell: the hardening, its promises and its own rules, and who answers for what they refuse. */

import { unsupported } from '../errors.js';
import type { Filtering, ViolationPlan } from '../policy/filtering.js';
import { hardeningPolicy } from '../policy/hardening.js';
import { portPolicy } from '../policy/port-rules.js';
import { cellPromises, readableWithoutPromise } from '../policy/promises/cell.js';
import type { SeccompAction, SeccompPolicy, SeccompRule } from '../policy/seccomp-types.js';
import { separationPolicy, type Shared } from '../policy/separation.js';
import { hostArch } from '../policy/syscalls/arch.js';
import { syscallName } from '../policy/syscalls/lookup.js';
import type { CellPolicy } from '../policy/valid.js';
import { compileMerged } from './compile.js';
import { relabel } from './relabel.js';
import { userPolicy } from './user-policy.js';

const HARDENING = hardeningPolicy();
/** What every cell has without further words. */
const DEFAULT: Filtering = { policies: [HARDENING], violations: null, missing: [] };

/** Errno EPERM, and the question to a listener, as answers of a filter (linux/seccomp.h). */
const REFUSE_QUIETLY = 0x0005_0001;
const ASK = 0x7fc0_0000;

/** Stands for a violation: see Filtering. */
const VIOLATION: SeccompAction = 'kill-process';

export interface FilterHost {
  /** A filter can have a listener here. */
  readonly listener: boolean;
  /** What no namespace keeps the cell away from. */
  readonly shared: Shared;
}

/**
 * @param commands where the command may be, as paths of the cell
 * @throws ERR_CLOISTER_POLICY, ERR_CLOISTER_UNSUPPORTED
 */
export function cellFiltering(policy: CellPolicy, commands: readonly string[], host: FilterHost): Filtering {
  const { pledge, seccomp, capabilities, onViolation, onUnsupported, tcp } = policy;
  const unasked = pledge === null && seccomp === null;
  if (unasked && tcp === null && !sharesAnything(host.shared)) {
    return DEFAULT;
  }
  const key = JSON.stringify(
    unasked
      ? [host.shared, tcp !== null]
      : [
          tcp !== null,
          pledge,
          seccomp,
          capabilities,
          onViolation,
          onUnsupported,
          commands,
          programPlaces(policy),
          host,
        ],
    (_name, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value),
  );
  const known = decided.get(key);
  if (known !== undefined) {
    return known;
  }
  const filtering = unasked ? { ...DEFAULT, policies: hardening(policy, host.shared) } : decide(policy, commands, host);
  if (decided.size >= MOST_KEPT) {
    decided.clear();
  }
  decided.set(key, filtering);
  return filtering;
}

// A server's policies are few; one that makes up a new one for every cell must not fill the memory.
const MOST_KEPT = 64;
const decided = new Map<string, Filtering>();
const programs = new WeakMap<Filtering, Uint8Array>();

function sharesAnything(shared: Shared): boolean {
  return Object.values(shared).includes(true);
}

function hardening({ tcp }: CellPolicy, shared: Shared): SeccompPolicy[] {
  return [
    HARDENING,
    ...(sharesAnything(shared) ? [separationPolicy(shared)] : []),
    ...(tcp === null ? [] : [portPolicy()]),
  ];
}

function decide(policy: CellPolicy, commands: readonly string[], host: FilterHost): Filtering {
  const { pledge, onViolation } = policy;
  const reported = host.listener;
  const missing = reported ? [] : withoutListener(policy);
  // Without a listener the answer to 'log' is the kernel's own log; with one, whatever else a filter refuses stays refused.
  const violation: SeccompAction = onViolation !== 'log' ? VIOLATION : reported ? 'notify' : 'log';
  const own = policy.seccomp === null ? null : userPolicy(policy.seccomp, policy.capabilities);
  const foreign: SeccompAction = onViolation === 'error' ? { errno: 'ENOSYS' } : violation;
  const policies = [
    ...hardening(policy, host.shared),
    ...(pledge === null ? [] : [cellPromises(pledge, { violation, foreign, asked: reported })]),
    ...(own === null ? [] : [answering(own, violation)]),
  ];
  const byPath = pledge !== null && !pledge.includes('rpath') && (own === null || allowsOutright(own, READING));
  const violations: ViolationPlan = {
    answer: onViolation,
    reported,
    held: pledge,
    readable: byPath ? readableWithoutPromise(pledge, commands) : null,
    runnable: byPath ? programPlaces(policy) : [],
  };
  return { policies, violations, missing };
}

const PROGRAMS = ['/bin', '/sbin', '/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/usr/libexec'];

function programPlaces({ environment, unveil }: CellPolicy): string[] {
  const line = environment.find((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? '';
  const shown = unveil.flatMap(({ path, permissions }) => (permissions?.execute === true ? [path] : []));
  return [...new Set([...PROGRAMS, ...line.split(':').filter((path) => path.startsWith('/')), ...shown])];
}

function withoutListener({ pledge, onViolation, onUnsupported }: CellPolicy): Filtering['missing'] {
  const reason =
    'this process has a filter with a listener already, and the kernel allows only one (seccomp_unotify(2)), or the kernel has none';
  const parts = [
    ...(pledge !== null && !pledge.includes('exec') ? ['pledge: one program only, without exec'] : []),
    ...(onViolation === 'log' ? ["onViolation: 'log' tells what was refused"] : []),
  ];
  const [first] = parts;
  if (first !== undefined && onUnsupported !== 'degrade') {
    throw unsupported(first, reason, "set onUnsupported: 'degrade' to go on without");
  }
  return [...parts, 'violations in the outcome'].map((feature) => ({ feature, reason }));
}

const READING = ['open', 'openat'];

/** Whether nothing but 'allow' can be the answer to these calls, as far as that shows without looking at arguments. */
function allowsOutright({ defaultAction, rules }: SeccompPolicy, calls: readonly string[]): boolean {
  return calls.every((call) => {
    const first = rules.find((rule) => names(rule).includes(call));
    return first === undefined
      ? defaultAction === 'allow'
      : first.action === 'allow' && (first.args ?? []).length === 0;
  });
}

function names({ syscalls }: SeccompRule): (string | undefined)[] {
  const list = typeof syscalls === 'object' ? syscalls : [syscalls];
  return list.map((call) => (typeof call === 'number' ? syscallName(call, hostArch() ?? 'x86_64') : call));
}

/** The policy with its own endings as violations. 'trap' stays: it is a signal that the program asked for. */
export function answering(policy: SeccompPolicy, violation: SeccompAction): SeccompPolicy {
  const replaced = (action: SeccompAction): SeccompAction =>
    action === 'kill-process' || action === 'kill-thread' ? violation : action;
  const { defaultAction, foreignArchAction = 'kill-process', unknownSyscallAction, rules } = policy;
  return {
    ...policy,
    defaultAction: replaced(defaultAction),
    foreignArchAction: replaced(foreignArchAction),
    // What it is when it is not said depends on the default action, before that is replaced.
    unknownSyscallAction:
      unknownSyscallAction !== undefined
        ? replaced(unknownSyscallAction)
        : defaultAction === 'allow' || defaultAction === 'log'
          ? defaultAction
          : { errno: 'ENOSYS' },
    rules: rules.map((rule) => ({ ...rule, action: replaced(rule.action) })),
  };
}

/** The one program. */
export function compileFiltering(filtering: Filtering): Uint8Array {
  const known = programs.get(filtering);
  if (known !== undefined) {
    return known;
  }
  const { policies, violations } = filtering;
  const { bytes } = compileMerged(policies);
  const program = violations === null ? bytes : answered(bytes, violations);
  programs.set(filtering, program);
  return program;
}

/** The program with a question to its listener wherever it ends the process. */
export function ask(bytes: Uint8Array): Uint8Array {
  return relabel(bytes, ASK);
}

function answered(bytes: Uint8Array, { answer, reported }: ViolationPlan): Uint8Array {
  if (reported) {
    return ask(bytes);
  }
  return answer === 'error' ? relabel(bytes, REFUSE_QUIETLY) : bytes;
}
