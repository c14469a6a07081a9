/** Architectures as filters tell them apart. */

import type { PolicyIssue } from '../../errors.js';
import { describe, unknownWord } from '../issues.js';
import type { SeccompArch } from '../seccomp-types.js';
import { ARCHITECTURES } from '../vocabulary.js';

/** AUDIT_ARCH_*, linux/audit.h: what seccomp_data.arch holds. x32 shares that of x86_64. */
export const AUDIT_ARCH: Readonly<Record<SeccompArch, number>> = {
  x86_64: 0xc000003e,
  x86: 0x40000003,
  x32: 0xc000003e,
  aarch64: 0xc00000b7,
  arm: 0x40000028,
  riscv64: 0xc00000f3,
};

const OF_NODE: Readonly<Record<string, SeccompArch>> = {
  x64: 'x86_64',
  ia32: 'x86',
  arm64: 'aarch64',
  arm: 'arm',
  riscv64: 'riscv64',
};

/** The architecture that this process runs as; undefined where filters of ours do not exist. */
export function hostArch(): SeccompArch | undefined {
  return Object.hasOwn(OF_NODE, process.arch) ? OF_NODE[process.arch] : undefined;
}

/** Arguments are passed in registers of 32 bits: the kernel shows filters zero in the upper half. */
export function hasShortRegisters(arch: SeccompArch): boolean {
  return arch === 'x86' || arch === 'arm';
}

/** What is wrong with an argument that should be an architecture. */
export function archIssue(value: unknown, path: string): PolicyIssue | undefined {
  if ((ARCHITECTURES as readonly unknown[]).includes(value)) {
    return undefined;
  }
  const message =
    typeof value === 'string'
      ? unknownWord('architecture', value, ARCHITECTURES)
      : `must be an architecture, not ${describe(value)}`;
  return { code: 'unknown-value', path, message };
}
