/** Calls that the policy forbids: what is heard of them, and what becomes of the cell. */

import { describe, expect, it } from 'vitest';

import { inCells, shell } from '../support/cells.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';

const PROMISES = 'stdio rpath proc exec';

/** Calls mkdir again and again. */
const storm = (count: number): string =>
  [
    'import ctypes, os',
    'libc = ctypes.CDLL(None, use_errno=True)',
    'number = 83 if os.uname().machine == "x86_64" else 34',
    `for i in range(${String(count)}): libc.syscall(number, b"/tmp/x", 0o777)`,
    'print(ctypes.get_errno())',
  ].join('\n');

describe.each(USERS)('violations, as %s', (user) => {
  it('kill the whole cell, after one line on the standard error of the program', async () => {
    const [result] = await inCells(user, [
      shell('(sleep 60 &) ; echo before; mkdir /tmp/x; echo after', { pledge: PROMISES, limits: { wallTime: '30s' } }),
    ]);
    expect(result).toMatchObject({ reason: 'violation', signal: 'SIGSYS', exitCode: null, violationCount: 1 });
    expect(result?.stdout).toBe('before\n');
    expect(result?.stderr).toMatch(
      /^cloister: system call mkdir\((0x[0-9a-f]+, ){5}0x[0-9a-f]+\) is not allowed; the promise 'cpath' would allow it \(process \d+\)\n$/,
    );
    const [violation] = result?.violations ?? [];
    expect(violation).toMatchObject({
      syscall: 'mkdir',
      arch: expect.any(String) as string,
      path: '/tmp/x',
      promise: 'cpath',
    });
    expect(violation?.args).toHaveLength(6);
    expect(violation?.pid).toBeGreaterThan(1);
    expect(result?.usage.wallTime).toBeLessThan(20_000);
  });

  it('fail with EPERM, and are told one by one', async () => {
    const [result] = await inCells(user, [
      shell('mkdir /tmp/x; ln -s a /tmp/y; echo $?', { pledge: PROMISES, onViolation: 'error' }),
    ]);
    expect(result).toMatchObject({ reason: 'exited', exitCode: 0, stdout: '1\n' });
    expect(result?.violations.map(({ syscall, promise }) => [syscall, promise])).toEqual([
      ['mkdir', 'cpath'],
      ['symlinkat', 'cpath'],
    ]);
    expect(result?.stderr).toContain('Operation not permitted');
  });

  it('go through under log', async () => {
    const [result] = await inCells(user, [
      shell('mkdir /tmp/x && ls -d /tmp/x && cat /etc/passwd > /tmp/x/y && wc -l < /tmp/x/y', {
        pledge: 'stdio proc exec',
        onViolation: 'log',
      }),
    ]);
    expect(result).toMatchObject({ reason: 'exited', exitCode: 0 });
    expect(result?.stdout).toContain('/tmp/x\n');
    const told = new Set(
      result?.violations.map(({ syscall, path, promise }) => `${syscall} ${path ?? ''} ${promise ?? ''}`),
    );
    expect(told).toContain('mkdir /tmp/x cpath');
    expect(told).toContain('openat /etc/passwd rpath');
  });

  it('are no affair of a policy without pledge and seccomp: the hardening only refuses', async () => {
    const [result] = await inCells(user, [{ command: 'unshare', args: ['-U', 'true'] }]);
    expect(result).toMatchObject({ reason: 'exited', exitCode: 1, violations: [], violationCount: 0 });
  });

  it('are ended for although nobody reads the pipe that the line goes to', async () => {
    const full = 'head -c 1000000 /dev/zero >&2 & sleep 0.3; mkdir /tmp/x; sleep 60';
    const ended = await inSubprocess(
      async ({ spawnIsolated, data }) => {
        const { script, pledge } = data as { script: string; pledge: string };
        const child = spawnIsolated('sh', ['-c', script], { pledge, limits: { wallTime: '30s' } });
        const { reason, signal } = await child.outcome;
        return { reason, signal };
      },
      { user, data: { script: full, pledge: PROMISES } },
    );
    expect(ended).toEqual({ reason: 'violation', signal: 'SIGSYS' });
  });

  it('do not free the cell from its limits while nobody reads that pipe', async () => {
    const fill = [
      'import os, time',
      'wait, go = os.pipe()',
      'if os.fork() == 0: os.write(2, b"x" * 1000000)',
      'if os.fork() == 0:',
      '  os.read(wait, 1)',
      '  memory = b"x" * (800 << 20)',
      'time.sleep(0.3)',
      'os.write(go, b"x")',
      'os.mkdir("/tmp/x")',
    ].join('\n');
    const ended = await inSubprocess(
      async ({ spawnIsolated, data }) => {
        const { script, pledge } = data as { script: string; pledge: string };
        const limits = { memory: '64MiB', wallTime: '30s' };
        const { reason, usage } = await spawnIsolated('/usr/bin/python3', ['-c', script], { pledge, limits }).outcome;
        return { reason, peak: usage.peakMemory / 2 ** 20 };
      },
      { user, data: { script: fill, pledge: `${PROMISES} prot_exec` } },
    );
    expect(ended.reason).toBe('violation');
    // As much above the limit as looking now and then may let pass.
    expect(ended.peak).toBeLessThan(128);
  });

  it('reach standard error wherever it leads', async () => {
    const text = await inSubprocess(
      async ({ spawnIsolated, fs, data }) => {
        const file = `/tmp/cloister-line-${String(process.pid)}`;
        const descriptor = fs.openSync(file, 'w+');
        const child = spawnIsolated('mkdir', ['/tmp/x'], {
          pledge: data as string,
          stdio: ['ignore', 'ignore', descriptor],
        });
        await child.outcome;
        fs.closeSync(descriptor);
        const written = fs.readFileSync(file, 'utf8');
        fs.unlinkSync(file);
        return written;
      },
      { user, data: PROMISES },
    );
    expect(text).toMatch(/^cloister: system call mkdir.*'cpath'.*\n$/);
  });

  it('are not counted as output', async () => {
    const [result] = await inCells(user, [
      { command: 'mkdir', args: ['/tmp/x'], options: { pledge: PROMISES, limits: { output: 10 } } },
    ]);
    expect(result?.reason).toBe('violation');
  });

  it('a storm of them holds up neither the launcher nor other cells, and the first hundred are kept', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, fs, data }) => {
        const { code, pledge } = data as { code: string; pledge: string };
        const storming = runIsolated('/usr/bin/python3', ['-c', code], { pledge, onViolation: 'error' });
        const memory = () => {
          const self = String(process.pid);
          const [launcher] = fs.readFileSync(`/proc/${self}/task/${self}/children`, 'utf8').trim().split(' ');
          const status = fs.readFileSync(`/proc/${launcher ?? ''}/status`, 'utf8');
          return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]);
        };
        let others = 0;
        let most = 0;
        const state = { over: false };
        void storming.then(() => {
          state.over = true;
        });
        while (!state.over) {
          const { exitCode } = await runIsolated('true');
          others += exitCode === 0 ? 1 : 0;
          most = Math.max(most, memory());
        }
        const { violations, violationCount, stdout, reason } = await storming;
        return { kept: violations.length, violationCount, stdout, reason, others, most };
      },
      { user, data: { code: storm(100_000), pledge: 'stdio rpath prot_exec' } },
    );
    expect(result).toMatchObject({ kept: 100, violationCount: 100_000, stdout: '1\n', reason: 'exited' });
    expect(result.others).toBeGreaterThan(1);
    // Kilobytes.
    expect(result.most).toBeLessThan(16 * 1024);
  });

  it('by several threads at once end the cell once', async () => {
    const code = [
      'import ctypes, os, threading',
      'libc = ctypes.CDLL(None)',
      'number = 83 if os.uname().machine == "x86_64" else 34',
      'threads = [threading.Thread(target=lambda: libc.syscall(number, b"/tmp/x", 0)) for _ in range(16)]',
      'for t in threads: t.start()',
      'for t in threads: t.join()',
      'print("after")',
    ].join('\n');
    const [result] = await inCells(user, [
      { command: '/usr/bin/python3', args: ['-c', code], options: { pledge: 'stdio rpath prot_exec' } },
    ]);
    expect(result).toMatchObject({ reason: 'violation', signal: 'SIGSYS', stdout: '' });
    expect(result?.violationCount).toBe(1);
    expect(result?.stderr.match(/^cloister:/gm)).toHaveLength(1);
  });
});
