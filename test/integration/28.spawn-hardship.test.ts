import { describe, expect, it } from 'vitest';

import { inSubprocess, runSubprocess, USERS } from '../support/in-subprocess.js';
import { groupDirectories } from '../support/limits.js';

describe.each(USERS)('hardship, as %s', (user) => {
  it('a launcher that is killed ends its cells, and the next spawn starts another', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, runIsolated, children, descendants, recordEvents, closeOf, events }) => {
        const running = Array.from({ length: 5 }, () => spawnIsolated('sleep', ['20']));
        const logs = running.map((child) => recordEvents(child));
        await Promise.all(running.map((child) => events.once(child, 'spawn')));
        const closed = running.map((child) => closeOf(child));
        const [launcher] = children();
        process.kill(launcher!.pid, 'SIGKILL');
        const outcomes = await Promise.all(running.map((child) => child.outcome));
        await Promise.all(closed);
        const left = descendants().map(({ name }) => name);
        const { stdout } = await runIsolated('echo', ['again']);
        return {
          ends: [
            ...new Set(
              outcomes.map(({ reason, signal, exitCode }) => `${reason} ${String(signal)} ${String(exitCode)}`),
            ),
          ],
          logs: [...new Set(logs.map((log) => log.join()))],
          left,
          stdout,
          launchers: children().length,
          other: children()[0]!.pid !== launcher!.pid,
        };
      },
      { user },
    );
    expect(result).toEqual({
      ends: ['killed SIGKILL null'],
      logs: ['spawn,exit  SIGKILL,close  SIGKILL'],
      left: [],
      stdout: 'again\n',
      launchers: 1,
      other: true,
    });
  });

  it('a launcher killed at a random moment never leaves a spawn without an answer', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, children, timers, descendants, waitFor }) => {
        const answers: Record<string, number> = {};
        for (let round = 0; round < 40; round += 1) {
          const running = Array.from({ length: 4 }, () => spawnIsolated('sleep', ['20']));
          const settled = Promise.all(
            running.map((child) =>
              child.outcome.then(
                ({ reason }) => reason,
                (error: unknown) => (error as NodeJS.ErrnoException).code!,
              ),
            ),
          );
          await timers.setTimeout((round % 8) / 2);
          for (const { pid } of children()) {
            process.kill(pid, 'SIGKILL');
          }
          for (const answer of await settled) {
            answers[answer] = (answers[answer] ?? 0) + 1;
          }
        }
        return { answers, left: await waitFor(() => descendants().every(({ name }) => name !== 'sleep')) };
      },
      { user },
    );
    const { killed = 0, ERR_CLOISTER_SETUP: failed = 0, ...others } = result.answers;
    expect(others).toEqual({});
    expect(killed + failed).toBe(160);
    expect(result.left).toBe(true);
  });

  it('a process that is killed at a random moment leaves nothing alive, and no control group', async () => {
    const { spawn } = await import('node:child_process');
    const { readdirSync, readFileSync } = await import('node:fs');
    const mark = `cloister-mark-${String(process.pid)}-${user}`;
    const marked = (): number =>
      readdirSync('/proc').filter((name) => {
        try {
          return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(mark);
        } catch {
          return false;
        }
      }).length;
    const launchersOf = (pid: number | undefined): number[] =>
      readdirSync(`/proc/${String(pid)}/task`).flatMap((task) =>
        readFileSync(`/proc/${String(pid)}/task/${task}/children`, 'utf8')
          .split(' ')
          .filter(Boolean)
          .map(Number),
      );
    const source = `
      const { spawnIsolated } = await import('cloister');
      const options = { stdio: 'ignore', limits: { memory: '64MiB', processes: 9 } };
      spawnIsolated('sleep', ['30'], options).once('spawn', () => console.log('ready'));
      for (;;) {
        for (let run = 0; run < 4; run += 1) {
          spawnIsolated('sh', ['-c', 'sleep 30 & sleep 30; : ' + process.argv[1]], options).on('error', () => undefined);
        }
        await new Promise((resolve) => setTimeout(resolve, 4));
        if (process.uptime() > 10) break;
      }`;
    for (let round = 0; round < 4; round += 1) {
      const ids = user === 'nobody' ? { uid: 65534, gid: 65534 } : {};
      const child = spawn(process.execPath, ['--input-type=module', '-e', source, mark], {
        stdio: ['ignore', 'pipe', 'ignore'],
        ...ids,
      });
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, round * 50));
      const launchers = launchersOf(child.pid);
      expect(launchers.length).toBeGreaterThan(0);
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
      const until = performance.now() + 5000;
      const groups = () => launchers.flatMap((pid) => groupDirectories(pid));
      while ((marked() > 0 || groups().length > 0) && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(marked()).toBe(0);
      expect(groups()).toEqual([]);
    }
  });

  it('a full descriptor table is an error, never a hang, and passes', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, runIsolated, fs, failureOf }) => {
        await runIsolated('true');
        const opened: number[] = [];
        const fill = () => {
          try {
            for (;;) {
              opened.push(fs.openSync('/dev/null', 'r'));
            }
          } catch {
            // Full: that is what was wanted.
          }
        };
        fill();
        const codes: unknown[] = [];
        for (let free = 0; free < 6; free += 1) {
          const failure = await failureOf(() => spawnIsolated('true').outcome);
          codes.push(
            failure === null
              ? 'started'
              : `${failure.code!} ${failure.causeCode!} ${String(failure.hint !== undefined)}`,
          );
          fs.closeSync(opened.pop()!);
        }
        for (const fd of opened) {
          fs.closeSync(fd);
        }
        const { reason } = await runIsolated('true');
        return { codes: [...new Set(codes)], first: codes[0], reason };
      },
      { user, before: 'ulimit -n 250' },
    );
    expect(result.first).toBe('ERR_CLOISTER_SETUP EMFILE true');
    expect(result.codes.filter((code) => code !== 'started')).toEqual(['ERR_CLOISTER_SETUP EMFILE true']);
    expect(result.reason).toBe('exited');
  });

  it('a full descriptor table before the first spawn is an error as well', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, probe, fs, failureOf }) => {
        probe();
        const opened: number[] = [];
        try {
          for (;;) {
            opened.push(fs.openSync('/dev/null', 'r'));
          }
        } catch {
          // Full.
        }
        const failures: unknown[] = [];
        for (let free = 0; free < 3; free += 1) {
          failures.push((await failureOf(() => spawnIsolated('true').outcome))?.causeCode);
          fs.closeSync(opened.pop()!);
        }
        opened.forEach((fd) => {
          fs.closeSync(fd);
        });
        const { reason } = await spawnIsolated('true').outcome;
        return { failures, reason };
      },
      { user, before: 'ulimit -n 250' },
    );
    expect(result).toEqual({ failures: ['EMFILE', 'EMFILE', 'EMFILE'], reason: 'exited' });
  });

  // root is not held to a number of processes (getrlimit(2)).
  it.each(user === 'root' ? (['nofile'] as const) : (['nofile', 'nproc'] as const))(
    'a launcher at its limit of %s says so, keeps its cells, and goes on afterwards',
    async (limit) => {
      const result = await inSubprocess(
        async ({ spawnIsolated, children, childProcess, events, failureOf, data }) => {
          const kept = spawnIsolated('sleep', ['20'], { stdio: 'ignore' });
          await events.once(kept, 'spawn');
          const launcher = children().find(({ name }) => name === 'cloister')!.pid;
          const prlimit = (...args: string[]) =>
            childProcess.execFileSync('prlimit', ['--pid', String(launcher), ...args], { encoding: 'utf8' }).trim();
          const before = prlimit(`--${data as string}`, '-o', 'SOFT', '--noheadings');
          prlimit(`--${data as string}=4:`);
          const failures: unknown[] = [];
          // What was prepared for one name does not fit for the next one.
          for (const hostname of ['one', 'two']) {
            const failure = await failureOf(() => spawnIsolated('true', [], { hostname }).outcome);
            failures.push([failure?.code, failure?.causeCode, failure?.hint !== undefined]);
          }
          prlimit(`--${data as string}=${before}:`);
          const { reason } = await spawnIsolated('true', [], { hostname: 'three' }).outcome;
          const same = children().some(({ pid }) => pid === launcher);
          const running = kept.exitCode === null && kept.signalCode === null;
          kept.kill('SIGKILL');
          await kept.outcome;
          return { failures, reason, same, running };
        },
        { user, data: limit },
      );
      const failure = ['ERR_CLOISTER_SETUP', limit === 'nofile' ? 'EMFILE' : 'EAGAIN', true];
      expect(result).toEqual({ failures: [failure, failure], reason: 'exited', same: true, running: true });
    },
  );

  it('a launcher that gets no memory is an error, and the next spawn starts another', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, children, childProcess, events, failureOf }) => {
        const lost = spawnIsolated('sleep', ['20'], { stdio: 'ignore' });
        await events.once(lost, 'spawn');
        const launcher = children().find(({ name }) => name === 'cloister')!.pid;
        childProcess.execFileSync('prlimit', ['--pid', String(launcher), '--as=4096']);
        // More than lies ready in its heap.
        const env = { PAD: 'x'.repeat(100_000), MORE: 'x'.repeat(100_000) };
        const failure = await failureOf(() => spawnIsolated('true', [], { hostname: 'other', env }).outcome);
        const outcome = failure?.causeCode === 'ECONNRESET' ? (await lost.outcome).reason : 'kept';
        lost.kill('SIGKILL');
        const { reason } = await spawnIsolated('true', [], { hostname: 'third' }).outcome;
        return { code: failure?.code, cause: failure?.causeCode, outcome, reason };
      },
      { user },
    );
    expect(result).toEqual({ code: 'ERR_CLOISTER_SETUP', cause: 'ECONNRESET', outcome: 'killed', reason: 'exited' });
  });

  it('more spawns at once than the socket takes are queued, in order', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, children }) => {
        await spawnIsolated('true').outcome;
        // Stopped, so that requests pile up.
        const [launcher] = children();
        process.kill(launcher!.pid, 'SIGSTOP');
        const environment = { PAD: 'x'.repeat(30_000) };
        const running = Array.from({ length: 24 }, () =>
          spawnIsolated('sleep', ['20'], { env: environment, stdio: 'ignore' }),
        );
        const sent = running.map((child, index) => child.kill(index % 2 === 0 ? 'SIGTERM' : 'SIGKILL'));
        process.kill(launcher!.pid, 'SIGCONT');
        const outcomes = await Promise.all(running.map((child) => child.outcome));
        return { sent: sent.every(Boolean), ends: outcomes.map(({ signal }) => signal) };
      },
      { user },
    );
    expect(result.sent).toBe(true);
    expect(result.ends).toEqual(Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? 'SIGTERM' : 'SIGKILL')));
  });

  it('closed standard descriptors of this process are no obstacle', async () => {
    const end = await runSubprocess(async ({ runIsolated }) => (await runIsolated('echo', ['fine'])).stdout, {
      user,
      before: 'exec 0<&- 1>&- 2>&-',
    });
    expect(end).toMatchObject({ code: 0, result: 'fine\n' });
  });

  it('a process that has changed its user gets a launcher of that user', async () => {
    if (user !== 'root') {
      return;
    }
    const result = await inSubprocess(
      async ({ spawnIsolated, children, fs, events, waitFor }) => {
        const owner = (pid: number) =>
          /^Uid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1];
        const early = spawnIsolated('sleep', ['20'], { stdio: 'ignore' });
        await events.once(early, 'spawn');
        const [first] = children();
        process.setgroups!([]);
        process.setgid!(65534);
        process.setuid!(65534);
        const late = spawnIsolated('sleep', ['20'], { stdio: 'ignore' });
        await events.once(late, 'spawn');
        await waitFor(() => children().length === 2);
        const owners = children().map(({ pid }) => owner(pid));
        late.kill('SIGKILL');
        const firstKill = early.kill('SIGKILL');
        const { reason } = await early.outcome;
        const retired = await waitFor(() => children().every(({ pid }) => pid !== first!.pid));
        return { owners: owners.toSorted(), firstKill, reason, retired };
      },
      { user },
    );
    expect(result).toMatchObject({ owners: ['0', '65534'], firstKill: true, reason: 'killed', retired: true });
  });
});
