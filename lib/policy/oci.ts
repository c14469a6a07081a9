/** Seccomp profiles of the OCI runtime specification, with Docker's includes and excludes, as policies of ours. */

import { release } from 'node:os';

import { type PolicyIssue, policyError, unsupported } from '../errors.js';
import { describe, unknownWord } from './issues.js';
import { actionNamed, archNamed, dockerNames, operatorNamed, scmpName } from './oci/names.js';
import { orderRules, type ProfileRule, sameAction } from './oci/order.js';
import { type Condition, type Entry, type Profile, profileSchema, type Selection } from './oci/schema.js';
import { readOptions } from './options.js';
import { formatPath } from './path.js';
import type {
  ArgCondition,
  OciSeccompProfile,
  SeccompAction,
  SeccompArch,
  SeccompPolicy,
  SeccompRule,
} from './seccomp-types.js';
import { checkShape } from './shape.js';
import { Snapshot } from './snapshot.js';
import { archIssue, hostArch } from './syscalls/arch.js';
import { syscallNames } from './syscalls/lookup.js';
import { argumentWidth } from './syscalls/widths.js';
import type { CapabilityName } from './types.js';
import { CAPABILITIES, capabilityName } from './vocabulary.js';

export interface OciOptions {
  /** The machine. Default: this one. */
  arch?: SeccompArch | undefined;
  /** What the program will hold: profiles allow more to those who may do more. Default: none. */
  capabilities?: readonly CapabilityName[] | undefined;
  /** Release of the kernel, such as `'5.15'`. Default: the running one. */
  kernel?: string | undefined;
  /**
   * `'kernel'` (default): arguments that the kernel reads as int compare 32 bits, so that a rule cannot be passed by with a bit above them.
   * `'64'`: whole registers, bit for bit as libseccomp compares.
   */
  argumentWidths?: 'kernel' | '64' | undefined;
  /** For numbers that have no name here. Default `'profile'`: the profile's default action. */
  unknownSyscallAction?: SeccompAction | 'profile' | undefined;
}

const OPTIONS = ['arch', 'capabilities', 'kernel', 'argumentWidths', 'unknownSyscallAction'];

export type ImportedPolicy = SeccompPolicy & { skipped?: string[] };

/**
 * Translates a profile. What has no place in the policy is listed in `skipped`: names that are no system call and no architecture here, rules that a
 * stricter one covers (the same conditions or fewer), and `flags`, `listenerPath`, `listenerMetadata`, which are about installing the filter.
 *
 * @throws ERR_CLOISTER_POLICY with everything that is wrong with the profile; where two rules with different actions match the same call and neither
 * is the narrower one.
 */
export function fromOci(profile: OciSeccompProfile, options: OciOptions = {}): ImportedPolicy {
  const issues: PolicyIssue[] = [];
  const given: OciOptions = readOptions(options, OPTIONS);
  const parsed = parseProfile(profile);
  const target = readTarget(given, issues);
  const entries = (parsed.syscalls ?? []).map((entry, source) => ({ entry, source }));
  const selected = entries.filter(({ entry, source }) => isSelected(entry, target, ['syscalls', source], issues));
  const skipped = new Set(unusedMembers(parsed));
  const byName = collect(selected, target, skipped, issues);
  const defaultAction = readAction(parsed.defaultAction, parsed.defaultErrnoRet, ['defaultErrnoRet'], issues);
  const rules = arrange(byName, defaultAction, skipped, issues);
  const architectures = readArchitectures(parsed, target.arch, skipped, issues);
  if (issues.length > 0) {
    throw policyError(issues, 'OCI seccomp profile');
  }
  const unknown = given.unknownSyscallAction ?? 'profile';
  return {
    defaultAction,
    architectures,
    unknownSyscallAction: unknown === 'profile' ? defaultAction : unknown,
    rules,
    ...(skipped.size > 0 ? { skipped: [...skipped] } : {}),
  };
}

interface Target {
  readonly arch: SeccompArch;
  readonly capabilities: ReadonlySet<string>;
  readonly kernel: readonly [number, number];
  readonly wholeRegisters: boolean;
}

function parseProfile(profile: unknown): Profile {
  const snapshot = new Snapshot();
  const copy = snapshot.take(profile);
  const result = checkShape(profileSchema, snapshot, copy);
  if ('data' in result && snapshot.issues.length === 0) {
    return result.data;
  }
  throw policyError([...snapshot.issues, ...('data' in result ? [] : result.issues)], 'OCI seccomp profile');
}

