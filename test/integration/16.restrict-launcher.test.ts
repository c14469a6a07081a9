import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

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
