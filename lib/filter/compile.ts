/** Policies in, a filter out. The work is done by native/seccomp; here are its border and its errors. */

import { bug, CloisterError, type PolicyIssue, policyError } from '../errors.js';
import { CompileFailure } from '../native/seccomp-functions.js';
import { describe } from '../policy/issues.js';
import { readOptions } from '../policy/options.js';
import { formatPath } from '../policy/path.js';
import { seccompPolicySchema } from '../policy/schema-seccomp.js';
import type { SeccompAction, SeccompArch, SeccompPolicy, SeccompProgram } from '../policy/seccomp-types.js';
import { checkShape } from '../policy/shape.js';
import { Snapshot } from '../policy/snapshot.js';
import { syscallNames, syscallNumber } from '../policy/syscalls/lookup.js';
import { encodeRequest, type EncodedWeight } from './encode.js';
import { NODE_PROFILE } from './profile.js';
import { CompiledProgram, seccompFunctions } from './program.js';
import { resolvePolicy, unknownCall } from './resolve.js';
import type { ResolvedPolicy } from './resolved.js';

export interface CompileOptions {
  /**
   * How often the filtered program makes which call, by name, relative to each other. The answers do not depend on it, only the time that they
   * take. Default: a Node.js server.
   */
  weights?: Readonly<Record<string, number>> | undefined;
  /** For kernels before 5.11, which have no cache of constant answers. Default false. */
  withoutCache?: boolean | undefined;
}

const LARGEST_WEIGHT = 1_000_000;
/** kMostPolicies of native/seccomp/decode.cc. */
const MOST_POLICIES = 16;

/**
 * Compiles a policy. The same policy gives the same bytes on every machine.
 *
 * @returns a program that was compared with the policy before it is handed out.
 * @throws ERR_CLOISTER_POLICY with everything that is wrong with the policy, or when it takes more than 4096 instructions.
 */
export function compile(policy: SeccompPolicy, options: CompileOptions = {}): SeccompProgram {
  return compileMerged([policy], options);
}

/**
 * Compiles several policies to one program: each call gets the strictest of their answers, as the kernel would give with a filter for each; of equal
 * actions that of the earliest policy. One filter costs less than several: the kernel runs all of them at every call that is not cached.
 *
 * @throws as compile() does; with several policies the places of issues begin with the policy's index.
 */
export function compileMerged(policies: readonly SeccompPolicy[], options: CompileOptions = {}): SeccompProgram {
  const list = readList(policies);
  const issues: PolicyIssue[] = [];
  const resolved = list.map((policy, index) => resolveUnknown(policy, issues, list.length > 1 ? [index] : []));
  return compileResolved(resolved, options, issues);
}

/** The policies of a list. Its length is asked for once: a proxy may answer differently the next time. */
function readList(policies: unknown): unknown[] {
  let problem = { code: 'unreadable', path: '', message: 'cannot be read: reading it throws' };
  try {
    if (Array.isArray(policies)) {
      const { length } = policies;
      if (length >= 1 && length <= MOST_POLICIES) {
        return Array.from({ length }, (_, index) => policies[index] as unknown);
      }
      problem = { code: 'out-of-range', path: '', message: `must be 1 to ${MOST_POLICIES} policies, not ${length}` };
    } else {
      problem = { code: 'wrong-type', path: '', message: `must be an array of policies, not ${describe(policies)}` };
    }
  } catch {
    // A trap of a proxy: the problem is the one named above.
  }
  throw policyError([problem], 'argument');
}

/**
 * The same with layers of cloister's own in front. Their form is not checked again, and they may answer with errno 0: the call seems to succeed, and
 * is not made.
 */
export function compileLayers(own: readonly SeccompPolicy[], policies: readonly SeccompPolicy[]): SeccompProgram {
  const issues: PolicyIssue[] = [];
  const resolved = [
    ...own.map((policy, index) => resolvePolicy(policy, issues, [index], true)),
    ...policies.map((policy, index) => resolveUnknown(policy, issues, [own.length + index])),
  ];
  return compileResolved(resolved, {}, issues);
}

