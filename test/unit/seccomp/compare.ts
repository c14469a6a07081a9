/** Compares compiled programs with the reference. */

import { compileMerged } from '../../../lib/filter/compile.js';
import type { SeccompAction, SeccompPolicy, SeccompProgram } from '../../../lib/policy/seccomp-types.js';
import { syscallNumber } from '../../../lib/policy/syscalls/lookup.js';
import { numbersOf, Random, randomCall, randomPolicy } from './random-policy.js';
import { type RawCall, reference, strictestOf } from './reference.js';

const ERRNOS: Record<string, number> = { EPERM: 1, EACCES: 13, ENOSYS: 38 };

/** One spelling for each action. */
function plain(action: SeccompAction): string {
  if (typeof action === 'string') {
    return action;
  }
  return 'errno' in action
    ? `errno ${typeof action.errno === 'string' ? ERRNOS[action.errno] : action.errno}`
    : `trace ${action.trace}`;
}

function evaluate(program: SeccompProgram, { machine, number, args }: RawCall): string {
  return plain(program.evaluate({ arch: machine, syscall: number, args }).action);
}

/** Compiles what the seed makes and compares answers; a description of the first difference, or undefined. */
export function differenceFor(seed: number, calls: number): string | undefined {
  const random = new Random(seed);
  const policies: SeccompPolicy[] = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, () => randomPolicy(random));
  const program = compileMerged(policies);
  const numbers = policies.flatMap((policy) => numbersOf(policy, syscallNumber));
  for (let i = 0; i < calls; i++) {
    const call = randomCall(random, random.pick(policies), numbers);
    const expected = plain(policies.map((policy) => reference(policy, call)).reduce(strictestOf));
    const found = evaluate(program, call);
    const cached = program.isCached({
      arch: call.number >= 0x40000000 && call.machine === 'x86_64' ? 'x32' : call.machine,
      syscall: call.number,
    });
    if (found !== expected || (cached && expected !== 'allow')) {
      const print = (value: unknown) =>
        JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member));
      return `seed ${seed}: ${found} instead of ${expected}${cached ? ', cached' : ''}\n${print(call)}\n${print(policies)}`;
    }
  }
  return undefined;
}
