import { describe, expect, it } from 'vitest';

import { inSubprocess, runSubprocess, USERS } from '../support/in-subprocess.js';
import { groupDirectories } from '../support/limits.js';

describe.each(USERS)('a cell with limits on the whole of it, as %s', (user) => {
  it('leaves no control group behind', async () => {
    const pid = await inSubprocess(
      async ({ runIsolated, children }) => {
        const launchers: number[] = [];
        for (let round = 0; round < 3; round += 1) {
          await Promise.all(
            Array.from({ length: 4 }, async () => {
              await runIsolated('true', [], { limits: { memory: '64MiB', processes: 9, cpuTime: '9s' } });
            }),
          );
          launchers.push(...children().flatMap(({ pid: child, name }) => (name === 'cloister' ? [child] : [])));
        }
        return launchers[0];
      },
      { user },
    );
    expect(pid).toBeGreaterThan(0);
    expect(groupDirectories(pid)).toEqual([]);
  });

  it.each(['init', 'launcher'] as const)(
    'ends when its %s is killed, and the next launcher clears up',
    async (victim) => {
      const result = await inSubprocess(
        async ({ spawnIsolated, runIsolated, children, events, waitFor, data }) => {
          const child = spawnIsolated('sleep', ['20'], { limits: { memory: '64MiB', processes: 9 } });
          await events.once(child, 'spawn');
          const launcher = children().find(({ name }) => name === 'cloister')?.pid ?? 0;
          const init = children(launcher).find(({ name }) => name === 'cloister-init')?.pid ?? 0;
          process.kill(data === 'init' ? init : launcher, 'SIGKILL');
          const { reason, signal } = await child.outcome;
          const after = await runIsolated('true', [], { limits: { memory: '64MiB', processes: 9 } });
          const gone = await waitFor(() => {
            try {
              process.kill(child.pid ?? 0, 0);
              return false;
            } catch {
              return true;
            }
          });
          return { reason, signal, after: after.reason, gone, launcher };
        },
        { user, data: victim },
      );
      expect(result).toMatchObject({ signal: 'SIGKILL', after: 'exited', gone: true });
      expect(result.reason).toBe(victim === 'init' ? 'signaled' : 'killed');
      expect(groupDirectories(result.launcher)).toEqual([]);
    },
  );

  it('ends when Node.js is killed, and leaves no control group', async () => {
    const end = await runSubprocess(
      async ({ spawnIsolated, children, events }) => {
        const child = spawnIsolated('sleep', ['20'], { limits: { memory: '64MiB', processes: 9, cpuTime: '20s' } });
        await events.once(child, 'spawn');
        process.stdout.write(
          `${String(child.pid)} ${String(children().find(({ name }) => name === 'cloister')?.pid)}\n`,
          () => {
            process.kill(process.pid, 'SIGKILL');
          },
        );
        await child.outcome;
      },
      { user },
    );
    expect(end.signal).toBe('SIGKILL');
    const [command = 0, launcher = 0] = end.stdout.split(' ').map(Number);
    const isGone = (pid: number): boolean => {
      try {
        process.kill(pid, 0);
        return false;
      } catch {
        return true;
      }
    };
    await expect.poll(() => isGone(command) && isGone(launcher), { timeout: 5000 }).toBe(true);
    expect(groupDirectories(launcher)).toEqual([]);
  });

  it('that stopped itself, or left its session, ends at a limit all the same', async () => {
    const reasons = await inSubprocess(
      async ({ runIsolated }) => {
        const results = [];
        for (const script of [
          'kill -STOP $$',
          'setsid sh -c "kill -STOP \\$\\$" & wait',
          'setsid sh -c "sleep 30 & sleep 30 &"; sleep 30',
          'trap "" TERM INT HUP; while :; do sleep 1; done',
        ]) {
          const { reason, usage } = await runIsolated('sh', ['-c', script], { limits: { wallTime: 300 } });
          results.push([reason, usage.wallTime < 5000]);
        }
        return results;
      },
      { user },
    );
    expect(reasons).toEqual(Array.from({ length: 4 }, () => ['wall-time', true]));
  });
});
