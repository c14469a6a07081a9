// Random OCI profiles, imported with whole registers, beside what libseccomp (package libseccomp-dev) makes of the same rules: an imported policy must
// not let pass what libseccomp keeps shut. Calls that it refuses although every rule that matches them lets them pass (or none matches, and the default
// does) are its own mistakes with several comparisons of 64 bits, and counted apart. Needs a built dist/.
//
//   node tools/compare-oci.mjs [PROFILES] [SEED]

import { compile, fromOci, programFromBytes } from '../dist/seccomp.js';
import { build, libseccomp } from '../bench/seccomp/oracle.mjs';
import { randomNumbers } from './random.mjs';

const count = Number(process.argv[2] ?? 500);
const seed = Number(process.argv[3] ?? 1);
const CALLS = 120;

const { below, pick } = randomNumbers(seed);

const CONSTANTS = [0, 1, 2, 3, 8, 16, 40, 255, 256, 0x7fffffff, 0xffffffff, 2 ** 32, 2 ** 32 + 5, 2 ** 52];
const OPERATORS = { EQ: '==', NE: '!=', LT: '<', LE: '<=', GT: '>', GE: '>=', MASKED_EQ: '&==' };
const ACTIONS = ['ALLOW', 'ALLOW', 'ERRNO', 'TRAP', 'KILL_PROCESS', 'LOG'];
const PLAIN = { ALLOW: 'allow', ERRNO: { errno: 'EPERM' }, TRAP: 'trap', KILL_PROCESS: 'kill-process', LOG: 'log' };
const SYSCALL = 'kcmp';

function comparison(index) {
  const op = pick(Object.keys(OPERATORS));
  const value = pick(CONSTANTS);
  const kept = Number(BigInt(pick(CONSTANTS)) & BigInt(value));
  return { index, op: `SCMP_CMP_${op}`, value, ...(op === 'MASKED_EQ' ? { valueTwo: kept } : {}) };
}

// libseccomp takes one comparison of each argument.
function entry() {
  const indices = new Set(Array.from({ length: below(4) }, () => below(3)));
  return { names: [SYSCALL], action: `SCMP_ACT_${pick(ACTIONS)}`, args: [...indices].map(comparison) };
}

const word = (action) => PLAIN[action.replace('SCMP_ACT_', '')];

/** The profile for oracle.mjs, in the form of our policies but with the profile's own rules. */
function rulesOf({ defaultAction, syscalls }) {
  const rules = syscalls.map(({ names, action, args }) => ({
    syscalls: names,
    action: word(action),
    args: args.map(({ index, op, value, valueTwo }) => {
      const operator = OPERATORS[op.replace('SCMP_CMP_', '')];
      return operator === '&=='
        ? { index, op: operator, mask: value, value: valueTwo }
        : { index, op: operator, value };
    }),
  }));
  return { defaultAction: word(defaultAction), architectures: ['x86_64'], rules };
}

function holds({ index, op, value, mask }, args) {
  const [seen, constant] = [args[index], BigInt(value)];
  return {
    '==': seen === constant,
    '!=': seen !== constant,
    '<': seen < constant,
    '<=': seen <= constant,
    '>': seen > constant,
    '>=': seen >= constant,
    '&==': (seen & BigInt(mask ?? 0)) === constant,
  }[op];
}

/** Whether nothing in the profile refuses the call: read from its rules. */
function isUncontested({ defaultAction, rules }, args) {
  const matching = rules.filter((rule) => rule.args.every((condition) => holds(condition, args)));
  return matching.length === 0 ? passes({ action: defaultAction }) : matching.every(passes);
}

const passes = ({ action }) => action === 'allow' || action === 'log';
const executable = build('libseccomp', '-lseccomp');
const counts = { compared: 0, refused: 0, unfinished: 0, mistaken: 0, wider: 0, narrower: 0, same: 0 };
for (let i = 0; i < count; i++) {
  const profile = {
    defaultAction: `SCMP_ACT_${pick(['ERRNO', 'ERRNO', 'ALLOW', 'KILL_PROCESS'])}`,
    syscalls: Array.from({ length: 1 + below(4) }, entry),
  };
  let ours;
  try {
    ours = compile(fromOci(profile, { arch: 'x86_64', kernel: '6.1', argumentWidths: '64' }));
  } catch (error) {
    if (error.code !== 'ERR_CLOISTER_POLICY' || !error.issues.every(({ code }) => code === 'conflict')) {
      throw error;
    }
    counts.refused++;
    continue;
  }
  const bytes = libseccomp(executable, rulesOf(profile), 1 + below(2));
  if (bytes === undefined) {
    counts.unfinished++;
    continue;
  }
  const theirs = programFromBytes(bytes, ['x86_64']);
  counts.compared++;
  const written = rulesOf(profile);
  let mistaken = false;
  let wider = '';
  let narrower = false;
  for (let call = 0; call < CALLS; call++) {
    const args = Array.from({ length: 3 }, () =>
      BigInt.asUintN(64, pick([0n, 0n, 1n, -1n, 1n << 32n]) + BigInt(pick(CONSTANTS))),
    );
    const asked = { arch: 'x86_64', syscall: SYSCALL, args };
    const [own, other] = [ours.evaluate(asked), theirs.evaluate(asked)].map(passes);
    const uncontested = isUncontested(written, args);
    wider ||= own && !other && !uncontested ? args.join() : '';
    mistaken ||= own && !other && uncontested;
    narrower ||= other && !own;
  }
  if (wider !== '') {
    counts.wider++;
    console.error(`wider: ${JSON.stringify(profile)} at ${wider}`);
  } else {
    counts[mistaken ? 'mistaken' : narrower ? 'narrower' : 'same']++;
  }
}
console.log(
  `${counts.compared} of ${count} profiles compared: ours lets more pass in ${counts.wider}, less in ${counts.narrower}, the same in ${counts.same}; ` +
    `libseccomp refuses what its rules allow in ${counts.mistaken}; ` +
    `${counts.refused} refused for rules that cross, ${counts.unfinished} that libseccomp does not finish`,
);
process.exit(counts.wider === 0 ? 0 : 1);
