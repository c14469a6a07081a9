/** Pieces of tests under a filter of somebody else, as a container engine installs one. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { compile } from '../../lib/filter/compile.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** For SubprocessOptions.before: these calls answer EPERM from then on. */
export function refusing(...syscalls: string[]): string {
  const folder = path.join(ROOT, '.cache', 'sandboxee');
  const program = path.join(folder, 'filtered');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(program)) {
    execFileSync('cc', ['-O1', '-static', '-o', program, path.join(ROOT, 'test/sandboxee/filtered.c')]);
  }
  const file = path.join(folder, `refusing-${syscalls.join('-')}`);
  const { bytes } = compile({ defaultAction: 'allow', rules: [{ syscalls, action: { errno: 'EPERM' } }] });
  writeFileSync(file, bytes);
  return `exec ${program} ${file} exec "$@"`;
}
