// `npm test`: all vitest projects but the leak runs, then the C++ unit tests. Both run even when the first fails; their reports lie in
// reports/ afterwards. Arguments go to vitest, and then vitest alone runs:
//   npm test -- --project unit

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const args = process.argv.slice(2);
const reports = ['--reporter=default', '--reporter=json', '--outputFile.json=reports/vitest.json'];

rmSync(path.join(root, 'reports'), { recursive: true, force: true });
const run = (command, commandArgs) =>
  spawnSync(command, commandArgs, { cwd: root, stdio: 'inherit', env: { ...process.env, CLOISTER_BUILT: '1' } })
    .status === 0;

const projects = args.some((argument) => argument.startsWith('--project')) ? [] : ['--project=!leak'];
let passed = run(path.join(root, 'node_modules/.bin/vitest'), ['run', ...reports, ...projects, ...args]);
if (args.length === 0) {
  passed = run(process.execPath, ['tools/test-native.mjs']) && passed;
}
process.exit(passed ? 0 : 1);