function compileResolved(
  resolved: readonly ResolvedPolicy[],
  options: CompileOptions,
  issues: PolicyIssue[],
): SeccompProgram {
  const { weights = NODE_PROFILE, withoutCache = false } = readOptions(options, ['weights', 'withoutCache']);
  if (typeof withoutCache !== 'boolean') {
    const message = `must be true or false, not ${describe(withoutCache)}`;
    issues.push({ code: 'wrong-type', path: 'withoutCache', message });
  }
  const encoded = readWeights(weights, resolved, issues);
  if (issues.length > 0) {
    throw policyError(issues, 'seccomp policy');
  }
  const result = seccompFunctions().seccompCompile(
    encodeRequest(resolved, { weights: encoded, withoutCache: withoutCache === true }),
  );
  if (!(result instanceof Uint8Array)) {
    throw compileError(result);
  }
  const spelling = new Map<number, SeccompAction>(resolved.flatMap((policy) => [...policy.spelling]).reverse());
  return new CompiledProgram(result, architecturesOf(resolved), spelling);
}

/** What a user wrote, in numbers. Getters run once: what is checked is what is compiled. */
export function resolveUnknown(
  policy: unknown,
  issues: PolicyIssue[],
  base: readonly (string | number)[] = [],
): ResolvedPolicy {
  const snapshot = new Snapshot();
  const copy = snapshot.take(policy);
  const parsed = checkShape(seccompPolicySchema, snapshot, copy, base);
  if ('data' in parsed && snapshot.issues.length === 0) {
    return resolvePolicy(parsed.data, issues, base);
  }
  // One by one: as arguments of one call there could be too many.
  for (const issue of [...snapshot.issues, ...('data' in parsed ? [] : parsed.issues)]) {
    issues.push(issue);
  }
  return { defaultAnswer: 0, foreignAnswer: 0, unknownAnswer: 0, architectures: [], spelling: new Map() };
}

function readWeights(weights: unknown, policies: readonly ResolvedPolicy[], issues: PolicyIssue[]): EncodedWeight[] {
  const encoded: EncodedWeight[] = [];
  if (typeof weights !== 'object' || weights === null || Array.isArray(weights)) {
    issues.push({ code: 'wrong-type', path: 'weights', message: `must be an object, not ${describe(weights)}` });
    return encoded;
  }
  for (const [name, weight] of Object.entries(weights) as [string, unknown][]) {
    const path = formatPath(['weights', name]);
    if (!syscallNames().has(name)) {
      issues.push(unknownCall(name, path, issues));
      continue;
    }
    if (typeof weight !== 'number' || !Number.isInteger(weight) || weight < 0 || weight > LARGEST_WEIGHT) {
      issues.push({ code: 'out-of-range', path, message: `must be a whole number from 0 to ${LARGEST_WEIGHT}` });
      continue;
    }
    for (const arch of architecturesOf(policies)) {
      // x32 shares a tree with x86_64, whose calls are the frequent ones.
      const number = arch === 'x32' ? undefined : syscallNumber(name, arch);
      if (number !== undefined) {
        encoded.push({ arch, number, weight });
      }
    }
  }
  return encoded;
}

function architecturesOf(policies: readonly ResolvedPolicy[]): SeccompArch[] {
  return [...new Set(policies.flatMap(({ architectures }) => architectures.map(({ arch }) => arch)))];
}

function compileError({ kind, detail }: { kind: number; detail: string }): CloisterError {
  if (kind === CompileFailure.tooLong) {
    return new CloisterError(`cannot compile the seccomp policy: it takes ${detail}`, {
      code: 'ERR_CLOISTER_POLICY',
      issues: [{ code: 'too-long', path: '', message: `takes ${detail}` }],
      hint: 'use fewer rules with conditions on arguments',
    });
  }
  return bug(`the seccomp compiler made a program that differs from its policy: ${detail}`);
}
