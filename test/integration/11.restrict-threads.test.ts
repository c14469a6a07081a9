import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('threads of a process that restricts itself, as %s', (user) => {
  it('all carry it, by the account of the kernel', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, workers }) => {
        await fs.promises.stat('/');
        await Promise.all(
          [1, 2].map(
            () =>
              new Promise((resolve) =>
                new workers.Worker(
                  `require('worker_threads').parentPort.on('message', () => undefined).postMessage('up')`,
                  {
                    eval: true,
                  },
                ).once('message', resolve),
              ),
          ),
        );
        const statuses = fs
          .readdirSync('/proc/self/task')
          .map((tid) => fs.openSync(`/proc/self/task/${tid}/status`, 'r'));
        const enforcement = restrictSelf({
          unveil: { '/tmp': 'r' },
          seccomp: { defaultAction: 'allow', rules: [{ syscalls: 'mkdir', action: { errno: 'EPERM' } }] },
        });
        const lines = statuses.map((descriptor) => {
          const text = Buffer.alloc(8192);
          const status = text.toString('utf8', 0, fs.readSync(descriptor, text, 0, text.length, 0));
          return ['NoNewPrivs', 'CapPrm', 'CapEff', 'CapInh', 'CapAmb', 'Seccomp', 'Seccomp_filters']
            .map((key) => new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(status)?.[1])
            .join(' ');
        });
        setTimeout(() => process.exit(), 0);
        return { threads: enforcement.threads, count: statuses.length, lines: [...new Set(lines)] };
      },
      { user },
    );
    const none = '0000000000000000';
    expect(result.threads).toBe(result.count);
    expect(result.count).toBeGreaterThan(8);
    expect(result.lines).toEqual([`1 ${none} ${none} ${none} ${none} 2 1`]);
  });

  it('can be restricted from a Worker, and by two of them at once', async () => {
    const result = await inSubprocess(
      async ({ fs, workers, packageUrl }) => {
        await fs.promises.stat('/');
        const source = `
          const { parentPort } = require('worker_threads');
          import(${JSON.stringify(packageUrl)}).then(({ restrictSelf }) => {
            parentPort.postMessage('ready');
            parentPort.once('message', () => {
              try { parentPort.postMessage(restrictSelf({ unveil: { '/usr': 'rx' } }).rootFileSystem); }
              catch (error) { parentPort.postMessage(error.message); }
            });
          });`;
        const pair = [0, 1].map(() => new workers.Worker(source, { eval: true }));
        await Promise.all(pair.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
        const answers = pair.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
        for (const worker of pair) {
          worker.postMessage('go');
        }
        const enforced = await Promise.all(answers);
        const look = async () => [
          await fs.promises.readFile('/etc/hostname').catch((error: unknown) => (error as NodeJS.ErrnoException).code),
          ((): unknown => {
            try {
              return fs.readFileSync('/etc/hostname');
            } catch (error) {
              return (error as NodeJS.ErrnoException).code;
            }
          })(),
        ];
        return { enforced, codes: await look() };
      },
      { user },
    );
    expect(result).toEqual({ enforced: ['landlock', 'landlock'], codes: ['EACCES', 'EACCES'] });
  });

  it.each(['stdio rpath', 'stdio rpath proc exec'])(
    'can be restricted by two Workers at once with %s, where only one filter can have a listener',
    async (pledge) => {
      const result = await inSubprocess(
        async ({ fs, workers, packageUrl, data }) => {
          const source = `
            const { parentPort, workerData } = require('worker_threads');
            import(${JSON.stringify(packageUrl)}).then(({ restrictSelf }) => {
              parentPort.postMessage('ready');
              parentPort.once('message', () => {
                try { parentPort.postMessage(restrictSelf({ pledge: workerData, onViolation: 'error' }).seccomp.filters); }
                catch (error) { parentPort.postMessage(error.message); }
              });
            });`;
          const pair = [0, 1].map(() => new workers.Worker(source, { eval: true, workerData: data }));
          await Promise.all(pair.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
          const answers = pair.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
          for (const worker of pair) {
            worker.postMessage('go');
          }
          const enforced = await Promise.all(answers);
          const code = await fs.promises
            .mkdir('/tmp/never')
            .catch((error: unknown) => (error as { code: unknown }).code);
          setTimeout(() => process.exit(), 0);
          return { enforced: enforced.sort(), code };
        },
        { user, data: pledge },
      );
      expect(result).toEqual({ enforced: [1, 2], code: 'EPERM' });
    },
  );

  it('go on working: timers, pool, new Workers, children, what was interrupted', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, timers, workers, childProcess, net, events }) => {
        const server = net.createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
        await events.once(server, 'listening');
        const sleeping = timers.setTimeout(50, 'woken');
        const waiting = new workers.Worker(
          `const { parentPort } = require('worker_threads');
           Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300); parentPort.postMessage('waited');`,
          { eval: true },
        );
        const waited = events.once(waiting, 'message');
        restrictSelf({
          unveil: { '/usr': 'rx', '/lib': 'rx', '/lib64': 'rx', '/bin': 'rx', '/tmp': 'rwc', '/dev/null': 'rw' },
        });
        const file = `/tmp/cloister-threads-${String(process.pid)}`;
        await fs.promises.writeFile(file, 'pool');
        const content = await fs.promises.readFile(file, 'utf8');
        fs.unlinkSync(file);
        const late = new workers.Worker(`require('worker_threads').parentPort.postMessage('late')`, { eval: true });
        const greeted = events.once(late, 'message');
        const client = net.connect((server.address() as { port: number }).port, '127.0.0.1');
        const received: unknown[] = await events.once(client, 'data');
        server.close();
        return {
          woken: await sleeping,
          waited: (await waited)[0] as unknown,
          content,
          late: (await greeted)[0] as unknown,
          child: childProcess.execFileSync('/bin/echo', ['child'], { encoding: 'utf8' }),
          received: String(received[0]),
        };
      },
      { user },
    );
    expect(result).toEqual({
      woken: 'woken',
      waited: 'waited',
      content: 'pool',
      late: 'late',
      child: 'child\n',
      received: 'hello',
    });
  });

  it('are restricted while Workers come and go, and under the inspector', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, workers, events, waitFor }) => {
        const state = { stop: false, last: '', made: 0 };
        const churn = (async () => {
          while (!state.stop) {
            const worker = new workers.Worker(
              `try { require('fs').readFileSync('/etc/hostname'); require('worker_threads').parentPort.postMessage('read') }
               catch (error) { require('worker_threads').parentPort.postMessage(error.code) }`,
              { eval: true },
            );
            state.last = String((await events.once(worker, 'message'))[0]);
            state.made += 1;
          }
        })();
        await waitFor(() => state.made > 2, 15_000);
        const before = state.last;
        restrictSelf({ unveil: { '/usr': 'rx' } });
        const then = state.made;
        await waitFor(() => state.made > then + 2, 15_000);
        const after = state.last;
        state.stop = true;
        await churn;
        return { before, after, sync: fs.existsSync('/usr') };
      },
      { user, nodeArguments: ['--inspect=127.0.0.1:0'] },
    );
    expect(result).toEqual({ before: 'read', after: 'EACCES', sync: true });
  });
});
