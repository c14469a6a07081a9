/** From names to numbers: what of a policy depends on architectures. Collects everything that is wrong. */

import type { PolicyIssue } from '../errors.js';
import { unsupported } from '../errors.js';
import { unknownWord } from '../policy/issues.js';
import { formatPath, type PathPart } from '../policy/path.js';
import type { ArgCondition, SeccompAction, SeccompArch, SeccompPolicy, SeccompRule } from '../policy/seccomp-types.js';
import { hostArch } from '../policy/syscalls/arch.js';
import { syscallName, syscallNames, syscallNumber, X32_BIT } from '../policy/syscalls/lookup.js';
import { argumentWidth } from '../policy/syscalls/widths.js';
import { ALLOW, answerOf, refuses } from './answer.js';
import { multiplexed, SELECTOR } from './multiplexed.js';
import type { ResolvedArch, ResolvedCondition, ResolvedPolicy, ResolvedRule } from './resolved.js';

const SHORT_REGISTERS: ReadonlySet<SeccompArch> = new Set<SeccompArch>(['x86', 'arm']);
/**
 * Of 32-bit x86: old_mmap and old_select (arch/x86/entry/syscalls/syscall_32.tbl) take one pointer to all arguments. As with the multiplexers, a rule
 * with conditions limits the whole call.
 */
const ARGUMENTS_BEHIND_POINTER: ReadonlySet<string> = new Set(['mmap', 'select']);

const KILL_PROCESS: SeccompAction = 'kill-process';
const NOT_IMPLEMENTED: SeccompAction = { errno: 'ENOSYS' };
/** A number that a tracer writes to have the call skipped: of no architecture's table. */
const SKIPPED_CALL = 0xffffffff;

/** A policy that has passed its schema. Issues are added to `issues`; the result is of use only when there are none. */
export function resolvePolicy(
  policy: SeccompPolicy,
  issues: PolicyIssue[],
  base: readonly PathPart[] = [],
  mayPretend = false,
): ResolvedPolicy {
  return new Resolver(policy, issues, base, mayPretend).resolve();
}

/** A system call that a rule is about; without a name where this version has none. */
type Subject = readonly [name: string | undefined, arch: SeccompArch];

class Resolver {
  readonly #policy: SeccompPolicy;
  readonly #issues: PolicyIssue[];
  readonly #base: readonly PathPart[];
  readonly #mayPretend: boolean;
  readonly #spelling = new Map<number, SeccompAction>();
  readonly #archs: readonly SeccompArch[];

  constructor(policy: SeccompPolicy, issues: PolicyIssue[], base: readonly PathPart[], mayPretend: boolean) {
    this.#policy = policy;
    this.#mayPretend = mayPretend;
    this.#issues = issues;
    this.#base = base;
    this.#archs = this.#architectures();
  }

  resolve(): ResolvedPolicy {
    const { defaultAction, foreignArchAction = KILL_PROCESS, unknownSyscallAction, rules } = this.#policy;
    const defaultAnswer = this.#answer(defaultAction, ['defaultAction']);
    const unknown = unknownSyscallAction ?? (refuses(defaultAnswer) ? NOT_IMPLEMENTED : defaultAction);
    for (const [index, rule] of rules.entries()) {
      this.#checkRule(rule, ['rules', index]);
    }
    const usable = this.#issues.length === 0;
    return {
      defaultAnswer,
      foreignAnswer: this.#answer(foreignArchAction, ['foreignArchAction']),
      unknownAnswer: this.#answer(unknown, ['unknownSyscallAction']),
      architectures: usable ? this.#archs.map((arch) => this.#resolveArch(arch)) : [],
      spelling: this.#spelling,
    };
  }

