/** Schema of filters. Whether names and numbers of system calls exist is for the compiler to say: it depends on the architecture. */

import * as z from './zod.js';

import { describe } from './issues.js';
import { count, oneOf, type Schema, scalar, strict } from './schema-parts.js';
import type { OciSeccompProfile, SeccompAction, SeccompPolicy } from './seccomp-types.js';
import { ARCHITECTURES } from './vocabulary.js';

const ACTION_WORDS = ['allow', 'log', 'notify', 'trap', 'kill-thread', 'kill-process'] as const;

// SECCOMP_RET_DATA: 16 bits. Errno values end at MAX_ERRNO, err.h.
const LARGEST_DATA = 0xffff;
const LARGEST_ERRNO = 4095;

const action: Schema<SeccompAction> = z.union([
  oneOf(ACTION_WORDS),
  strict({
    errno: scalar(
      'out-of-range',
      {
        anyOf: [
          { type: 'integer', minimum: 0, maximum: LARGEST_ERRNO },
          { type: 'string', pattern: '^E[A-Z0-9]+$' },
        ],
      },
      readErrno,
    ),
  }),
  strict({ trace: count(0, LARGEST_DATA) }),
]);

function readErrno(value: unknown): { value: number | string } | { problem: string } {
  const known =
    typeof value === 'number'
      ? Number.isInteger(value) && value >= 0 && value <= LARGEST_ERRNO
      : typeof value === 'string' && /^E[A-Z0-9]+$/.test(value);
  return known
    ? { value: value as number | string }
    : { problem: `must be an errno from 0 to ${String(LARGEST_ERRNO)} or its name, not ${describe(value)}` };
}

/** What fits into 64 bits, signed or not. A number beyond 2^53 has already lost digits. */
const word: Schema<number | bigint> = scalar<number | bigint>('out-of-range', { type: 'integer' }, (value) => {
  if (typeof value === 'bigint') {
    return value >= -(2n ** 63n) && value < 2n ** 64n ? { value } : { problem: 'does not fit into 64 bits' };
  }
  return typeof value === 'number' && Number.isSafeInteger(value)
    ? { value }
    : { problem: `must be a whole number that is exact, or a bigint, not ${describe(value)}` };
});

const width: Schema<32 | 64> = scalar('unknown-value', { enum: [32, 64] }, (value) =>
  value === 32 || value === 64 ? { value } : { problem: `must be 32 or 64, not ${describe(value)}` },
);

const condition = strict({
  index: count(0, 5),
  op: oneOf(['==', '!=', '<', '<=', '>', '>=', '&==']),
  value: word,
  mask: z.optional(word),
  width: z.optional(width),
});

const syscall: Schema<string | number> = scalar(
  'wrong-type',
  {
    anyOf: [
      { type: 'string', minLength: 1 },
      { type: 'integer', minimum: 0 },
    ],
  },
  (value) =>
    (typeof value === 'string' && value !== '') ||
    (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffffffff)
      ? { value }
      : { problem: `must be the name or the number of a system call, not ${describe(value)}` },
);

const rule = strict({
  syscalls: z.union([syscall, z.array(syscall)], {
    error: 'must be the name or the number of a system call, or an array of them',
  }),
  action,
  args: z.optional(z.array(condition)),
});

export const seccompPolicySchema: Schema<SeccompPolicy> = strict({
  defaultAction: action,
  architectures: z.optional(z.array(oneOf(ARCHITECTURES))),
  foreignArchAction: z.optional(action),
  unknownSyscallAction: z.optional(action),
  rules: z.array(rule),
  // What fromOci() left out: a note, without effect.
  skipped: z.optional(z.array(z.string())),
}) as unknown as Schema<SeccompPolicy>;

/** Only as deep as the type goes: the format is another project's and grows; its reader checks the rest. */
export const ociProfileSchema: Schema<OciSeccompProfile> = z.looseObject({
  defaultAction: z.string().check(z.regex(/^SCMP_ACT_/, 'must be an action such as SCMP_ACT_ERRNO')),
  defaultErrnoRet: z.optional(count(0, LARGEST_ERRNO)),
  syscalls: z.optional(z.array(z.unknown())),
  architectures: z.optional(z.array(z.string())),
  archMap: z.optional(z.array(z.unknown())),
  // Only ours has it.
  rules: z.optional(z.never()),
}) as unknown as Schema<OciSeccompProfile>;
