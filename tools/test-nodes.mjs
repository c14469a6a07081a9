// What a process can do under its promises, on other versions of Node.js: `npm run test:nodes [-- NODE...]`. The tests themselves run on this one; the
// processes that restrict themselves are those given, or 22, 24 and 26 from the packages that carry their binaries.

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const MAJORS = ['22', '24', '26'];
/** All that restricts itself, and what is refused to cells' promises. */
const TESTS = ['test/integration/1', 'test/escape/promises'];

const scratch = mkdtempSync(path.join(tmpdir(), 'cloister-nodes-'));
// An unprivileged user runs them too.
chmodSync(scratch, 0o755);

function install(major) {
  const name = `node-linux-${process.arch}`;
  const folder = path.join(scratch, major);
  const args = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  execFileSync('npm', [...args, `${name}@${major}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  return path.join(folder, 'node_modules', name, 'bin', 'node');
}

let failed = 0;
try {
  const given = process.argv.slice(2);
  for (const node of given.length > 0 ? given.map((file) => path.resolve(file)) : MAJORS.map(install)) {
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    console.log(`\n== ${version}`);
    const { status } = spawnSync(
      path.join(root, 'node_modules/.bin/vitest'),
      ['run', '--project', 'integration', '--project', 'escape', ...TESTS],
      { cwd: root, stdio: 'inherit', env: { ...process.env, CLOISTER_BUILT: '1', CLOISTER_TEST_NODE: node } },
    );
    failed += status === 0 ? 0 : 1;
  }
} finally {
  rmSync(scratch, { recursive: true });
}
process.exit(failed === 0 ? 0 : 1);
