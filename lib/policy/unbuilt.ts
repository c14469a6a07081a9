/**
 * Members of the public policy type that this version validates but cannot carry out. Asking for one is ERR_CLOISTER_UNSUPPORTED whatever
 * `onUnsupported` says: the reason is not this machine, so a program that runs elsewhere would not be narrower either.
 */

import { type CloisterError, unsupported } from '../errors.js';
import type { ParsedPolicy } from './schema.js';

interface UnbuiltPart {
  readonly feature: string;
  readonly asked: (policy: ParsedPolicy) => boolean;
}

/** The only list. A part that gets built loses its line. */
const UNBUILT_IN_CELLS: readonly UnbuiltPart[] = [
  { feature: 'net: {allow}', asked: ({ net }) => typeof net === 'object' },
  { feature: 'appArmorProfile', asked: (policy) => policy.appArmorProfile !== undefined },
  { feature: 'selinuxLabel', asked: (policy) => policy.selinuxLabel !== undefined },
];

/** The error for the parts that were asked for, or null. */
export function unbuiltError(
  policy: ParsedPolicy,
  parts: readonly UnbuiltPart[] = UNBUILT_IN_CELLS,
): CloisterError | null {
  const asked = parts.filter((part) => part.asked(policy)).map(({ feature }) => feature);
  return asked.length === 0
    ? null
    : unsupported(
        asked.join(', '),
        'not built into this version of cloister',
        'leave it out, or use a version that has it',
      );
}
