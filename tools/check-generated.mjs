// Runs every tools/generate-*.mjs with --check: generated files that are committed must match what they are made from.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const generators = readdirSync(new URL('.', import.meta.url)).filter((name) => /^generate-.*\.mjs$/.test(name));

const stale = generators.filter((name) => {
  const { status } = spawnSync(process.execPath, [`tools/${name}`, '--check'], { cwd: root, stdio: 'inherit' });
  return status !== 0;
});
console.log(`${generators.length} generators, ${stale.length} with stale output`);
process.exit(stale.length > 0 ? 1 : 0);
