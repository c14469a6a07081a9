/** What is in force in this process, by what the kernel said of each thread. */

import { CAPABILITIES } from '../native/encode.js';
import { FS_MASKS, NET_MASKS, SCOPE_MASKS } from '../native/landlock-masks.js';
import type { RestrictResult } from '../native/restrict-functions.js';
import type { LandlockKernel, Missing } from '../plan/landlock.js';
import type { Enforcement } from '../policy/types.js';

export function report(result: RestrictResult, { abi }: LandlockKernel, missing: Missing[]): Enforcement {
  const handled = result.handledFs !== 0 || result.handledNet !== 0 || result.scoped !== 0;
  return {
    noNewPrivileges: result.noNewPrivileges,
    landlock: handled
      ? {
          abi,
          handledFs: namesOf(result.handledFs, FS_MASKS),
          handledNet: namesOf(result.handledNet, NET_MASKS),
          scoped: namesOf(result.scoped, SCOPE_MASKS),
        }
      : null,
    seccomp: result.filters === 0 ? null : { filters: result.filters, instructions: result.instructions },
    namespaces: [],
    // Moving alone is handled where the domain is about something else.
    rootFileSystem: (result.handledFs & ~FS_MASKS.refer) === 0 ? 'unrestricted' : 'landlock',
    cgroup: null,
    capabilities: CAPABILITIES.filter((_, bit) => ((result.capabilities >> BigInt(bit)) & 1n) !== 0n),
    threads: result.threads,
    missing: [...missing],
  };
}

function namesOf(bits: number, masks: Readonly<Record<string, number>>): string[] {
  return Object.entries(masks)
    .filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name);
}
