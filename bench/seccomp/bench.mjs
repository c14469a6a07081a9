// Programs of ours beside those of libseccomp, for three policies: Docker's default profile (one and three architectures), promises to read, and a list
// of refused calls. Needs libseccomp-dev and a built dist/. Prints instructions, instructions executed (mean and most over the numbers 0 to 470; weighted by
// the calls of a Node.js server; the part of those that the kernel does not answer from its cache), cached calls, and times.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import path from 'node:path';

import { compile, fromOci, programFromBytes } from '../../dist/seccomp.js';
import { build, libseccomp, workFolder } from './oracle.mjs';

const read = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
const docker = fromOci(read('../../test/data/docker-default.json'), { arch: 'x86_64', kernel: '6.18' });
const policies = {
  'Docker, x86_64': { ...docker, architectures: ['x86_64'] },
  'Docker, x86_64 x86 x32': docker,
  promises: read('pledge.json'),
  'deny-list': read('deny-list.json'),
};

/** Calls in thousandths, with the arguments that a Node.js server gives them. */
const TRACE = [
  ['futex', 370],
  ['epoll_pwait', 190],
  ['read', 150],
  ['write', 110],
  ['statx', 30],
  ['close', 25],
  ['openat', 25, [0xffffff9c, 0, 0x80000, 0]],
  ['writev', 25],
  ['mprotect', 8, [0, 4096, 3]],
  ['mprotect', 8, [0, 4096, 1]],
  ['munmap', 12],
  ['madvise', 5, [0, 4096, 4]],
  ['madvise', 5, [0, 4096, 10]],
  ['getpid', 7],
  ['mmap', 7, [0, 4096, 3, 0x22]],
  ['unlink', 6],
];

function measure(program) {
  const arch = 'x86_64';
  const numbers = Array.from({ length: 471 }, (_, number) => number);
  const executed = numbers.map((syscall) => program.evaluate({ arch, syscall }).executed);
  const traced = TRACE.map(([syscall, weight, args = []]) => ({
    weight,
    executed: program.evaluate({ arch, syscall, args }).executed,
    cached: program.isCached({ arch, syscall }),
  }));
  const mean = (calls) => {
    const weight = calls.reduce((sum, call) => sum + call.weight, 0);
    return weight === 0 ? Number.NaN : calls.reduce((sum, call) => sum + call.weight * call.executed, 0) / weight;
  };
  const cached = (on) => numbers.filter((syscall) => program.isCached({ arch: on, syscall })).length;
  return {
    instructions: program.length,
    mean: executed.reduce((sum, count) => sum + count, 0) / numbers.length,
    most: Math.max(...executed),
    trace: mean(traced),
    uncached: mean(traced.filter((call) => !call.cached)),
    cached: cached(arch),
    cachedX86: cached('x86'),
  };
}

function timeOf(action) {
  // Enough for V8 to have compiled what runs: a program that compiles policies compiles many.
  const times = Array.from({ length: 300 }, () => {
    const start = performance.now();
    action();
    return performance.now() - start;
  });
  return Math.min(...times);
}

const executable = build('libseccomp', '-lseccomp');
const install = build('install');
const show = (number) => (Number.isNaN(number) ? '-' : Number.isInteger(number) ? String(number) : number.toFixed(1));
console.log(`Linux ${release()}, Node.js ${process.version}; times in microseconds\n`);
console.log('policy                   compiler        len   mean   most  trace uncached cached  x86  compile  install');
for (const [name, policy] of Object.entries(policies)) {
  const programs = { cloister: compile(policy) };
  for (const optimize of [1, 2]) {
    const bytes = libseccomp(executable, policy, optimize);
    if (bytes !== undefined) {
      programs[`libseccomp o${optimize}`] = programFromBytes(bytes, policy.architectures);
    }
  }
  const files = Object.values(programs).map((program, index) => {
    const file = path.join(workFolder, `program-${index}`);
    writeFileSync(file, program.bytes);
    return file;
  });
  const installed = execFileSync(install, files, { encoding: 'utf8' }).trim().split('\n').map(Number);
  Object.entries(programs).forEach(([compiler, program], index) => {
    const { instructions, mean, most, trace, uncached, cached, cachedX86 } = measure(program);
    const compileTime = compiler === 'cloister' ? timeOf(() => compile(policy)) * 1000 : Number.NaN;
    const columns = [
      instructions,
      mean,
      most,
      trace,
      uncached,
      cached,
      cachedX86,
      Math.round(compileTime),
      installed[index] ?? Number.NaN,
    ];
    const widths = [5, 7, 7, 7, 9, 7, 5, 9, 9];
    console.log(
      `${name.padEnd(25)}${compiler.padEnd(14)}${columns.map((value, at) => show(value).padStart(widths[at])).join('')}`,
    );
  });
}
