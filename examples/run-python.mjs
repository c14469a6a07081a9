// Runs a piece of Python that somebody sent, as a judge or an agent does: no files but its own, no network, little time.
//
//   node examples/run-python.mjs 'print(sum(range(10)))'

import { CloisterError, runIsolated } from 'cloister';

const code = process.argv[2] ?? 'import os; print(os.listdir("/"))';

try {
  const { reason, exitCode, signal, stdout, stderr, usage } = await runIsolated('python3', ['-I', '/main.py'], {
    mounts: [{ type: 'file', target: '/main.py', content: code }],
    limits: { wallTime: '2s', processes: 8, scratch: '16MiB', openFiles: 64 },
  });
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  console.log(
    `-- ${reason}, ${signal ?? `exit code ${exitCode}`}, at most ${Math.ceil(usage.peakMemory / 2 ** 20)} MiB`,
  );
} catch (error) {
  // What the program does is a result. An exception means that it was never started.
  if (!(error instanceof CloisterError)) {
    throw error;
  }
  console.error(`${error.code}: ${error.message}${error.hint === undefined ? '' : `\n${error.hint}`}`);
  process.exitCode = 1;
}
