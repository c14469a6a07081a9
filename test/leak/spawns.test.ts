/** A thousand cells leave nothing behind in the process that started them. The counting is in spawns.mjs, which also runs by hand. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

import { USERS } from '../support/in-subprocess.js';

const SCRIPT = fileURLToPath(new URL('spawns.mjs', import.meta.url));
const NOBODY = 65534;

describe.each(USERS)('leaks, as %s', (user) => {
  it('a thousand cells leave no descriptor, thread, process or mount', async () => {
    const ids = user === 'nobody' ? { uid: NOBODY, gid: NOBODY } : {};
    const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, '1000'], ids);
    const { count, before, after } = JSON.parse(stdout) as Record<string, unknown>;
    expect(count).toBe(1000);
    expect(after).toEqual(before);
  });
});
