import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../faults/start-faults.mjs', import.meta.url));

/** The number of write(2) there. */
const WRITE = '1';

/** Following another user's processes takes CAP_SYS_PTRACE; the script knows the registers of one architecture. */
describe.runIf(process.getuid?.() === 0 && process.arch === 'x64')('a start that fails', () => {
  // Some calls of each start, others every time; `npm run test:faults` goes through all.
  it.each([
    ['root', 'full', '12'],
    ['nobody', 'plain', 'kill'],
    ['nobody', 'landlock', '24'],
  ])(
    'at any system call, as %s, %s, with %s, is told and leaves nothing, and the next works',
    { timeout: 60_000 },
    async (user, mode, error) => {
      const args = [SCRIPT, '--stride', '90', '--user', user, '--mode', mode, '--error', error];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      expect(stdout).toMatch(/\nok\n$/);
    },
  );

  // A group has up to four directories, and the process may be in some of them when the next one refuses it.
  it.each(['root', 'nobody'])(
    'at any of its writes, as %s, leaves no control group',
    { timeout: 60_000 },
    async (user) => {
      const args = [SCRIPT, '--call', WRITE, '--user', user, '--mode', 'full', '--error', '12'];
      const { stdout } = await promisify(execFile)(process.execPath, args);
      expect(stdout).toMatch(/"ERR_CLOISTER_SETUP.*\nok\n$/);
    },
  );
});
