// Writes lib/policy/syscalls/table.ts from the kernel headers of this machine, or checks that the two agree.
//
//   node tools/generate-syscalls.mjs            write the table
//   node tools/generate-syscalls.mjs --check    compare only; fails on any disagreement
//
// Headers: Debian's linux-libc-dev (x86_64, x86, x32) and linux-libc-dev-{arm64,armhf,riscv64}-cross. An architecture without headers is taken from the
// table that exists, and said so. Calls that are newer than the headers are in tools/syscalls-newer.json.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const tablePath = path.join(root, 'lib/policy/syscalls/table.ts');
const X32_BIT = 0x40000000;

/** Columns of the table. `flags`: what the headers ask the compiler about; the machine's own answers are wrong for another architecture. */
const sources = [
  { arch: 'x86_64', include: '/usr/include/x86_64-linux-gnu', header: 'asm/unistd_64.h', flags: [] },
  { arch: 'x86', include: '/usr/include/x86_64-linux-gnu', header: 'asm/unistd_32.h', flags: [] },
  {
    arch: 'x32',
    include: '/usr/include/x86_64-linux-gnu',
    header: 'asm/unistd_x32.h',
    flags: [`-D__X32_SYSCALL_BIT=${X32_BIT}`],
  },
  { arch: 'aarch64', include: '/usr/aarch64-linux-gnu/include', header: 'asm/unistd.h', flags: ['-D__LP64__'] },
  { arch: 'arm', include: '/usr/arm-linux-gnueabihf/include', header: 'asm/unistd.h', flags: ['-D__ARM_EABI__'] },
  {
    arch: 'riscv64',
    include: '/usr/riscv64-linux-gnu/include',
    header: 'asm/unistd.h',
    flags: ['-D__LP64__', '-D__riscv_xlen=64', '-D__SIZEOF_POINTER__=8'],
  },
];

/** Macros of the headers that name no call. */
const notCalls = new Set([
  'Linux',
  'syscalls',
  'SYSCALL_BASE',
  'OABI_SYSCALL_BASE',
  'arch_specific_syscall',
  'SYSCALL_MASK',
  'sync_file_range2_',
]);

function preprocess(source, args, input) {
  const command = [
    '-E',
    '-undef',
    '-nostdinc',
    '-x',
    'c',
    '-isystem',
    source.include,
    '-isystem',
    '/usr/include',
    ...source.flags,
    ...args,
    '-',
  ];
  return execFileSync('gcc', command, { input, encoding: 'utf8' });
}

/** @returns {Map<string, number> | undefined} */
function fromHeaders(source) {
  if (!existsSync(path.join(source.include, source.header))) {
    return undefined;
  }
  const include = `#include <${source.header}>\n`;
  const macros = [...preprocess(source, ['-dM'], include).matchAll(/^#define (__NR_|__ARM_NR_)(\w+) /gm)]
    .filter(
      ([, prefix, name]) =>
        !notCalls.has(name) && !(prefix === '__ARM_NR_' && name === 'BASE') && !name.startsWith('3264_'),
    )
    .map(([, prefix, name]) => ({ name, macro: `${prefix}${name}` }));
  const expanded = preprocess(
    source,
    ['-P'],
    include + macros.map(({ name, macro }) => `@${name}@ ${macro}\n`).join(''),
  );
  const numbers = new Map();
  for (const [, name, expression] of expanded.matchAll(/^@(\w+)@\s*(.+)$/gm)) {
    if (!/^[\d\sx+()a-fA-F]+$/.test(expression)) {
      throw new Error(`${source.arch}: ${name} is ${expression}`);
    }
    numbers.set(name, Number(new Function(`return ${expression}`)()) & ~(source.arch === 'x32' ? X32_BIT : 0));
  }
  return numbers;
}

/** The table as it is, or none. */
function fromTable() {
  const columns = new Map(sources.map(({ arch }) => [arch, new Map()]));
  if (existsSync(tablePath)) {
    for (const line of readFileSync(tablePath, 'utf8').matchAll(/^([a-z_]\w*)((?: (?:-|\d+)){6})$/gm)) {
      const fields = line[2].trim().split(' ');
      sources.forEach(
        ({ arch }, index) => fields[index] !== '-' && columns.get(arch).set(line[1], Number(fields[index])),
      );
    }
  }
  return columns;
}

function collect(existing) {
  const newer = JSON.parse(readFileSync(path.join(root, 'tools/syscalls-newer.json'), 'utf8'));
  const columns = new Map();
  for (const source of sources) {
    const numbers = fromHeaders(source);
    if (numbers === undefined) {
      console.log(
        `${source.arch}: no headers here (${source.include}/${source.header}), the table's own column is kept`,
      );
    }
    const column = numbers ?? existing.get(source.arch);
    for (const { name, number, archs } of newer) {
      if (archs !== 'all' && !archs.includes(source.arch)) {
        continue;
      }
      if (column.has(name) && column.get(name) !== number) {
        throw new Error(
          `${source.arch}: ${name} is ${column.get(name)} in the headers and ${number} in tools/syscalls-newer.json`,
        );
      }
      column.set(name, number);
    }
    columns.set(source.arch, column);
  }
  return columns;
}

function render(columns) {
  const names = [...new Set([...columns.values()].flatMap((column) => [...column.keys()]))].sort();
  const rows = names.map((name) => [name, ...sources.map(({ arch }) => columns.get(arch).get(name) ?? '-')].join(' '));
  return `// Written by tools/generate-syscalls.mjs. Names and numbers of Linux system calls; a dash where an architecture does not have the call.
// The numbers of x32 are written without their bit 30.

export const SYSCALL_COLUMNS = [${sources.map(({ arch }) => `'${arch}'`).join(', ')}] as const;

export const SYSCALL_TABLE = \`
${rows.join('\n')}
\`;
`;
}

const existing = fromTable();
const columns = collect(existing);
const rendered = render(columns);
const counts = sources.map(({ arch }) => `${arch} ${columns.get(arch).size}`).join(', ');
if (!process.argv.includes('--check')) {
  writeFileSync(tablePath, rendered);
  console.log(`wrote ${path.relative(root, tablePath)}: ${counts}`);
} else if (existsSync(tablePath) && readFileSync(tablePath, 'utf8') === rendered) {
  console.log(`${path.relative(root, tablePath)} agrees: ${counts}`);
} else {
  console.error(`${path.relative(root, tablePath)} is not what the headers say; run node tools/generate-syscalls.mjs`);
  process.exit(1);
}
