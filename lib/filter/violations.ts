/** Refused calls in words. */

import type { SeccompArch } from '../policy/seccomp-types.js';
import { AUDIT_ARCH } from '../policy/syscalls/arch.js';
import { syscallName, X32_BIT } from '../policy/syscalls/lookup.js';
import type { PledgePromise, Violation } from '../policy/types.js';
import { promiseFor } from './blame.js';

/** As the kernel tells it. */
export interface RefusedCall {
  readonly number: number;
  /** AUDIT_ARCH_*. */
  readonly arch: number;
  readonly args: readonly bigint[];
  readonly pid: number;
  /** Empty: none. */
  readonly path: string;
}

/** @param held promises that were given; null where none were, and none would help */
export function nameViolations(calls: readonly RefusedCall[], held: readonly PledgePromise[] | null): Violation[] {
  return calls.map(({ number, arch, args, pid, path }) => {
    const known = archOf(arch, number);
    const name = known === undefined ? undefined : syscallName(number, known);
    const promise =
      held === null || known === undefined || name === undefined
        ? undefined
        : promiseFor({ arch: known, syscall: number, args }, held, 'any');
    return {
      syscall: name ?? `syscall ${String(number)}`,
      number,
      arch: known ?? `0x${arch.toString(16)}`,
      args: [...args],
      pid,
      ...(promise === undefined ? {} : { promise }),
      ...(path === '' ? {} : { path }),
    };
  });
}

function archOf(audit: number, number: number): SeccompArch | undefined {
  const names = Object.keys(AUDIT_ARCH) as SeccompArch[];
  const found = names.find((name) => AUDIT_ARCH[name] === audit);
  return found === 'x86_64' && number >= X32_BIT ? 'x32' : found;
}
