import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('a pseudo-terminal, as %s', (user) => {
  it('is the command’s controlling terminal, of the size that was asked for', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, text }) => {
        const script = 'stty size; tty; test -t 0 && test -t 1 && test -t 2 && echo all; cat /dev/tty';
        const child = spawnIsolated('sh', ['-c', script], { pty: { columns: 90, rows: 33 } });
        const one = (child.stdin as unknown) === child.stdout;
        // Before there is a terminal: kept for it.
        child.stdin!.write('typed\n');
        child.stdin!.end();
        const output = await text(child.stdout);
        const { reason, exitCode } = await child.outcome;
        // When the typed line is echoed is up to the scheduler.
        const lines = output.split('\r\n').toSorted();
        return { one, stderr: child.stderr, stdio: child.stdio.length, lines, reason, exitCode };
      },
      { user },
    );
    expect(result).toEqual({
      one: true,
      stderr: null,
      stdio: 3,
      lines: ['', '/dev/pts/0', '33 90', 'all', 'typed', 'typed'],
      reason: 'exited',
      exitCode: 0,
    });
  });

  it('changes its size, and the command hears of it', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, failureOf, waitFor, closeOf }) => {
        const script = 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done';
        const child = spawnIsolated('sh', ['-c', script], { pty: { columns: 80, rows: 24 } });
        let output = '';
        child.stdout!.on('data', (chunk) => (output += String(chunk)));
        await waitFor(() => output.includes('ready'));
        const closed = closeOf(child);
        child.resize!(132, 50);
        await closed;
        const failures: unknown[] = [];
        const sizes: [number, number][] = [
          [0, 10],
          [10, 65536],
          [1.5, Number.NaN],
        ];
        for (const [columns, rows] of sizes) {
          const failure = await failureOf(() => {
            child.resize!(columns, rows);
          });
          failures.push(failure?.issues?.map(({ path }) => path).join());
        }
        child.resize!(10, 10);
        return { output, failures };
      },
      { user },
    );
    expect(result.output).toBe('ready\r\n50 132\r\n');
    expect(result.failures).toEqual(['columns', 'rows', 'columns,rows']);
  });

  it('turns typed control characters into signals and its end into end of file', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, waitFor, closeOf, text }) => {
        const child = spawnIsolated('sh', ['-c', 'echo ready; sleep 20'], { pty: { columns: 80, rows: 24 } });
        let output = '';
        child.stdout!.on('data', (chunk) => (output += String(chunk)));
        await waitFor(() => output.includes('ready'));
        const closed = closeOf(child);
        child.stdin!.write('\u0003');
        const { signal, reason } = await child.outcome;
        await closed;
        const unfinished = spawnIsolated('cat', [], { pty: { columns: 80, rows: 24 } });
        unfinished.stdin!.end('no line end');
        const echoed = await text(unfinished.stdout);
        const { exitCode } = await unfinished.outcome;
        return { signal, reason, echoed, exitCode };
      },
      { user },
    );
    expect(result).toMatchObject({ signal: 'SIGINT', reason: 'signaled', exitCode: 0 });
    expect(result.echoed).toContain('no line end');
  });

  it('carries a megabyte of output to its end', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, text, closeOf }) => {
        const child = spawnIsolated('seq', ['1', '150000'], { pty: { columns: 80, rows: 24 } });
        const closed = closeOf(child);
        const output = await text(child.stdout);
        await closed;
        return { length: output.length, end: output.slice(-16) };
      },
      { user },
    );
    expect(result).toEqual({ length: 1_088_895, end: '149999\r\n150000\r\n' });
  });

  it('leaves nothing open where the command is not there, is killed, or was aborted', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, openDescriptors, closeOf, waitFor, failureOf }) => {
        const pty = { columns: 80, rows: 24 };
        await spawnIsolated('true', [], { pty, stdio: 'pipe' }).outcome;
        // Looked at: the first stream of all makes libuv open a descriptor for itself.
        const warm = spawnIsolated('true', [], { pty });
        warm.stdout!.resume();
        await closeOf(warm);
        const before = openDescriptors().length;
        const missing = spawnIsolated('missing-command', [], { pty });
        missing.on('error', () => undefined);
        missing.stdin!.write('text');
        const missed = await closeOf(missing);
        const killed = spawnIsolated('sleep', ['20'], { pty });
        killed.kill('SIGKILL');
        await closeOf(killed);
        const aborted = await failureOf(() => spawnIsolated('true', [], { pty, signal: AbortSignal.abort() }).outcome);
        return { missed, aborted: aborted?.name, same: await waitFor(() => openDescriptors().length <= before) };
      },
      { user },
    );
    expect(result).toEqual({ missed: [-2, null], aborted: 'AbortError', same: true });
  });
});
