/** Which promise a refused call would have needed. */

import { OPENS } from '../policy/promises/files.js';
import { promisedCalls, type SignalTargets } from '../policy/promises.js';
import type { SeccompArch, SeccompCall } from '../policy/seccomp-types.js';
import type { PledgePromise } from '../policy/types.js';
import { PROMISES } from '../policy/vocabulary.js';
import { ALLOW } from './answer.js';
import { resolveCall } from './call.js';
import { decide } from './explain.js';
import { resolvePolicy } from './resolve.js';
import type { ResolvedPolicy } from './resolved.js';

/**
 * The first promise that, added to those held, would have allowed the call; undefined where none would, or those held do.
 *
 * @param byPath without `rpath`, opening a file for reading was refused for its path, whatever the promises say of the call
 */
export function promiseFor(
  call: SeccompCall,
  held: readonly PledgePromise[],
  { signals = 'any', byPath = false }: { signals?: SignalTargets; byPath?: boolean } = {},
): PledgePromise | undefined {
  const data = resolveCall(call);
  const allows = (promises: readonly PledgePromise[]): boolean =>
    decide(promised(promises, call.arch, signals), data).answer === ALLOW;
  if (allows(held)) {
    return byPath && !held.includes('rpath') && OPENS.some(({ call: name }) => name === data.name)
      ? 'rpath'
      : undefined;
  }
  return PROMISES.filter((promise) => promise !== 'error' && !held.includes(promise)).find((promise) =>
    allows([...held, promise]),
  );
}

// A storm of violations is named a hundred times.
const MOST_KEPT = 256;
const resolved = new Map<string, ResolvedPolicy>();

function promised(promises: readonly PledgePromise[], arch: SeccompArch, signals: SignalTargets): ResolvedPolicy {
  const key = JSON.stringify([promises, arch, signals]);
  let policy = resolved.get(key);
  if (policy === undefined) {
    const refused = 'kill-process';
    policy = resolvePolicy(
      promisedCalls(promises, { violation: refused, unknown: refused, foreign: refused, arch, signals }),
      [],
    );
    if (resolved.size >= MOST_KEPT) {
      resolved.clear();
    }
    resolved.set(key, policy);
  }
  return policy;
}