  #issue(code: string, path: readonly PathPart[], message: string): void {
    this.#issues.push({ code, path: formatPath([...this.#base, ...path]), message });
  }

  #architectures(): readonly SeccompArch[] {
    const written = this.#policy.architectures;
    if (written === undefined) {
      const own = hostArch();
      if (own === undefined) {
        throw unsupported(
          'a filter for this machine',
          `no table of system calls for ${process.arch}`,
          'name architectures in the policy',
        );
      }
      return [own];
    }
    if (written.length === 0) {
      this.#issue('out-of-range', ['architectures'], 'must name at least one architecture');
    }
    for (const [index, arch] of written.entries()) {
      if (written.indexOf(arch) !== index) {
        this.#issue('duplicate', ['architectures', index], `${arch} is named twice`);
      }
    }
    return written;
  }

  #answer(action: SeccompAction, path: readonly PathPart[]): number {
    const answer = answerOf(action, this.#mayPretend);
    if (typeof answer !== 'number') {
      this.#issue('out-of-range', path, answer.problem);
      return 0;
    }
    if (!this.#spelling.has(answer)) {
      this.#spelling.set(answer, action);
    }
    return answer;
  }

  #checkRule(rule: SeccompRule, path: readonly PathPart[]): void {
    this.#answer(rule.action, [...path, 'action']);
    const listed = Array.isArray(rule.syscalls);
    for (const [index, syscall] of named(rule).entries()) {
      this.#checkSyscall(syscall, listed ? [...path, 'syscalls', index] : [...path, 'syscalls']);
    }
    if (named(rule).length === 0) {
      this.#issue('out-of-range', [...path, 'syscalls'], 'must name at least one system call');
    }
    const subjects = rule.args === undefined ? [] : this.#subjects(rule);
    for (const [index, condition] of (rule.args ?? []).entries()) {
      this.#checkCondition(condition, subjects, [...path, 'args', index]);
    }
  }

  #checkSyscall(syscall: string | number, path: readonly PathPart[]): void {
    if (typeof syscall === 'string') {
      if (!syscallNames().has(syscall)) {
        this.#issues.push(unknownCall(syscall, formatPath([...this.#base, ...path]), this.#issues));
      }
    } else if (this.#archs.length > 0 && !this.#archs.some((arch) => numberOn(syscall, arch) !== undefined)) {
      this.#issue('out-of-range', path, `${syscall} is a number of x32, which the policy's architectures do not name`);
    }
  }

  #checkCondition(condition: ArgCondition, subjects: readonly Subject[], path: readonly PathPart[]): void {
    if ((condition.op === '&==') !== (condition.mask !== undefined)) {
      const message = condition.mask === undefined ? "is missing, needed with '&=='" : "is only for '&=='";
      this.#issue(condition.mask === undefined ? 'missing' : 'conflict', [...path, 'mask'], message);
    }
    const widths = new Set(
      subjects.map(([syscall, arch]) => condition.width ?? argumentWidth(syscall, condition.index, arch)),
    );
    for (const width of widths) {
      for (const member of ['value', 'mask'] as const) {
        const written = condition[member];
        if (written !== undefined && !fits(BigInt(written), width)) {
          const mend =
            condition.width === undefined
              ? ': the kernel looks at no more of it; width: 64 compares the whole register'
              : '';
          this.#issue(
            'out-of-range',
            [...path, member],
            `${String(written)} does not fit into the ${width} bits of the argument${mend}`,
          );
          return;
        }
      }
    }
  }

  /** The calls of a rule by name, on each of the architectures that has them. */
  #subjects(rule: SeccompRule): Subject[] {
    return named(rule).flatMap((syscall) =>
      this.#archs.flatMap((arch): Subject[] => {
        const number = typeof syscall === 'string' ? syscallNumber(syscall, arch) : numberOn(syscall, arch);
        return number === undefined ? [] : [[typeof syscall === 'string' ? syscall : syscallName(number, arch), arch]];
      }),
    );
  }

  /** Limits first: what cannot be checked is closed wherever in the policy the rule stands that asks for it. */
  #resolveArch(arch: SeccompArch): ResolvedArch {
    const rules: ResolvedRule[] = [];
    const decided = new Set<string>();
    for (const [source, rule] of this.#policy.rules.entries()) {
      const answer = this.#answer(rule.action, []);
      rules.push(...this.#ownRules(rule, source, answer, arch));
      if (arch === 'x86') {
        rules.push(...multiplexedRules(rule, source, answer, decided));
      }
    }
    return { arch, rules: [...rules.filter(({ limit }) => limit), ...rules.filter(({ limit }) => !limit)] };
  }

  /** One rule for each way in which the rule's calls differ in the widths of the compared arguments. */
  #ownRules(rule: SeccompRule, source: number, answer: number, arch: SeccompArch): ResolvedRule[] {
    const groups = new Map<string, { numbers: number[]; conditions: ResolvedCondition[] }>();
    const behindPointers: number[] = [];
    for (const syscall of named(rule)) {
      const number = typeof syscall === 'string' ? syscallNumber(syscall, arch) : numberOn(syscall, arch);
      if (number === undefined) {
        continue;
      }
      const name = typeof syscall === 'string' ? syscall : syscallName(number, arch);
      if (arch === 'x86' && (rule.args ?? []).length > 0 && name !== undefined && ARGUMENTS_BEHIND_POINTER.has(name)) {
        behindPointers.push(number);
        continue;
      }
      const widths = (rule.args ?? []).map(({ width, index }) => width ?? argumentWidth(name, index, arch));
      const key = widths.join();
      let group = groups.get(key);
      if (group === undefined) {
        group = {
          numbers: [],
          conditions: (rule.args ?? []).map((condition, index) =>
            resolveCondition(condition, widths[index] ?? 64, arch),
          ),
        };
        groups.set(key, group);
      }
      group.numbers.push(number);
    }
    const closed = behindPointers.length === 0 ? [] : [{ numbers: behindPointers, conditions: [] }];
    return [
      ...closed.map((group) => ({ source, answer, limit: true, ...group })),
      ...[...groups.values()].map((group) => ({ source, answer, limit: false, ...group })),
    ];
  }
}

