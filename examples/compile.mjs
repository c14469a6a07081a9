// Builds a C program from a source that nobody has read, and runs the result: two cells that share one folder. The compiler may write to it, the program
// may only be executed from it. A hostile source can make the compiler read files (#include "/etc/shadow"): in the cell there is nothing to find.
//
//   node examples/compile.mjs program.c [argument...]

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { runIsolated } from 'cloister';

const [source, ...args] = process.argv.slice(2);
if (source === undefined) {
  console.error('use: node examples/compile.mjs program.c [argument...]');
  process.exit(2);
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cloister-compile-'));
try {
  const compiled = await runIsolated('gcc', ['-O1', '-o', '/out/program', '/source.c'], {
    mounts: [
      { type: 'file', target: '/source.c', content: fs.readFileSync(source) },
      { type: 'bind', source: folder, target: '/out', writable: true, executable: false },
    ],
    limits: { wallTime: '20s', processes: 16, fileSize: '32MiB' },
  });
  if (compiled.exitCode !== 0) {
    console.error(`${compiled.stderr}-- the compiler: ${compiled.reason}, exit code ${compiled.exitCode}`);
    process.exitCode = 1;
  } else {
    const program = path.join(folder, 'program');
    const { stdout, stderr, reason, exitCode, signal } = await runIsolated('/program', args, {
      mounts: [{ type: 'bind', source: program, target: '/program' }],
      limits: { wallTime: '2s', processes: 4, openFiles: 16 },
    });
    process.stdout.write(stdout);
    process.stderr.write(stderr);
    console.log(`-- ${reason}, ${signal ?? `exit code ${exitCode}`}`);
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