function readTarget(
  { arch = hostArch(), capabilities = [], kernel = release(), argumentWidths = 'kernel' }: OciOptions,
  issues: PolicyIssue[],
): Target {
  if (arch === undefined) {
    throw unsupported(
      'a filter for this machine',
      `no table of system calls for ${process.arch}`,
      'name the architecture',
    );
  }
  const wrongArch = archIssue(arch, 'arch');
  if (wrongArch !== undefined) {
    issues.push(wrongArch);
  }
  if ((argumentWidths as unknown) !== 'kernel' && (argumentWidths as unknown) !== '64') {
    issues.push({ code: 'unknown-value', path: 'argumentWidths', message: "must be 'kernel' or '64'" });
  }
  const held = new Set<string>();
  if (!Array.isArray(capabilities)) {
    const message = `must be an array of capabilities, not ${describe(capabilities)}`;
    issues.push({ code: 'wrong-type', path: 'capabilities', message });
  }
  const listed: readonly unknown[] = Array.isArray(capabilities) ? capabilities : [];
  for (const [index, written] of listed.entries()) {
    const name = typeof written === 'string' ? capabilityName(written) : undefined;
    if (name === undefined) {
      issues.push({
        code: 'unknown-capability',
        path: `capabilities[${index}]`,
        message:
          typeof written === 'string'
            ? unknownWord('capability', written, CAPABILITIES)
            : `must be the name of a capability, not ${describe(written)}`,
      });
    } else {
      held.add(name);
    }
  }
  return {
    arch,
    capabilities: held,
    kernel: readKernel(kernel, 'kernel', issues),
    wholeRegisters: argumentWidths === '64',
  };
}

function readKernel(written: unknown, path: string, issues: PolicyIssue[]): readonly [number, number] {
  const match = typeof written === 'string' ? /^(\d{1,4})\.(\d{1,4})(?![\d])/.exec(written) : null;
  if (match === null) {
    const found = typeof written === 'string' ? `'${written}'` : describe(written);
    issues.push({ code: 'out-of-range', path, message: `must be a release such as '5.15', not ${found}` });
    return [0, 0];
  }
  return [Number(match[1]), Number(match[2])];
}

/** As Docker decides: all of includes must be so, none of excludes may be. */
function isSelected(
  { includes, excludes }: Entry,
  target: Target,
  path: readonly (string | number)[],
  issues: PolicyIssue[],
): boolean {
  const kernelFrom = (selection: Selection | null | undefined, member: string): boolean | undefined => {
    if (selection?.minKernel === undefined || selection.minKernel === null || selection.minKernel === '') {
      return undefined;
    }
    const [major, minor] = readKernel(selection.minKernel, formatPath([...path, member, 'minKernel']), issues);
    return target.kernel[0] > major || (target.kernel[0] === major && target.kernel[1] >= minor);
  };
  const names = dockerNames(target.arch);
  const holds = (capability: string): boolean => target.capabilities.has(capabilityName(capability) ?? capability);
  const onArch = (arches: readonly string[]): boolean => arches.some((name) => names.includes(name));
  const included =
    (includes?.caps ?? []).every(holds) &&
    ((includes?.arches ?? []).length === 0 || onArch(includes?.arches ?? [])) &&
    kernelFrom(includes, 'includes') !== false;
  const excluded =
    (excludes?.caps ?? []).some(holds) || onArch(excludes?.arches ?? []) || kernelFrom(excludes, 'excludes') === true;
  return included && !excluded;
}

function collect(
  selected: readonly { entry: Entry; source: number }[],
  target: Target,
  skipped: Set<string>,
  issues: PolicyIssue[],
): Map<string, ProfileRule[]> {
  const byName = new Map<string, ProfileRule[]>();
  for (const { entry, source } of selected) {
    const action = readAction(entry.action, entry.errnoRet, ['syscalls', source, 'errnoRet'], issues);
    const old = entry.name ?? '';
    const names = [...(entry.names ?? []), ...(old === '' ? [] : [old])];
    if (old !== '' && names.length > 1) {
      issues.push({
        code: 'conflict',
        path: `syscalls[${source}].name`,
        message: 'is given together with names; only one of the two can hold',
      });
    }
    if (names.length === 0) {
      issues.push({
        code: 'missing',
        path: `syscalls[${source}].names`,
        message: 'must name at least one system call',
      });
    }
    for (const name of new Set(names)) {
      if (!syscallNames().has(name)) {
        skipped.add(name);
        continue;
      }
      const conditions = (entry.args ?? []).map((condition) => readCondition(condition, name, target));
      const rules = byName.get(name) ?? [];
      rules.push({ source, action, conditions });
      byName.set(name, rules);
    }
  }
  return byName;
}

