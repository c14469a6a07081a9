import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('kill(), as %s', (user) => {
  it('delivers a signal that was sent before the start', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, recordEvents }) => {
        const outcomes: unknown[] = [];
        for (const signal of ['SIGTERM', 'SIGKILL', 2] as const) {
          const child = spawnIsolated('sleep', ['20']);
          const log = recordEvents(child);
          const sent = child.kill(signal);
          const { reason, signal: by, exitCode } = await child.outcome;
          outcomes.push([sent, child.killed, reason, by, exitCode, log.slice(0, 2).join()]);
        }
        return outcomes;
      },
      { user },
    );
    expect(result).toEqual([
      [true, true, 'killed', 'SIGTERM', null, 'spawn,exit  SIGTERM'],
      [true, true, 'killed', 'SIGKILL', null, 'spawn,exit  SIGKILL'],
      [true, true, 'killed', 'SIGINT', null, 'spawn,exit  SIGINT'],
    ]);
  });

  it('reaches only the command, and SIGKILL the whole cell', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, events, descendants, waitFor }) => {
        const script = 'trap "echo got" USR1; sleep 20 & sleep 20 & echo ready; while :; do wait; done';
        const child = spawnIsolated('sh', ['-c', script]);
        await events.once(child.stdout!, 'data');
        child.kill('SIGUSR1');
        const [answer] = (await events.once(child.stdout!, 'data')) as [Buffer];
        const sleepers = () => descendants().filter(({ name }) => name === 'sleep').length;
        await waitFor(() => sleepers() === 2);
        const before = sleepers();
        child.kill('SIGKILL');
        const { reason, signal } = await child.outcome;
        return { answer: answer.toString(), before, reason, signal, gone: await waitFor(() => sleepers() === 0, 100) };
      },
      { user },
    );
    expect(result).toEqual({ answer: 'got\n', before: 2, reason: 'killed', signal: 'SIGKILL', gone: true });
  });

  it('is no cause where the command handles the signal', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, events }) => {
        const child = spawnIsolated('sh', ['-c', 'trap "exit 9" TERM; echo ready; sleep 20 & wait']);
        await events.once(child.stdout!, 'data');
        child.kill();
        const { reason, exitCode, signal } = await child.outcome;
        return { reason, exitCode, signal, again: child.kill(), zero: child.kill(0) };
      },
      { user },
    );
    expect(result).toEqual({ reason: 'exited', exitCode: 9, signal: null, again: false, zero: false });
  });

  it('tells life with signal 0 and refuses what is no signal', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, events, failureOf }) => {
        const child = spawnIsolated('sleep', ['20']);
        await events.once(child, 'spawn');
        const alive = child.kill(0);
        const marked = child.killed;
        const failures: unknown[] = [];
        for (const signal of ['SIGNOPE', 65, -1, 1.5, Number.NaN, null, {}]) {
          const failure = await failureOf(() => child.kill(signal as number));
          failures.push(failure?.code);
        }
        const stillAlive = child.kill(0);
        child.kill('SIGKILL');
        await child.outcome;
        return { alive, marked, failures, stillAlive };
      },
      { user },
    );
    expect(result.failures).toEqual(Array(7).fill('ERR_CLOISTER_POLICY'));
    expect(result).toMatchObject({ alive: true, marked: false, stillAlive: true });
  });

  it('names a death that nobody here asked for', async () => {
    const result = await inSubprocess(
      async ({ runIsolated }) => {
        const ends: unknown[] = [];
        for (const signal of ['TERM', 'SEGV', 'KILL', '34']) {
          const { reason, signal: by, exitCode } = await runIsolated('sh', ['-c', `kill -${signal} $$`]);
          ends.push([reason, by, exitCode]);
        }
        return ends;
      },
      { user },
    );
    expect(result).toEqual([
      ['signaled', 'SIGTERM', null],
      ['signaled', 'SIGSEGV', null],
      ['signaled', 'SIGKILL', null],
      ['signaled', 'SIGRTMIN+0', null],
    ]);
  });

  it('ends the cell when the command ends, whatever it left behind', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, descendants }) => {
        const { reason, exitCode } = await runIsolated('sh', ['-c', '(trap "" HUP TERM; setsid sleep 20) & exit 0']);
        return { reason, exitCode, left: descendants().filter(({ name }) => name === 'sleep').length };
      },
      { user },
    );
    expect(result).toEqual({ reason: 'exited', exitCode: 0, left: 0 });
  });
});
