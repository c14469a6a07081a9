// vitest global setup: brings dist/ and the native parts up to date before the first program is started.
// `npm test` has built them already and says so in CLOISTER_BUILT.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

export default function setup() {
  if (process.env.CLOISTER_BUILT !== '1') {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    process.env.CLOISTER_BUILT = '1';
  }
}
