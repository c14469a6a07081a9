/** Names and numbers of system calls, with arguments checked. */

import { policyError, unsupported } from '../errors.js';
import { describe } from '../policy/issues.js';
import type { SeccompArch } from '../policy/seccomp-types.js';
import { archIssue, hostArch } from '../policy/syscalls/arch.js';
import * as table from '../policy/syscalls/lookup.js';

/** The number of a call, as the kernel shows it to filters: with bit 30 set for x32. Undefined where the architecture does not have the call. */
export function syscallNumber(name: string, arch?: SeccompArch): number | undefined {
  if (typeof name !== 'string') {
    throw policyError(
      [{ code: 'wrong-type', path: 'name', message: `must be a string, not ${describe(name)}` }],
      'argument',
    );
  }
  return table.syscallNumber(name, readArch(arch));
}

/** The name of a call; for x32 the number may be given with or without its bit 30. Undefined for numbers that this version has no name for. */
export function syscallName(number: number, arch?: SeccompArch): string | undefined {
  if (!Number.isInteger(number)) {
    throw policyError(
      [{ code: 'wrong-type', path: 'number', message: `must be a whole number, not ${describe(number)}` }],
      'argument',
    );
  }
  const column = readArch(arch);
  return table.syscallName(
    column === 'x32' && number >= 0 && number < table.X32_BIT ? number + table.X32_BIT : number,
    column,
  );
}

function readArch(arch: SeccompArch | undefined): SeccompArch {
  if (arch === undefined) {
    const own = hostArch();
    if (own === undefined) {
      throw unsupported('system calls of this machine', `no table for ${process.arch}`, 'name the architecture');
    }
    return own;
  }
  const wrong = archIssue(arch, 'arch');
  if (wrong !== undefined) {
    throw policyError([wrong], 'argument');
  }
  return arch;
}
