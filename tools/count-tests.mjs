// Adds up the test runners' own reports in reports/ and prints "N passed, N failed, N skipped".
// Fails when a test failed, or when no test ran at all.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const reports = fileURLToPath(new URL('../reports', import.meta.url));

/** vitest's JSON. A file that could not even be loaded has no tests in it and counts as one failure. */
function fromVitest(text) {
  const report = JSON.parse(text);
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** ctest's JUnit file. */
function fromCtest(text) {
  const suite = /<testsuite\b[^>]*>/.exec(text)?.[0] ?? '';
  const number = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1]);
  const [tests, failed, skipped] = [number('tests'), number('failures'), number('skipped') + number('disabled')];
  return { passed: tests - failed - skipped, failed, skipped };
}

const total = { passed: 0, failed: 0, skipped: 0 };
for (const name of readdirSync(reports)) {
  const text = readFileSync(path.join(reports, name), 'utf8');
  const counts = name.endsWith('.json') ? fromVitest(text) : fromCtest(text);
  for (const key of Object.keys(total)) {
    if (!Number.isInteger(counts[key])) {
      throw new Error(`reports/${name}: cannot read the number of tests ${key}`);
    }
    total[key] += counts[key];
  }
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
