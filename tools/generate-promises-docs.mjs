// Writes docs/promises.md from the data in lib/policy/promises. --check compares instead of writing.

import { loadLibrary } from './load-library.mjs';
import { writeGenerated } from './write-generated.mjs';

const {
  ALWAYS,
  argumentName,
  bitNames,
  cellPromises,
  ALWAYS_READABLE,
  impliedPaths,
  PLAIN,
  promisedCalls,
  PROMISES,
  QUIET,
  readableWithoutPromise,
  syscallNumber,
  valueName,
} = await loadLibrary(
  ['errors.ts', 'policy', 'util', 'filter/constants.ts'],
  [
    'policy/promises.js',
    'policy/promises/calls.js',
    'policy/promises/cell.js',
    'policy/promises/implied-paths.js',
    'policy/syscalls/lookup.js',
    'policy/vocabulary.js',
    'filter/constants.js',
  ],
);

/** What each is for. */
const PURPOSES = {
  stdio: 'Compute with what is open already: read, write, wait, timers, threads, pipes, and signals to itself.',
  rpath: 'Open, list and examine files for reading; watch them for changes.',
  wpath: 'Open files that exist for writing, and cut them off.',
  cpath: 'Create, rename, link and remove files and directories.',
  dpath: 'Make named pipes and sockets in the file system. Never devices.',
  tmppath:
    'Make a temporary file as mkstemp(3) does, and remove it. For a process that restricts itself without `unveil` and `cpath`: in `/tmp`, by Landlock.',
  fattr: 'Change modes, times and extended attributes. Never set-user-ID, set-group-ID and sticky bits.',
  chown: 'Change owners, as far as the kernel lets it.',
  flock: 'Lock files.',
  unix: 'Unix sockets.',
  inet: 'TCP and UDP sockets, IPv4 and IPv6, and asking for the interfaces. Never raw sockets.',
  mcast: 'With `inet`: multicast options.',
  dns: 'Resolve names: sockets for that, and the files of the resolver.',
  recvfd: 'Receive messages that may carry descriptors.',
  sendfd: 'Send messages that may carry descriptors.',
  tty: 'Change the terminal. Never type into it (`TIOCSTI`, `TIOCLINUX`).',
  proc: 'Fork, signal others, change priorities, limits, process groups and sessions.',
  exec: 'Execute programs.',
  id: 'Change user and group ids.',
  settime: 'Set the clock. In a cell it is refused all the same.',
  ps: 'Read what `/proc` says of processes.',
  vminfo: 'Read what the system says of memory, processors and load.',
  getpw: 'Look up users and groups.',
  unveil: 'Restrict further: Landlock, and filters without a listener.',
  error: "Another way to write `onViolation: 'error'`. It allows nothing.",
  prot_exec: 'Map or turn memory executable. Implied for a process that restricts itself, which compiles.',
  anet: 'Accept connections on sockets that are listening already, and open none.',
};

/** Calls that no single promise has. */
const TOGETHER = [
  ['rpath', 'wpath'],
  ['rpath', 'cpath'],
  ['wpath', 'cpath'],
  ['rpath', 'wpath', 'cpath'],
];

const refused = { errno: 'EPERM' };
const options = { violation: refused, unknown: refused, foreign: refused, arch: 'x86_64', signals: { pid: 4711 } };

const words = (text) => text.trim().split(/\s+/);
/** Of the 64-bit architectures that cells run on; the others have further names for the same calls. */
const isCall = (name) => syscallNumber(name, 'x86_64') !== undefined || syscallNumber(name, 'aarch64') !== undefined;
const code = (text) => `\`${text}\``;
const hex = (value) => (value < 10 ? String(value) : `0x${value.toString(16)}`);

function describeCondition(call, { index, op, value, mask }) {
  const name = argumentName(call, index);
  if (op === '==') {
    return { name, value: value === 4711 ? 'its own number' : code(valueName(call, index, value) ?? hex(value)) };
  }
  const bits = bitNames(call, index, mask) ?? hex(mask);
  if (value === 0) {
    return { name, value: `without ${code(bits)}` };
  }
  return { name, value: `${code(bitNames(call, index, value) ?? hex(value))} of ${code(bits)}` };
}

/** Conditions of one call that differ in a single value share a line. */
function shapesOf(rules) {
  const lines = new Map();
  for (const { syscalls, args } of rules) {
    for (const call of syscalls.filter(isCall)) {
      const parts = args.map((condition) => ({ ...describeCondition(call, condition), exact: condition.op === '==' }));
      const last = parts.findLastIndex(({ exact }) => exact);
      const key = [call, ...parts.map(({ name, value }, at) => (at === last ? name : `${name} ${value}`))].join('\n');
      const line = lines.get(key) ?? { call, parts, last, values: new Set() };
      if (last >= 0) {
        line.values.add(parts[last].value);
      }
      lines.set(key, line);
    }
  }
  return [...lines.values()].map(({ call, parts, last, values }) => {
    const conditions = parts.map(({ name, value }, at) => `${name} ${at === last ? [...values].join(', ') : value}`);
    return `* ${code(call)}: ${conditions.join('; ')}`;
  });
}

