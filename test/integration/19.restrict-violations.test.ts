/** Calls that a restricted process may not make, where they do not end it: they fail or go through, and are told. */

import { existsSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('violations of a process that restricted itself, as %s', (user) => {
  it('are told, of the main thread, the pool, a Worker and a child', async () => {
    const told = await inSubprocess(
      async ({ restrictSelf, onSelfViolation, fs, workers, childProcess, waitFor }) => {
        const heard: string[] = [];
        onSelfViolation(({ syscall, promise, pid, args }) => {
          heard.push([syscall, promise, pid === process.pid ? 'self' : 'child', String(args.length)].join(' '));
        });
        const worker = new workers.Worker(
          'const w = require("worker_threads"); w.parentPort.once("message", () => {' +
            'try { require("fs").symlinkSync("a", "/tmp/b") } catch (error) { w.parentPort.postMessage(error.code) } })',
          { eval: true },
        );
        await new Promise((resolve) => worker.once('online', resolve));
        restrictSelf({ pledge: 'stdio rpath proc exec', onViolation: 'error' });
        const codes: unknown[] = [];
        const code = (error: unknown) => (error as { code: unknown }).code;
        try {
          fs.mkdirSync('/tmp/never');
        } catch (error) {
          codes.push(code(error));
        }
        await fs.promises.link('/etc/passwd', '/tmp/never').catch((error: unknown) => codes.push(code(error)));
        worker.postMessage('go');
        codes.push(await new Promise((resolve) => worker.once('message', resolve)));
        codes.push(childProcess.spawnSync('rmdir', ['/tmp/never']).status);
        await waitFor(() => heard.length >= 4);
        await worker.terminate();
        return { codes, heard };
      },
      { user },
    );
    expect(told.codes).toEqual(['EPERM', 'EPERM', 'EPERM', 1]);
    expect(told.heard).toEqual(
      expect.arrayContaining([
        'mkdir cpath self 6',
        'link cpath self 6',
        'symlink cpath self 6',
        'rmdir cpath child 6',
      ]),
    );
  });

  it('go through under log, and are refused without it', async () => {
    const results = await Promise.all(
      (['log', 'error'] as const).map((onViolation) =>
        inSubprocess(
          async ({ restrictSelf, onSelfViolation, folder, fs, waitFor, data }) => {
            const heard: string[] = [];
            const stop = onSelfViolation(({ syscall }) => heard.push(syscall));
            restrictSelf({ pledge: 'stdio rpath', onViolation: data as 'log' });
            let made = true;
            try {
              fs.mkdirSync(`${folder}/x`);
            } catch {
              made = false;
            }
            await waitFor(() => heard.length > 0);
            stop();
            const before = heard.length;
            await fs.promises.rmdir(`${folder}/x`).catch(() => undefined);
            await fs.promises.rmdir(folder).catch(() => undefined);
            await fs.promises.stat('/');
            return { made, heard: heard.slice(0, 1), further: heard.length - before };
          },
          { user, data: onViolation },
        ),
      ),
    );
    expect(results).toEqual([
      { made: true, heard: ['mkdir'], further: 0 },
      { made: false, heard: ['mkdir'], further: 0 },
    ]);
  });

  it('are answered by a process that ends with this one, and does not keep it alive', async () => {
    const helper = await inSubprocess(
      ({ restrictSelf, children }) => {
        const before = children(process.pid).map(({ pid }) => pid);
        restrictSelf({ pledge: 'stdio rpath', onViolation: 'error' });
        return children(process.pid)
          .map(({ pid }) => pid)
          .filter((pid) => !before.includes(pid));
      },
      { user },
    );
    expect(helper).toHaveLength(1);
    const until = Date.now() + 5000;
    while (existsSync(`/proc/${String(helper[0])}`) && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(existsSync(`/proc/${String(helper[0])}`)).toBe(false);
  });

  it('can be restricted further, and log cannot be asked for then', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, failureOf }) => {
        restrictSelf({ pledge: 'stdio rpath unveil', onViolation: 'error' });
        const log = await failureOf(() => restrictSelf({ pledge: 'stdio', onViolation: 'log' }));
        restrictSelf({ pledge: 'stdio', onViolation: 'error' });
        let code: unknown;
        try {
          fs.readFileSync('/etc/passwd');
        } catch (error) {
          code = (error as { code: unknown }).code;
        }
        return { log: log?.code, code };
      },
      { user },
    );
    expect(result).toEqual({ log: 'ERR_CLOISTER_UNSUPPORTED', code: 'EPERM' });
  });

  it('of the filter in `seccomp` are told as well', async () => {
    const heard = await inSubprocess(
      async ({ restrictSelf, onSelfViolation, fs, waitFor }) => {
        const calls: (string | undefined)[][] = [];
        onSelfViolation(({ syscall, promise }) => calls.push([syscall, promise]));
        restrictSelf({
          seccomp: { defaultAction: 'allow', rules: [{ syscalls: ['mkdir', 'mkdirat'], action: 'kill-process' }] },
          onViolation: 'error',
        });
        try {
          fs.mkdirSync('/tmp/never');
        } catch {
          await waitFor(() => calls.length > 0);
        }
        return calls;
      },
      { user },
    );
    expect(heard).toEqual([['mkdir', null]]);
  });

  it('a storm of them leaves the process and what answers for it alive', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, onSelfViolation, fs, waitFor }) => {
        let heard = 0;
        onSelfViolation(() => {
          heard += 1;
        });
        restrictSelf({ pledge: 'stdio rpath', onViolation: 'error' });
        for (let i = 0; i < 20_000; i++) {
          try {
            fs.mkdirSync('/tmp/never');
          } catch {
            continue;
          }
          return 'made';
        }
        await waitFor(() => heard > 0);
        return fs.existsSync('/') ? 'alive' : '';
      },
      { user },
    );
    expect(result).toBe('alive');
  });

  it('say where nobody is told: in the enforcement if less is accepted, else by a warning', async () => {
    const [degraded, warned] = await Promise.all(
      (['degrade', 'error'] as const).map((onUnsupported) =>
        inSubprocess(
          async ({ restrictSelf, fs, failureOf, waitFor, data }) => {
            const warnings: string[] = [];
            process.on('warning', ({ name }) => warnings.push(name));
            const policy = { onViolation: 'error', onUnsupported: data as 'error' } as const;
            const first = restrictSelf({ pledge: 'stdio rpath wpath', ...policy });
            const second = restrictSelf({ pledge: 'stdio rpath', ...policy });
            if (data === 'error') {
              await waitFor(() => warnings.length > 0);
            }
            const mkdir = (await failureOf(() => fs.mkdirSync('/tmp/never')))?.code;
            return { missing: [first.missing, second.missing], warnings, mkdir };
          },
          { user, data: onUnsupported },
        ),
      ),
    );
    const reason = expect.stringContaining('earlier restriction') as string;
    expect(degraded).toEqual({
      missing: [[], [{ feature: 'onSelfViolation', reason }]],
      warnings: [],
      mkdir: 'EPERM',
    });
    expect(warned).toEqual({ missing: [[], []], warnings: ['CloisterWarning'], mkdir: 'EPERM' });
  });
});
