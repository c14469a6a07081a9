// Random policies in two compilers: ours and libseccomp (package libseccomp-dev). Both programs are asked about calls beside the constants of the rules, and
// compared with the rules themselves. Differences of libseccomp are listed; one of ours ends with 1. Needs a built dist/.
//
//   node tools/compare-libseccomp.mjs [POLICIES] [SEED]

import { compile, explain, programFromBytes } from '../dist/seccomp.js';
import { build, libseccomp } from '../bench/seccomp/oracle.mjs';
import { randomNumbers } from './random.mjs';

const count = Number(process.argv[2] ?? 200);
const seed = Number(process.argv[3] ?? 1);
const CALLS = 150;

const { below, pick } = randomNumbers(seed);

const CONSTANTS = [
  0n,
  1n,
  2n,
  5n,
  8n,
  0x80n,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x100000005n,
  0x1ffffffffn,
  2n ** 63n,
  2n ** 64n - 1n,
];
const KINDS = {
  'equal and unequal': { ops: ['==', '!='], args: 2, conditions: 2 },
  'ranges of one argument': { ops: ['<', '<=', '>', '>='], args: 1, conditions: 1 },
  'ranges of two arguments': { ops: ['<', '<=', '>', '>='], args: 2, conditions: 2 },
  masks: { ops: ['&=='], args: 2, conditions: 2 },
  'everything, six arguments': { ops: ['==', '!=', '<', '<=', '>', '>=', '&=='], args: 6, conditions: 3 },
};

function condition(ops, args) {
  const op = pick(ops);
  const value = pick(CONSTANTS);
  const mask = pick(CONSTANTS) | 1n;
  return { index: below(args), op, width: 64, ...(op === '&==' ? { mask, value: value & mask } : { value }) };
}

// libseccomp takes one condition for each argument.
function rule({ ops, args, conditions }) {
  const byIndex = new Map(
    Array.from({ length: 1 + below(conditions) }, () => condition(ops, args)).map((made) => [made.index, made]),
  );
  return { syscalls: 'ptrace', action: 'allow', args: [...byIndex.values()] };
}

const print = (value) =>
  JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? `0x${member.toString(16)}` : member));
const executable = build('libseccomp', '-lseccomp');
let oursWrong = 0;
for (const [name, kind] of Object.entries(KINDS)) {
  let theirsWrong = 0;
  let tooMuchAllowed = 0;
  let unfinished = 0;
  let example = '';
  for (let i = 0; i < count; i++) {
    const policy = {
      defaultAction: { errno: 'EPERM' },
      architectures: ['x86_64'],
      rules: Array.from({ length: 2 + below(3) }, () => rule(kind)),
    };
    const ours = compile(policy);
    const bytes = libseccomp(executable, policy, 1 + below(2));
    const theirs = bytes === undefined ? undefined : programFromBytes(bytes, ['x86_64']);
    unfinished += theirs === undefined ? 1 : 0;
    let differs = false;
    let opens = false;
    for (let call = 0; call < CALLS; call++) {
      const args = Array.from({ length: 6 }, () =>
        BigInt.asUintN(64, pick([0n, 1n, -1n, 1n << 32n, 1n << 31n]) + pick(CONSTANTS)),
      );
      const asked = { arch: 'x86_64', syscall: 'ptrace', args };
      const allowed = explain(policy, asked).action === 'allow';
      if ((ours.evaluate(asked).action === 'allow') !== allowed) {
        oursWrong++;
        console.error(`wrong: ${print(policy)} at ${print(args)}`);
      }
      if (theirs !== undefined && (theirs.evaluate(asked).action === 'allow') !== allowed) {
        differs = true;
        opens ||= !allowed;
        example ||= `${print(policy.rules.map(({ args: written }) => written))} at ${print(args)}: ${allowed ? 'refused' : 'allowed'}`;
      }
    }
    theirsWrong += differs ? 1 : 0;
    tooMuchAllowed += opens ? 1 : 0;
  }
  console.log(
    `${name}: libseccomp differs from the rules in ${theirsWrong} of ${count} policies, allows too much in ${tooMuchAllowed}, does not finish ${unfinished}`,
  );
  if (example !== '') {
    console.log(`  ${example}`);
  }
}
console.log(`ours: ${oursWrong} wrong answers to ${Object.keys(KINDS).length * count * CALLS} calls`);
process.exit(oursWrong === 0 ? 0 : 1);