// Looking for the nearest of all names takes most of a millisecond.
const MOST_SUGGESTIONS = 100;

/** The issue of a name that no architecture has, with a suggestion unless there are many issues already. */
export function unknownCall(name: string, path: string, issues: readonly PolicyIssue[]): PolicyIssue {
  const candidates = issues.length < MOST_SUGGESTIONS ? syscallNames() : [];
  return { code: 'unknown-value', path, message: unknownWord('system call', name, candidates) };
}

function named(rule: SeccompRule): readonly (string | number)[] {
  return typeof rule.syscalls === 'object' ? rule.syscalls : [rule.syscalls];
}

/** A number of the policy as seccomp_data.nr holds it on an architecture; undefined where it is of the other half of x86_64 and x32. */
function numberOn(number: number, arch: SeccompArch): number | undefined {
  const isX32 = number >= X32_BIT && number !== SKIPPED_CALL;
  if (arch === 'x86_64') {
    return isX32 ? undefined : number;
  }
  return arch === 'x32' && number < X32_BIT ? number + X32_BIT : number;
}

function fits(value: bigint, width: 32 | 64): boolean {
  return value >= -(2n ** BigInt(width - 1)) && value < 2n ** BigInt(width);
}

function resolveCondition(
  { index, op, value, mask = 0 }: ArgCondition,
  width: 32 | 64,
  arch: SeccompArch,
): ResolvedCondition {
  // Registers of 32 bits, which seccomp_data holds without their sign: -1 is 0xffffffff there.
  const unsigned = (written: bigint): bigint =>
    BigInt.asUintN(SHORT_REGISTERS.has(arch) && written < 0n && fits(written, 32) ? 32 : width, written);
  return { index, op, wide: width === 64, value: unsigned(BigInt(value)), mask: unsigned(BigInt(mask)) };
}

/**
 * What a rule means for the sub-calls of socketcall and ipc. A limit where its conditions cannot be checked, and where it does more than allow: that
 * the multiplexer itself is allowed further up must not open what the policy refuses by name.
 *
 * @param decided calls that earlier rules without conditions have decided; those of this rule are added
 */
function multiplexedRules(rule: SeccompRule, source: number, answer: number, decided: Set<string>): ResolvedRule[] {
  const conditional = rule.args !== undefined && rule.args.length > 0;
  const calls = new Set<string>();
  for (const syscall of named(rule)) {
    const name = typeof syscall === 'string' ? syscall : syscallName(syscall, 'x86');
    if (name !== undefined) {
      calls.add(name);
    }
  }
  const open = [...calls].filter((name) => conditional || !decided.has(name));
  if (!conditional) {
    calls.forEach((name) => decided.add(name));
  }
  return open.flatMap((name) => {
    const way = multiplexed(name);
    const number = way === undefined ? undefined : syscallNumber(way.multiplexer, 'x86');
    if (way === undefined || number === undefined) {
      return [];
    }
    const selector: ResolvedCondition = {
      index: 0,
      op: '&==',
      wide: false,
      value: BigInt(way.call),
      mask: SELECTOR[way.multiplexer],
    };
    const subCall = { source, answer, numbers: [number], conditions: [selector] };
    const limit = conditional || answer !== ALLOW ? [{ ...subCall, limit: true }] : [];
    const decision = conditional || calls.has(way.multiplexer) ? [] : [{ ...subCall, limit: false }];
    return [...limit, ...decision];
  });
}
