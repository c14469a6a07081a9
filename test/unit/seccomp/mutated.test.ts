/** Profiles and policies with something else put in one place: refused in words, or compiled; never anything else. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

import { compile } from '../../../lib/filter/compile.js';
import { CloisterError } from '../../../lib/errors.js';
import { fromOci } from '../../../lib/policy/oci.js';
import type { OciSeccompProfile, SeccompPolicy } from '../../../lib/policy/seccomp-types.js';
import { Random } from './random-policy.js';

const MUTATIONS = 1000;

const STRANGE: readonly unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  NaN,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  2n ** 63n,
  2n ** 64n - 1n,
  2n ** 64n,
  -(2n ** 63n) - 1n,
  '',
  '0',
  'read',
  '__proto__',
  'SCMP_ACT_ALLOW',
  'SCMP_CMP_NE',
  'x\0y',
  '\uD800',
  [],
  [[]],
  ['read', 'read'],
  {},
  { toString: 1 },
  () => 1,
  Symbol('s'),
  new Date(0),
  new Map(),
  new Uint8Array(4),
];

const profile: OciSeccompProfile = {
  ...(JSON.parse(
    readFileSync(new URL('../../data/docker-default.json', import.meta.url), 'utf8'),
  ) as OciSeccompProfile),
  defaultErrnoRet: 1,
};
const policy: SeccompPolicy = {
  defaultAction: { errno: 'EPERM' },
  architectures: ['x86_64', 'x86', 'x32'],
  foreignArchAction: 'kill-process',
  unknownSyscallAction: { trace: 1 },
  rules: [
    { syscalls: ['read', 41], action: 'allow', args: [{ index: 0, op: '==', value: -1, width: 64 }] },
    { syscalls: 'ioctl', action: 'log', args: [{ index: 1, op: '&==', mask: 0xff, value: 3 }] },
  ],
};

/** Another value at, or another member beside, some place of the tree. */
function mutate(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.chance(8)) {
    return random.pick(STRANGE);
  }
  const keys = Object.keys(value);
  const key = random.chance(5) || keys.length === 0 ? random.pick(['extra', '__proto__', '0']) : random.pick(keys);
  const before: unknown = Reflect.get(value, key);
  if (Array.isArray(value)) {
    return (value as unknown[]).map((element, index) => (String(index) === key ? mutate(element, random) : element));
  }
  return { ...value, [key]: mutate(before, random) };
}

test.each<[string, unknown, (mutated: unknown) => unknown]>([
  ['profiles', profile, (mutated) => compile(fromOci(mutated as OciSeccompProfile, { arch: 'x86_64', kernel: '6.1' }))],
  ['policies', policy, (mutated) => compile(mutated as SeccompPolicy)],
])('%s with something strange in them compile or are refused', (_, sound, use) => {
  let refused = 0;
  for (let seed = 0; seed < MUTATIONS; seed++) {
    const mutated = mutate(sound, new Random(seed));
    try {
      use(mutated);
    } catch (error) {
      expect(error, `seed ${seed}: ${String(error)}`).toBeInstanceOf(CloisterError);
      expect((error as CloisterError).code, `seed ${seed}: ${String(error)}`).toBe('ERR_CLOISTER_POLICY');
      expect((error as CloisterError).issues?.length).toBeGreaterThan(0);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(MUTATIONS / 2);
  expect(refused).toBeLessThan(MUTATIONS);
});
