/** Refused calls in words. */

import type { ViolationPlan } from '../policy/filtering.js';
import type { SeccompArch } from '../policy/seccomp-types.js';
import { AUDIT_ARCH } from '../policy/syscalls/arch.js';
import { syscallName, X32_BIT } from '../policy/syscalls/lookup.js';
import type { Violation } from '../policy/types.js';
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

/** @param plan null: nothing was forbidden. */
export function nameViolations(calls: readonly RefusedCall[], plan: ViolationPlan | null): Violation[] {
  const held = plan?.held ?? null;
  const byPath = plan !== null && plan.readable !== null;
  return calls.map(({ number, arch, args, pid, path }) => {
    const known = archOf(arch, number);
    const name = known === undefined ? undefined : syscallName(number, known);
    const promise =
      held === null || known === undefined || name === undefined
        ? undefined
        : promiseFor({ arch: known, syscall: number, args }, held, { byPath });
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
