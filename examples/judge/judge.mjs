// Judges a submission in C++ or Python: compiles it where that is needed, runs it against each test case under limits, and prints a verdict for each.
// The compiler and the program run in cells of their own; the program sees the test's input and nothing else of this machine, and may compute and
// print, and no more: whatever else it calls is the verdict 'forbidden call'.
//
//   node examples/judge/judge.mjs submission.cpp|submission.py [folder with NAME.in and NAME.out]

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { runIsolated } from 'cloister';

const LIMITS = { cpuTime: '1s', wallTime: '5s', memory: '128MiB', processes: 8, output: '64KiB', scratch: '1MiB' };
const COMPILER_LIMITS = { wallTime: '60s', memory: '1GiB', processes: 32, fileSize: '64MiB', output: '1MiB' };

const VERDICTS = {
  'cpu-time': 'time limit exceeded',
  'wall-time': 'time limit exceeded',
  memory: 'memory limit exceeded',
  output: 'output limit exceeded',
  violation: 'forbidden call',
  signaled: 'runtime error',
};

/** The command that runs the submission in a cell, with the mounts it needs; null when it does not compile. */
async function prepare(submission, folder) {
  if (submission.endsWith('.py')) {
    return {
      command: 'python3',
      args: ['/submission.py'],
      // It computes and reads its own library; a call for anything else ends it.
      pledge: 'stdio rpath',
      mounts: [{ type: 'bind', source: submission, target: '/submission.py' }],
    };
  }
  const { exitCode, stderr, reason } = await runIsolated('g++', ['-O2', '-o', '/out/program', '/submission.cpp'], {
    mounts: [
      { type: 'bind', source: submission, target: '/submission.cpp' },
      { type: 'bind', source: folder, target: '/out', writable: true, executable: false },
    ],
    limits: COMPILER_LIMITS,
  });
  if (exitCode !== 0) {
    process.stderr.write(`${stderr}${reason}\n`);
    return null;
  }
  return {
    command: '/program',
    args: [],
    pledge: 'stdio',
    mounts: [{ type: 'bind', source: path.join(folder, 'program'), target: '/program' }],
  };
}

function verdictOf({ reason, exitCode, stdout }, expected) {
  if (reason !== 'exited') {
    return VERDICTS[reason] ?? reason;
  }
  if (exitCode !== 0) {
    return `runtime error (exit code ${exitCode})`;
  }
  return stdout.trimEnd() === expected.trimEnd() ? 'accepted' : 'wrong answer';
}

const [submission, tests = path.join(import.meta.dirname, 'sum')] = process.argv.slice(2);
if (submission === undefined) {
  console.error('use: node examples/judge/judge.mjs submission.cpp|submission.py [folder of tests]');
  process.exit(2);
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cloister-judge-'));
try {
  const program = await prepare(path.resolve(submission), folder);
  if (program === null) {
    console.log('compilation error');
    process.exitCode = 1;
  } else {
    const names = fs
      .readdirSync(tests)
      .filter((name) => name.endsWith('.in'))
      .map((name) => name.slice(0, -3));
    for (const name of names.sort()) {
      const result = await runIsolated(program.command, program.args, {
        mounts: program.mounts,
        pledge: program.pledge,
        limits: LIMITS,
        input: fs.readFileSync(path.join(tests, `${name}.in`)),
      });
      const verdict = verdictOf(result, fs.readFileSync(path.join(tests, `${name}.out`), 'utf8'));
      const { userTime, systemTime, peakMemory } = result.usage;
      const used = `${Math.ceil(userTime + systemTime)} ms, ${Math.ceil(peakMemory / 2 ** 20)} MiB`;
      console.log(`${name}  ${verdict}  (${used})`);
      process.exitCode ||= verdict === 'accepted' ? 0 : 1;
    }
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
