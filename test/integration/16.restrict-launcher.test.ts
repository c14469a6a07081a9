import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe.each(USERS)('the launcher of a process that restricts itself, as %s', (user) => {
  it('starts no further cell, and lets those that run end in order', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, runIsolated, spawnIsolated, failureOf, events, text }) => {
        const before = await runIsolated('echo', ['before']);
        const running = spawnIsolated('sh', ['-c', 'read line; echo got $line']);
        await events.once(running, 'spawn');
        restrictSelf({ unveil: { '/usr': 'rx' } });
        const refused = await failureOf(() => runIsolated('cat', ['/etc/hostname']));
        running.stdin?.end('still here\n');
        const output = await text(running.stdout);
        return { before: before.stdout, refused, output, reason: (await running.outcome).reason };
      },
      { user },
    );
    expect(result).toMatchObject({ before: 'before\n', output: 'got still here\n', reason: 'exited' });
    expect(result.refused).toMatchObject({ code: 'ERR_CLOISTER_SETUP', errno: -1 });
  });

  it('starts none for a second installation of the package either, which knows nothing of the call', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, failureOf, archive, data }) => {
        const folder = fs.mkdtempSync('/tmp/cloister-second-');
        try {
          fs.cpSync(`${String(data)}dist`, `${folder}/dist`, { recursive: true });
          for (const file of ['cloister.node', 'cloister-launcher']) {
            fs.cpSync(`${String(data)}build/Release/${file}`, `${folder}/build/Release/${file}`);
          }
          fs.cpSync(`${String(data)}package.json`, `${folder}/package.json`);
          fs.symlinkSync(`${String(data)}node_modules`, `${folder}/node_modules`);
          const second = (await archive(`${folder}/dist/index.js`)) as unknown as typeof import('../../lib/index.js');
          const run = async (): Promise<unknown> => (await second.runIsolated('echo', ['second'])).stdout;
          const before = await run();
          restrictSelf({ unveil: { '/': 'r' } });
          return { before, refused: await failureOf(run), folder };
        } catch (error) {
          fs.rmSync(folder, { recursive: true });
          throw error;
        }
      },
      { user, data: ROOT },
    );
    rmSync(result.folder, { recursive: true });
    expect(result.before).toBe('second\n');
    expect(result.refused).toMatchObject({
      code: 'ERR_CLOISTER_SETUP',
      errno: -1,
      stage: 'clone',
      hint: expect.stringContaining('starts no more cells') as string,
    });
  });

  it('stays open after a call that restricts nothing', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, runIsolated }) => {
        restrictSelf({});
        return (await runIsolated('echo', ['open'])).stdout;
      },
      { user },
    );
    expect(result).toBe('open\n');
  });
});