function readAction(
  name: string,
  data: number | null | undefined,
  path: readonly (string | number)[],
  issues: PolicyIssue[],
): SeccompAction {
  const action = actionNamed(name, data ?? undefined) ?? 'kill-process';
  if (typeof action === 'object' && 'errno' in action && (action.errno === 0 || Number(action.errno) > 4095)) {
    issues.push({
      code: 'out-of-range',
      path: formatPath(path),
      message: `must be an error from 1 to 4095, not ${action.errno}`,
    });
  }
  return action;
}

function readCondition(
  { index, value, valueTwo, op }: Condition,
  name: string,
  { wholeRegisters }: Target,
): ArgCondition {
  const place = index as ArgCondition['index'];
  const operator = operatorNamed(op) ?? '==';
  // MASKED_EQ has the mask first.
  const compared = BigInt(operator === '&==' ? (valueTwo ?? 0) : value);
  const mask = operator === '&==' ? BigInt(value) : undefined;
  const constants = mask === undefined ? [compared] : [compared, mask];
  const narrow = !wholeRegisters && argumentWidth(name, index) === 32;
  // -1 and the like, written for a whole register: what the kernel looks at is the lower half.
  const extended = constants.every((constant) => constant < 2n ** 32n || constant >= 2n ** 64n - 2n ** 31n);
  const small = constants.every((constant) => constant < 2n ** 32n);
  if (!wholeRegisters && !narrow && small && argumentWidth(name, index, 'x32') === 32) {
    // Each architecture compares what its kernel looks at.
    return { index: place, op: operator, value: compared, ...(mask === undefined ? {} : { mask }) };
  }
  if (!narrow || !extended) {
    return { index: place, op: operator, value: compared, ...(mask === undefined ? {} : { mask }), width: 64 };
  }
  const half = (constant: bigint): number => Number(BigInt.asUintN(32, constant));
  return {
    index: place,
    op: operator,
    value: half(compared),
    ...(mask === undefined ? {} : { mask: half(mask) }),
    width: 32,
  };
}

/** What tells a runtime how to install the filter and where its listener is: nothing that a policy of ours could say. */
function unusedMembers({ flags, listenerPath, listenerMetadata }: Profile): string[] {
  const isGiven = (text: string | null | undefined): boolean => text !== undefined && text !== null && text !== '';
  return [
    ...(flags ?? []).map((flag) => `flags: ${flag}`),
    ...(isGiven(listenerPath) ? ['listenerPath'] : []),
    ...(isGiven(listenerMetadata) ? ['listenerMetadata'] : []),
  ];
}

/** Rules with conditions first, call by call; then those without, together by action. */
function arrange(
  byName: ReadonlyMap<string, readonly ProfileRule[]>,
  defaultAction: SeccompAction,
  skipped: Set<string>,
  issues: PolicyIssue[],
): SeccompRule[] {
  const conditional: SeccompRule[] = [];
  const plain: { action: SeccompAction; syscalls: string[] }[] = [];
  for (const [name, rules] of byName) {
    const ordered = orderRules(name, rules, defaultAction);
    if ('conflict' in ordered) {
      const [first, second] = ordered.conflict;
      const message = `syscalls[${first.source}] and syscalls[${second.source}] both match some calls of ${name}, with different actions, and neither is the narrower one`;
      issues.push({ code: 'conflict', path: `syscalls[${second.source}]`, message });
      continue;
    }
    for (const { rule, by } of ordered.covered) {
      skipped.add(`syscalls[${rule.source}] on ${name}: syscalls[${by.source}] is stricter and asks for less`);
    }
    for (const { action, conditions } of ordered.rules) {
      if (conditions.length > 0) {
        conditional.push({ syscalls: name, action, args: conditions });
        continue;
      }
      let group = plain.find((other) => sameAction(other.action, action));
      if (group === undefined) {
        group = { action, syscalls: [] };
        plain.push(group);
      }
      if (!group.syscalls.includes(name)) {
        group.syscalls.push(name);
      }
    }
  }
  return [...conditional, ...plain];
}

/** The machine's own architecture is always one of them, as with libseccomp. */
function readArchitectures(
  profile: Profile,
  arch: SeccompArch,
  skipped: Set<string>,
  issues: PolicyIssue[],
): SeccompArch[] {
  const listed = profile.architectures ?? [];
  const mapped = profile.archMap ?? [];
  if (listed.length > 0 && mapped.length > 0) {
    issues.push({
      code: 'conflict',
      path: 'archMap',
      message: 'is given together with architectures; only one of the two can hold',
    });
  }
  const own = mapped.find(({ architecture }) => architecture === scmpName(arch));
  const archs = new Set([arch]);
  for (const name of [...listed, ...(own?.subArchitectures ?? [])]) {
    const known = archNamed(name);
    if (known !== undefined) {
      archs.add(known);
    } else {
      // Calls from there get the action for foreign architectures.
      skipped.add(name);
    }
  }
  return [...archs];
}
