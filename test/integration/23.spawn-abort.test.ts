import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('AbortSignal and disposal, as %s', (user) => {
  it('an aborted signal starts nothing', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, children, recordEvents, text, closeOf }) => {
        const child = spawnIsolated('sleep', ['20'], { signal: AbortSignal.abort(new Error('why')) });
        const log = recordEvents(child);
        const closed = closeOf(child);
        const error = (await child.outcome.catch((reason: unknown) => reason)) as Error & { code: string };
        const output = await text(child.stdout);
        await closed;
        return {
          name: error.name,
          code: error.code,
          cause: (error.cause as Error).message,
          log,
          output,
          children: children().length,
        };
      },
      { user },
    );
    expect(result).toEqual({
      name: 'AbortError',
      code: 'ABORT_ERR',
      cause: 'why',
      log: ['error ABORT_ERR', 'close'],
      output: '',
      children: 0,
    });
  });

  it('an abort before the start takes the cell back', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, recordEvents, descendants }) => {
        const logs: string[] = [];
        for (let round = 0; round < 20; round += 1) {
          const controller = new AbortController();
          const child = spawnIsolated('sleep', ['20'], { signal: controller.signal });
          const log = recordEvents(child);
          controller.abort();
          const error = (await child.outcome.catch((reason: unknown) => reason)) as Error;
          logs.push(`${error.name} ${log.filter((line) => line !== 'close').join()}`);
        }
        return { logs: [...new Set(logs)], left: descendants().filter(({ name }) => name === 'sleep').length };
      },
      { user },
    );
    expect(result).toEqual({ logs: ['AbortError error ABORT_ERR'], left: 0 });
  });

  it('an abort of a running command is an AbortError and a reason, as child_process tells it', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, childProcess, events, recordEvents, closeOf }) => {
        type Start = (
          command: string,
          args: string[],
          options: { signal: AbortSignal },
        ) => import('node:child_process').ChildProcess;
        const starts: Start[] = [childProcess.spawn, spawnIsolated as unknown as Start];
        const logs: string[][] = [];
        let reason = '';
        for (const start of starts) {
          const controller = new AbortController();
          const child = start('sleep', ['20'], { signal: controller.signal });
          const log = recordEvents(child);
          await events.once(child, 'spawn');
          const closed = closeOf(child);
          controller.abort();
          await closed;
          logs.push(log);
          if ('outcome' in child) {
            reason = (await (child.outcome as Promise<{ reason: string }>)).reason;
          }
        }
        return { logs, reason };
      },
      { user },
    );
    expect(result.logs[1]).toEqual(result.logs[0]);
    expect(result.logs[1]).toEqual(['spawn', 'error ABORT_ERR', 'exit  SIGTERM', 'close  SIGTERM']);
    expect(result.reason).toBe('aborted');
  });

  it('an abort after the end changes nothing', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, recordEvents }) => {
        const controller = new AbortController();
        const child = spawnIsolated('true', [], { signal: controller.signal });
        const log = recordEvents(child);
        child.on('exit', () => {
          controller.abort();
        });
        const { reason } = await child.outcome;
        return { reason, errors: log.filter((line) => line.startsWith('error')) };
      },
      { user },
    );
    expect(result).toEqual({ reason: 'exited', errors: [] });
  });

  it('what ignores SIGTERM is killed after the grace period', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, runIsolated, grace, events }) => {
        const stubborn = ['-c', 'trap "" TERM; echo ready; sleep 20 & wait; sleep 20'];
        const controller = new AbortController();
        const aborted = spawnIsolated('sh', stubborn, { signal: controller.signal });
        const disposed = spawnIsolated('sh', stubborn);
        aborted.on('error', () => undefined);
        await Promise.all([events.once(aborted.stdout!, 'data'), events.once(disposed.stdout!, 'data')]);
        const started = performance.now();
        controller.abort();
        await disposed[Symbol.asyncDispose]();
        const waited = performance.now() - started;
        const ends = await Promise.all([aborted.outcome, disposed.outcome]);
        const polite = await runIsolated('sh', ['-c', 'trap "exit 4" TERM; sleep 20 & wait'], {
          signal: AbortSignal.timeout(200),
        });
        return {
          waited,
          grace,
          ends: [...ends, polite].map(({ reason, signal, exitCode }) => [reason, signal, exitCode]),
        };
      },
      { user },
    );
    expect(result.grace).toBe(2000);
    expect(result.waited).toBeGreaterThanOrEqual(1990);
    expect(result.waited).toBeLessThan(4000);
    expect(result.ends).toEqual([
      ['aborted', 'SIGKILL', null],
      ['killed', 'SIGKILL', null],
      ['aborted', null, 4],
    ]);
  });

  it('disposal waits for the end and never rejects', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, descendants }) => {
        const early = spawnIsolated('sleep', ['20']);
        await early[Symbol.asyncDispose]();
        const missing = spawnIsolated('missing-command');
        await missing[Symbol.asyncDispose]();
        const over = spawnIsolated('true');
        const { reason } = await over.outcome;
        await over[Symbol.asyncDispose]();
        const { reason: disposed, signal } = await early.outcome;
        return { reason, disposed, signal, left: descendants().filter(({ name }) => name === 'sleep').length };
      },
      { user },
    );
    expect(result).toEqual({ reason: 'exited', disposed: 'killed', signal: 'SIGTERM', left: 0 });
  });

  it('the wall-time limit holds while the event loop is blocked, and comes first', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, events }) => {
        const controller = new AbortController();
        const child = spawnIsolated('sleep', ['20'], { limits: { wallTime: 100 }, signal: controller.signal });
        child.on('error', () => undefined);
        await events.once(child, 'spawn');
        const until = performance.now() + 400;
        while (performance.now() < until) {
          // Busy on purpose.
        }
        controller.abort();
        const { reason, signal, usage } = await child.outcome;
        return { reason, signal, wallTime: usage.wallTime };
      },
      { user },
    );
    expect(result).toMatchObject({ reason: 'wall-time', signal: 'SIGKILL' });
    expect(result.wallTime).toBeGreaterThanOrEqual(99);
    expect(result.wallTime).toBeLessThan(350);
  });

  it('takes a signal at the word of its class, whatever members somebody gave it', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, failureOf, descendants }) => {
        const controller = new AbortController();
        const angry = (): never => {
          throw new Error('not this way');
        };
        Object.defineProperties(controller.signal, {
          addEventListener: { value: angry },
          removeEventListener: { value: angry },
          aborted: { get: angry },
          reason: { get: angry },
        });
        const child = spawnIsolated('sleep', ['20'], { signal: controller.signal });
        child.on('error', () => undefined);
        controller.abort();
        const aborted = await failureOf(() => child.outcome);
        const fake = await failureOf(() =>
          spawnIsolated('true', [], { signal: Object.create(AbortSignal.prototype) as AbortSignal }),
        );
        return {
          aborted: aborted?.name,
          fake: fake?.code,
          left: descendants().filter(({ name }) => name === 'sleep').length,
        };
      },
      { user },
    );
    expect(result).toEqual({ aborted: 'AbortError', fake: 'ERR_CLOISTER_POLICY', left: 0 });
  });
});
