// libseccomp as a second opinion: builds bench/seccomp/libseccomp.c and hands policies to it.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const folder = fileURLToPath(new URL('.', import.meta.url));
export const workFolder = fileURLToPath(new URL('../../.cache/bench-seccomp/', import.meta.url));

/** enum scmp_compare. */
const OPERATORS = { '!=': 1, '<': 2, '<=': 3, '==': 4, '>=': 5, '>': 6, '&==': 7 };
const ANSWERS = { allow: 0x7fff0000, log: 0x7ffc0000, trap: 0x00030000, 'kill-process': 0x80000000 };
const ERRNO = 0x00050000;
const NAMES = { x86_64: 'x86_64', x86: 'x86', x32: 'x32' };

/** Compiles one of this folder's C programs. */
export function build(name, ...libraries) {
  mkdirSync(workFolder, { recursive: true });
  const output = path.join(workFolder, name);
  execFileSync('cc', ['-O2', '-o', output, path.join(folder, `${name}.c`), ...libraries]);
  return output;
}

function answerOf(action) {
  return typeof action === 'string'
    ? ANSWERS[action]
    : ERRNO | (action.errno === 'EPERM' ? 1 : action.errno === 'ENOSYS' ? 38 : action.errno);
}

/**
 * The program that libseccomp makes of a policy, whose rules must not overlap with different actions.
 * @returns {Uint8Array | undefined} undefined when it does not finish
 */
export function libseccomp(executable, policy, optimize) {
  const lines = (policy.architectures ?? ['x86_64']).slice(1).map((arch) => `arch ${NAMES[arch]}`);
  for (const { syscalls, action, args = [] } of policy.rules) {
    for (const syscall of [syscalls].flat()) {
      const conditions = args.map(({ index, op, value, mask }) => {
        const whole = (number) => String(BigInt.asUintN(64, BigInt(number)));
        return mask === undefined
          ? `${index} ${OPERATORS[op]} ${whole(value)} 0`
          : `${index} ${OPERATORS[op]} ${whole(mask)} ${whole(value)}`;
      });
      // Its own rule that equals the default action is an error to libseccomp.
      if (answerOf(action) !== answerOf(policy.defaultAction)) {
        lines.push([answerOf(action), syscall, ...conditions].join(' '));
      }
    }
  }
  try {
    return execFileSync(executable, [String(optimize), String(answerOf(policy.defaultAction))], {
      input: `${lines.join('\n')}\n`,
      timeout: 3000,
      maxBuffer: 1 << 24,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
}
