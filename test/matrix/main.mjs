// `npm run test:kernels`: boots real kernels and runs the integration and escape suites in them, with CLOISTER_REQUIRE stating what each must find. Prints
// a table and writes what was found to results.json beside this file, which the README's table is made from (tools/generate-matrix-tables.mjs).
//   npm run test:kernels [-- [NAME...] [--files FILE...] [--list] [--timeout SECONDS] [--slowness FACTOR]]
// NAME: of machines.mjs; none: all. --files: these alone, e.g. integration/25, which the table then says. CLOISTER_KVM=1 where KVM works; without it
// everything is emulated, some twenty times slower. Needs root, and Debian's qemu-system-x86, qemu-system-common, cpio, xz-utils, util-linux.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { boot, REPORT, ROOT } from './boot.mjs';
import { kernelFor } from './kernels.mjs';
import { MACHINES } from './machines.mjs';

const RESULTS = new URL('results.json', import.meta.url);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    files: { type: 'string', multiple: true, default: [] },
    list: { type: 'boolean', default: false },
    timeout: { type: 'string', default: '14400' },
    slowness: { type: 'string', default: process.env.CLOISTER_KVM === '1' ? '2' : '40' },
  },
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  // The guests end with this process, by way of its 'exit' event.
  process.once(signal, () => process.exit(1));
}

/** Counts by file, with the full names of what failed. */
function summary(report) {
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  const count = (status) => tests.filter((test) => status.includes(test.status)).length;
  const broken = report.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0);
  return {
    passed: count(['passed']),
    failed: count(['failed']) + broken.length,
    skipped: count(['skipped', 'pending', 'todo']),
    failures: [
      ...broken.map((file) => `${file.name}: ${file.message}`),
      ...tests
        .filter(({ status }) => status === 'failed')
        .map((test) => `${test.fullName}: ${test.failureMessages[0]}`),
    ],
  };
}

async function runOn(name) {
  const machine = MACHINES.get(name);
  const kernel = kernelFor(machine.kernel);
  const slowness = Number(values.slowness);
  const timeouts = ['testTimeout', 'hookTimeout'].map((option) => `--${option}=${30_000 * slowness}`);
  const command = [
    ...[process.execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project=integration', '--project=escape'],
    ...['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`, ...timeouts],
    ...values.files,
  ];
  const environment = {
    CI: 'true',
    CLOISTER_BUILT: '1',
    CLOISTER_SLOWNESS: String(slowness),
    CLOISTER_REQUIRE: machine.require.join(),
    CLOISTER_ABSENT: (machine.absent ?? []).join(),
  };
  const started = performance.now();
  const { status, output, report } = await boot(kernel, machine, command, {
    environment,
    timeout: Number(values.timeout),
  });
  if (report === '') {
    throw new Error(`the suites made no report (status ${status})\n${output.slice(-6000)}`);
  }
  const result = summary(JSON.parse(report));
  // A run in which everything was skipped has shown nothing.
  assert.ok(result.passed + result.failed > 0, `no test ran\n${output.slice(-6000)}`);
  result.failures.forEach((failure) => console.log(`  ${failure}`));
  assert.ok(status === 0 || result.failed > 0, `the suites ended with ${status}\n${output.slice(-6000)}`);
  const { passed, failed, skipped } = result;
  return {
    kernel: kernel.version,
    passed,
    failed,
    skipped,
    minutes: Math.round((performance.now() - started) / 60_000),
  };
}

const names = positionals.length > 0 ? positionals : [...MACHINES.keys()];
const unknown = names.filter((name) => !MACHINES.has(name));
assert.deepEqual(unknown, [], `no such machine; there are ${[...MACHINES.keys()].join(', ')}`);
if (values.list) {
  names.forEach((name) => console.log(`${name.padEnd(18)} ${MACHINES.get(name).title}`));
  process.exit(0);
}
assert.equal(process.getuid(), 0, 'needs root, to share files with their owners');
assert.ok(existsSync(`${ROOT}/dist`) && existsSync(`${ROOT}/build/Release`), 'nothing is built: npm run build');

const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
let failed = false;
for (const name of names) {
  console.log(`${name}: ${MACHINES.get(name).title}`);
  let result;
  try {
    result = await runOn(name);
  } catch (error) {
    failed = true;
    console.log(`FAIL ${name}: ${error.message}`);
    continue;
  }
  const date = new Date().toISOString().slice(0, 10);
  const entry = { ...result, date, commit, node: process.versions.node, files: values.files };
  failed ||= result.failed > 0;
  console.log(`${result.failed > 0 ? 'FAIL' : 'ok  '} ${name}: ${JSON.stringify(entry)}`);
  // Read anew: a run of another machine may have ended meanwhile.
  const results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {};
  writeFileSync(RESULTS, `${JSON.stringify({ ...results, [name]: entry }, undefined, 2)}\n`);
}
process.exitCode = failed ? 1 : 0;
