/** The border of restrictSelf: see parse.ts. */

import { type PolicyIssue, policyError } from '../errors.js';
import { resolveFrom } from '../util/paths.js';
import { type Caller, currentCaller } from './caller.js';
import { normalizePorts, normalizeViolation, unveilPath } from './normalize.js';
import { validate } from './parse.js';
import { restrictionSchema } from './schema.js';
import { Snapshot } from './snapshot.js';
import type { OciSeccompProfile, OnUnsupported, OnViolation, PledgePromise, SeccompPolicy } from './types.js';
import type { TcpPorts, UnveilEntry } from './valid.js';

/** What a process gives up, defaults filled in. Null: not restricted in this respect. */
export interface SelfPolicy {
  readonly pledge: readonly PledgePromise[] | null;
  readonly unveil: readonly UnveilEntry[] | null;
  readonly tcp: TcpPorts | null;
  /** Undefined: the default, which is left out where it would part threads from each other. */
  readonly scope: boolean | undefined;
  readonly seccomp: SeccompPolicy | OciSeccompProfile | null;
  /** To keep. Null: all, since nothing else is asked for. */
  readonly capabilities: readonly string[] | null;
  readonly onViolation: OnViolation;
  readonly onUnsupported: OnUnsupported;
}

/** @throws ERR_CLOISTER_POLICY with every issue. */
export function parseRestriction(policy: unknown, caller: Caller = currentCaller()): SelfPolicy {
  const snapshot = new Snapshot();
  const parsed = validate(snapshot, snapshot.take(policy), restrictionSchema, []);
  const issues: PolicyIssue[] = [];
  const { pledge, unveil, tcp, scope, seccomp, capabilities, onUnsupported = 'error' } = parsed;
  const entries = unveil === undefined ? null : readUnveil(unveil, caller, issues);
  if (issues.length > 0) {
    throw policyError(issues);
  }
  const restricts = [pledge, unveil, tcp, scope, seccomp, capabilities].some((member) => member !== undefined);
  return {
    pledge: pledge ?? null,
    unveil: entries,
    tcp: normalizePorts(tcp),
    scope,
    seccomp: seccomp ?? null,
    capabilities: restricts ? [...new Set(capabilities ?? [])].sort() : null,
    onViolation: normalizeViolation(parsed),
    onUnsupported,
  };
}

function readUnveil(unveil: Readonly<Record<string, string>>, caller: Caller, issues: PolicyIssue[]): UnveilEntry[] {
  const entries = new Map<string, UnveilEntry>();
  for (const [written, text] of Object.entries(unveil)) {
    const path = resolveFrom(written.startsWith('/') ? '/' : caller.cwd(), caller.home(), written);
    const letters = ['r', 'w', 'x', 'c'].filter((letter) => text.includes(letter)).join('');
    const other = entries.get(path);
    if (other !== undefined && other.letters !== letters) {
      issues.push({
        code: 'duplicate',
        path: unveilPath(written),
        message: `is the same path as ${unveilPath(other.written)}, with other letters`,
      });
      continue;
    }
    entries.set(path, {
      written,
      path,
      letters,
      permissions:
        letters === ''
          ? null
          : {
              read: letters.includes('r'),
              write: letters.includes('w'),
              execute: letters.includes('x'),
              create: letters.includes('c'),
            },
    });
  }
  return [...entries.values()];
}
