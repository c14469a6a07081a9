/** Which rule of a policy decides about a call: read from the rules themselves, without a program. */

import { type PolicyIssue, policyError } from '../errors.js';
import type { SeccompAction, SeccompCall, SeccompPolicy } from '../policy/seccomp-types.js';
import { X32_BIT } from '../policy/syscalls/lookup.js';
import { actionOf, strictest } from './answer.js';
import { type CallData, resolveCall } from './call.js';
import { resolveUnknown } from './compile.js';
import type { ResolvedArch, ResolvedCondition, ResolvedPolicy } from './resolved.js';

export interface Explanation {
  action: SeccompAction;
  /** Index of the rule that decided; else which of the policy's general actions did. */
  decidedBy: number | 'defaultAction' | 'unknownSyscallAction' | 'foreignArchAction';
}

/**
 * The action for a call, and what in the policy leads to it.
 *
 * @throws ERR_CLOISTER_POLICY for a wrong policy or a wrong call.
 */
export function explain(policy: SeccompPolicy, call: SeccompCall): Explanation {
  const issues: PolicyIssue[] = [];
  const resolved = resolveUnknown(policy, issues);
  if (issues.length > 0) {
    throw policyError(issues, 'seccomp policy');
  }
  const { answer, decidedBy } = decide(resolved, resolveCall(call));
  return { action: resolved.spelling.get(answer) ?? actionOf(answer), decidedBy };
}

/** The same for what is resolved already. */
export function decide(
  policy: ResolvedPolicy,
  call: CallData,
): { answer: number; decidedBy: Explanation['decidedBy'] } {
  const section = sectionFor(policy, call);
  if (section === undefined) {
    return { answer: policy.foreignAnswer, decidedBy: 'foreignArchAction' };
  }
  const general = call.name === undefined ? 'unknownSyscallAction' : 'defaultAction';
  // The strictest limit so far; it decides unless what follows is stricter.
  let limit: { answer: number; decidedBy: number } | undefined;
  const bounded = (answer: number, decidedBy: Explanation['decidedBy']) =>
    limit !== undefined && strictest(limit.answer, answer) === limit.answer ? limit : { answer, decidedBy };
  for (const rule of section.rules) {
    if (!rule.numbers.includes(call.number) || !rule.conditions.every((condition) => holds(condition, call.args))) {
      continue;
    }
    if (!rule.limit) {
      return bounded(rule.answer, rule.source);
    }
    if (limit === undefined || strictest(limit.answer, rule.answer) !== limit.answer) {
      limit = { answer: rule.answer, decidedBy: rule.source };
    }
  }
  return bounded(call.name === undefined ? policy.unknownAnswer : policy.defaultAnswer, general);
}

/** x32 is told from x86_64 by the number, whichever of the two the call names; -1 is neither's. */
function sectionFor({ architectures }: ResolvedPolicy, { arch, number }: CallData): ResolvedArch | undefined {
  const find = (wanted: string): ResolvedArch | undefined => architectures.find((section) => section.arch === wanted);
  if (arch !== 'x86_64' && arch !== 'x32') {
    return find(arch);
  }
  if (number === 0xffffffff) {
    return find('x86_64') ?? find('x32');
  }
  return find(number >= X32_BIT ? 'x32' : 'x86_64');
}

function holds({ index, op, wide, value, mask }: ResolvedCondition, args: readonly bigint[]): boolean {
  const seen = BigInt.asUintN(wide ? 64 : 32, args[index] ?? 0n);
  switch (op) {
    case '==':
      return seen === value;
    case '!=':
      return seen !== value;
    case '<':
      return seen < value;
    case '<=':
      return seen <= value;
    case '>':
      return seen > value;
    case '>=':
      return seen >= value;
    case '&==':
      return (seen & mask) === value;
  }
}