const conditional = (promises) =>
  promisedCalls(promises, options).rules.filter(({ action, args }) => action === 'allow' && args !== undefined);
const textOf = (rule) => JSON.stringify(rule);

/** The shapes that a set adds to those of its parts, and to what no promise at all has. */
function added(promises) {
  const parts = promises.length === 1 ? [[]] : promises.map((left) => promises.filter((one) => one !== left));
  const known = new Set(parts.flatMap((part) => conditional(part).map(textOf)));
  return shapesOf(conditional(promises).filter((rule) => !known.has(textOf(rule))));
}

function wrapped(list) {
  const lines = [''];
  for (const word of list) {
    const line = lines.at(-1);
    if (line.length + word.length > 140) {
      lines.push(word);
    } else {
      lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
    }
  }
  return lines.join('\n');
}

const callList = (text) => wrapped([...new Set(words(text))].filter(isCall).map(code));
const paths = (list) => wrapped(list.map(code));

function section(promise) {
  const plain = PLAIN[promise] === undefined ? '' : callList(PLAIN[promise]);
  const shapes = added([promise]);
  const implied = impliedPaths([promise]).filter((path) => !ALWAYS_READABLE.includes(path));
  return [
    `## ${promise}`,
    PURPOSES[promise],
    ...(plain === '' ? [] : [`Whatever the arguments: ${plain}`]),
    ...(shapes.length === 0 ? [] : ['With these arguments:', shapes.join('\n')]),
    ...(implied.length === 0 ? [] : [`Readable without \`rpath\`: ${paths(implied)}`]),
  ].join('\n\n');
}

const loader = cellPromises(['rpath', 'exec'], { violation: refused, foreign: refused, asked: true });
const ownOfLoader = new Set(
  promisedCalls(['rpath', 'exec'], { ...options, arch: undefined, signals: 'any' }).rules.map(textOf),
);
const loaderRules = loader.rules.filter((rule) => rule.action === 'allow' && !ownOfLoader.has(textOf(rule)));

const missing = PROMISES.filter((promise) => PURPOSES[promise] === undefined);
if (missing.length > 0) {
  throw new Error(`no purpose for ${missing.join(', ')}`);
}

writeGenerated(
  'docs/promises.md',
  `<!-- Generated from lib/policy/promises by tools/generate-promises-docs.mjs. -->

# Promises

What each promise of \`pledge\` allows, by the names that system calls have on x86_64 and aarch64. A set of promises allows what each of them does, and
[a few calls that take several](#together). Every other call is a violation, and \`onViolation\` says what happens: see
[policies](policies.md#system-calls). The same tables serve cells, [\`restrictSelf\`](restrict-self.md) and \`pledgePolicy\` of
[\`cloister/seccomp\`](seccomp.md).

Beside what \`unveil\` says, some promises leave the files readable that they are there for, as each section lists; whoever may open files for reading has
${paths(ALWAYS_READABLE)} as well, and in a process that restricts itself \`/dev/null\` and, with \`tty\`, \`/dev/tty\` can be opened as \`rpath\` and
\`wpath\` allow.

Arguments are compared as the kernel reads them: of an int the lower half of the register. What a pointer leads to cannot be looked at by a filter.

## Always

With any promise, and with none:

${callList(ALWAYS)}

${shapesOf(conditional([])).join('\n')}

${PROMISES.map(section).join('\n\n')}

## Together

${TOGETHER.map((promises) => `With ${promises.map(code).join(' and ')}:\n\n${added(promises).join('\n')}`)
  .concat([`\`creat\` takes ${code('cpath')} and ${code('wpath')}.`])
  .join('\n\n')}

## Answered without being a violation

Libraries merely try these, and do without: where no promise allows them they get ENOSYS, as do numbers that this version has no name for.

${callList(QUIET)}

## In cells

A dynamic loader works before the first line of a program. So in a cell every set of promises allows this as well:

${callList(
  loaderRules
    .filter(({ args }) => args === undefined)
    .flatMap(({ syscalls }) => syscalls)
    .join(' '),
)}

${shapesOf(loaderRules.filter(({ args }) => args !== undefined)).join('\n')}

Without \`rpath\` these may still be read, and Landlock holds that: the command itself, and
${paths(readableWithoutPromise([], []))}

Signals go to any process of the cell: there are no others to be seen. Without \`exec\` the command itself is executed, and nothing after it.

Previous: [Policies](policies.md) · Next: [Restrict the running process](restrict-self.md)
`,
);
