// tsc --noEmit for the sources, the tests and the benchmarks: each has its tsconfig.json.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));

function hasTypeScript(folder) {
  const names = readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' });
  return names.some((name) => name.endsWith('.ts'));
}

// The folders of tests and benchmarks check lib/ along with themselves, but with their own, more lenient settings.
const projects = ['lib', 'test', 'bench'].filter(
  (folder) => existsSync(path.join(root, folder)) && hasTypeScript(folder),
);
const bad = projects.filter((folder) => {
  const project = folder === 'lib' ? '.' : folder;
  const tsc = path.join(root, 'node_modules/.bin/tsc');
  return (
    spawnSync(tsc, ['--noEmit', '--pretty', 'false', '--project', project], { cwd: root, stdio: 'inherit' }).status !==
    0
  );
});
console.log(`checked ${projects.join(', ')}; errors in ${bad.join(', ') || 'none'}`);
process.exit(bad.length > 0 ? 1 : 0);
