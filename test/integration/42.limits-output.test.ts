import { describe, expect, it } from 'vitest';

import { inCells, refusal, shell } from '../support/cells.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('limits.output, as %s', (user) => {
  it('delivers everything up to the limit and ends the cell', async () => {
    const [endless, both] = await inCells(user, [
      shell('yes', { limits: { output: 100_000, wallTime: '20s' } }),
      shell('while :; do echo out; echo err >&2; done', { limits: { output: '10k', wallTime: '20s' } }),
    ]);
    expect(endless).toMatchObject({
      reason: 'output',
      exitCode: null,
      signal: 'SIGKILL',
      enforcement: { limits: { output: 'node' } },
    });
    expect(endless?.stdout).toBe('y\n'.repeat(50_000));
    expect(both?.reason).toBe('output');
    expect((both?.stdout.length ?? 0) + (both?.stderr.length ?? 0)).toBe(10 * 1024);
  });

  it('changes nothing for a command that keeps to it', async () => {
    const [exact, below] = await inCells(user, [
      shell('printf 12345; printf 678 >&2', { limits: { output: 8 } }),
      shell('head -c 1000000 /dev/zero; exit 3', { limits: { output: '1MiB' } }),
    ]);
    expect(exact).toMatchObject({ reason: 'exited', exitCode: 0, stdout: '12345', stderr: '678' });
    expect(below).toMatchObject({ reason: 'exited', exitCode: 3 });
    expect(below?.stdout).toHaveLength(1_000_000);
  });

  it('decides the same whether or not the command has ended before its output is read', async () => {
    const results = await inCells(
      user,
      Array.from({ length: 10 }, (_, index) =>
        shell(`head -c ${String(2000 + index)} /dev/zero`, { limits: { output: 2000 } }),
      ),
    );
    expect(results.map(({ reason }) => reason)).toEqual(['exited', ...Array.from({ length: 9 }, () => 'output')]);
    expect(results.every(({ stdout }) => stdout.length === 2000)).toBe(true);
  });

  it('counts what nobody reads', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated }) => {
        const child = spawnIsolated('sh', ['-c', 'echo too much'], { limits: { output: 3 } });
        const { reason } = await child.outcome;
        return reason;
      },
      { user },
    );
    expect(result).toBe('output');
  });

  it('is refused where there is nothing to count', async () => {
    for (const stdio of ['inherit', ['pipe', 'ignore', 'pipe'], ['pipe', 'pipe', 2]] as const) {
      expect(await refusal(user, { limits: { output: 9 }, stdio: stdio })).toMatchObject({
        code: 'ERR_CLOISTER_POLICY',
      });
    }
  });
});
