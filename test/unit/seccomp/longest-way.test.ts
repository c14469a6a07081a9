/** Length of programs, and instructions executed for the number that costs most. Without a bound on the depth of the trees each is one more. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { compile } from '../../../lib/filter/compile.js';
import { fromOci } from '../../../lib/policy/oci.js';
import type { OciSeccompProfile, SeccompPolicy } from '../../../lib/policy/seccomp-types.js';

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8'));
const docker = fromOci(read('test/data/docker-default.json') as OciSeccompProfile, { arch: 'x86_64', kernel: '6.18' });

test.each<[string, SeccompPolicy, number, number]>([
  ["Docker's profile", { ...docker, architectures: ['x86_64'] }, 70, 12],
  ["Docker's profile with x86 and x32", docker, 205, 13],
  ['promises', read('bench/seccomp/pledge.json') as SeccompPolicy, 180, 16],
  ['a list of refused calls', read('bench/seccomp/deny-list.json') as SeccompPolicy, 47, 11],
])('%s is short and shallow', (_name, policy, length, longest) => {
  const program = compile(policy);
  const executed = Array.from({ length: 471 }, (_, syscall) => program.evaluate({ arch: 'x86_64', syscall }).executed);
  expect(Math.max(...executed)).toBeLessThanOrEqual(longest);
  expect(program.length).toBeLessThanOrEqual(length);
});
