import { describe, expect, it } from 'vitest';

import { inSubprocess, runSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('events of a process object, as %s', (user) => {
  it('come in the order of node:child_process', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, childProcess, recordEvents, closeOf }) => {
        const calls: [string, string[]][] = [
          ['/bin/true', []],
          ['/bin/sh', ['-c', 'echo out; echo err >&2; exit 3']],
          ['/bin/sh', ['-c', 'kill -KILL $$']],
          ['/nonexistent/program', []],
          ['no-such-program-anywhere', []],
          ['/etc/passwd', []],
        ];
        type Start = (command: string, args: string[]) => import('node:child_process').ChildProcess;
        const starts: Start[] = [childProcess.spawn, spawnIsolated as unknown as Start];
        const pairs: [string[], string[]][] = [];
        for (const [command, args] of calls) {
          const logs: string[][] = [];
          for (const start of starts) {
            const child = start(command, args);
            const log = recordEvents(child);
            child.stdout?.on('data', (chunk) => log.push(`data ${String(chunk).trim()}`));
            child.stdout?.on('close', () => log.push('stdout close'));
            await closeOf(child);
            logs.push([
              ...log.filter((line) => !line.startsWith('stdout')),
              `${String(child.exitCode)} ${String(child.signalCode)}`,
            ]);
          }
          pairs.push(logs as [string[], string[]]);
        }
        return pairs;
      },
      { user },
    );
    for (const [theirs, ours] of result) {
      // When output arrives relative to the end is up to the scheduler for both.
      const order = (log: string[]): string[] => log.filter((line) => !line.startsWith('data'));
      expect(order(ours)).toEqual(order(theirs));
      expect(ours.toSorted()).toEqual(theirs.toSorted());
    }
  });

  it("tell a missing command by 'error' and a rejected outcome", async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, failureOf, events }) => {
        const child = spawnIsolated('missing-command');
        const [error] = (await events.once(child, 'error')) as [Error];
        const rejected = await failureOf(() => child.outcome);
        const same = await child.outcome.catch((reason: unknown) => reason === error);
        return { rejected, same, isCloisterError: error.name, pid: child.pid ?? null };
      },
      { user },
    );
    expect(result.rejected).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
      errno: -2,
      syscall: 'spawn missing-command',
      path: 'missing-command',
      causeCode: 'ENOENT',
    });
    expect(result).toMatchObject({ same: true, isCloisterError: 'CloisterError', pid: null });
  });

  it('tell EACCES, ENOEXEC and a missing interpreter apart', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, failureOf }) => {
        const file = (name: string, content: string, mode: number) =>
          ({ type: 'file', target: `/tmp/${name}`, content, mode }) as const;
        const mounts = [
          file('plain', 'echo', 0o644),
          file('binary', '\u0001\u0002', 0o755),
          file('script', '#!/no/such\n', 0o755),
        ];
        const failures: unknown[] = [];
        for (const name of ['plain', 'binary', 'script']) {
          failures.push(await failureOf(() => spawnIsolated(`/tmp/${name}`, [], { mounts }).outcome));
        }
        return failures;
      },
      { user },
    );
    expect(result).toMatchObject([
      { code: 'ERR_CLOISTER_SETUP', causeCode: 'EACCES', stage: 'exec', path: '/tmp/plain' },
      { code: 'ERR_CLOISTER_SETUP', causeCode: 'ENOEXEC', stage: 'exec', path: '/tmp/binary' },
      { code: 'ERR_CLOISTER_NOT_FOUND', causeCode: 'ENOENT', stage: 'exec', path: '/tmp/script' },
    ]);
  });

  it('make a failed start fatal only where nobody can hear of it', async () => {
    const unheard = await runSubprocess(
      async ({ spawnIsolated, timers }) => {
        spawnIsolated('missing-command');
        await timers.setTimeout(2000);
        return 'survived';
      },
      { user },
    );
    expect(unheard.code).toBe(1);
    expect(unheard.stderr).toContain('cannot start missing-command: ENOENT');
    const taken = await inSubprocess(
      async ({ spawnIsolated, timers }) => {
        let unhandled = 0;
        process.on('unhandledRejection', () => (unhandled += 1));
        const child = spawnIsolated('missing-command');
        const promise = child.outcome;
        await timers.setTimeout(300);
        const other = spawnIsolated('missing-command');
        other.on('error', () => undefined);
        await timers.setTimeout(300);
        return { unhandled, rejected: await promise.catch((error: unknown) => (error as NodeJS.ErrnoException).code) };
      },
      { user },
    );
    expect(taken).toEqual({ unhandled: 0, rejected: 'ERR_CLOISTER_NOT_FOUND' });
  });

  it('leave streams usable whose command was not started', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, text, closeOf }) => {
        const child = spawnIsolated('missing-command');
        child.on('error', () => undefined);
        const closed = closeOf(child);
        child.stdin!.write(Buffer.alloc(1_000_000));
        child.stdin!.end('more');
        const output = await text(child.stdout);
        const [code, signal] = (await closed) as [number, string];
        return { output, code, signal };
      },
      { user },
    );
    expect(result).toEqual({ output: '', code: -2, signal: null });
  });

  it('set pid, exitCode and signalCode when they are known', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, events, fs, waitFor }) => {
        const child = spawnIsolated('sh', ['-c', 'read line; exit 7']);
        const before = [child.pid, child.exitCode, child.signalCode, child.killed];
        await events.once(child, 'spawn');
        // The number is that of this process's pid namespace. execve(2) gives the name a moment after it can no longer fail.
        const nameOf = () => fs.readFileSync(`/proc/${String(child.pid)}/comm`, 'utf8').trim();
        await waitFor(() => nameOf() !== 'cloister-init');
        const name = nameOf();
        child.stdin!.end('\n');
        await events.once(child, 'exit');
        return { before, name, after: [child.exitCode, child.signalCode, child.killed] };
      },
      { user },
    );
    expect(result).toEqual({ before: [null, null, null, false], name: 'sh', after: [7, null, false] });
  });

  it('report an exception of a listener as uncaught and go on', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, closeOf }) => {
        const caught: string[] = [];
        process.on('uncaughtException', (error) => caught.push(error.message));
        const child = spawnIsolated('true');
        child.on('spawn', () => {
          throw new Error('in spawn');
        });
        child.on('exit', () => {
          throw new Error('in exit');
        });
        await closeOf(child);
        const { reason } = await child.outcome;
        return { caught, reason };
      },
      { user },
    );
    expect(result).toEqual({ caught: ['in spawn', 'in exit'], reason: 'exited' });
  });

  it('keep the program alive unless unref() was called', async () => {
    const kept = await runSubprocess(
      ({ spawnIsolated }) => {
        const started = performance.now();
        const child = spawnIsolated('sleep', ['0.3'], { stdio: 'ignore' });
        child.on('exit', () => process.stdout.write(performance.now() - started > 290 ? 'waited' : 'early'));
      },
      { user },
    );
    expect(kept).toMatchObject({ code: 0, stdout: 'waited' });
    const started = performance.now();
    const left = await runSubprocess(
      ({ spawnIsolated }) => {
        const child = spawnIsolated('sleep', ['20'], { stdio: 'ignore' });
        child.unref();
        child.unref();
        child.ref();
        child.unref();
      },
      { user },
    );
    expect(left).toMatchObject({ code: 0, stdout: '' });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  it('survive process.exit and a throw inside a listener', async () => {
    const end = await runSubprocess(
      ({ spawnIsolated }) => {
        const child = spawnIsolated('sh', ['-c', 'sleep 20 & echo started; wait']);
        child.stdout!.on('data', () => process.exit(5));
      },
      { user },
    );
    expect(end).toMatchObject({ code: 5, signal: null });
  });
});
