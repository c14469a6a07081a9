import { describe, expect, it } from 'vitest';

import { inSubprocess, NODE_MAJOR as MAJOR, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('io_uring rings of a process that restricts itself, as %s', (user) => {
  // From version 22 on every event loop has one; version 20 makes them for file access, with a kernel thread, when it is told to.
  it.skipIf(MAJOR < 22)('are confined, and the event loops go on', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, net, events, workers, text }) => {
        const rings = () =>
          fs
            .readdirSync('/proc/self/fd')
            .filter((name) => fs.existsSync(`/proc/self/fdinfo/${name}`))
            .filter((name) => {
              try {
                return fs.readlinkSync(`/proc/self/fd/${name}`).includes('io_uring');
              } catch {
                return false; // the descriptor of the list itself
              }
            })
            .map((name) => fs.fstatSync(Number(name)).ino);
        const before = rings();
        restrictSelf({ pledge: 'stdio rpath inet', onViolation: 'error' });
        const after = rings();
        const server = net.createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
        await events.once(server, 'listening');
        let received = '';
        for (let count = 0; count < 300; count += 1) {
          received = await text(net.connect((server.address() as { port: number }).port, '127.0.0.1'));
        }
        server.close();
        const worker = new workers.Worker('require("worker_threads").parentPort.postMessage("up")', { eval: true });
        const [up] = (await events.once(worker, 'message')) as [string];
        const late = rings();
        return {
          count: before.length,
          kept: after.filter((ring) => before.includes(ring)).length,
          same: before.length === after.length,
          late: late.length === after.length,
          received,
          up,
        };
      },
      { user },
    );
    expect(result.count).toBeGreaterThan(0);
    expect(result).toMatchObject({ kept: 0, same: true, late: true, received: 'hello', up: 'up' });
  });

  it.skipIf(MAJOR !== 20)(
    'with a kernel thread of their own are a reason to refuse, and the process goes on',
    async () => {
      const result = await inSubprocess(
        async ({ restrictSelf, fs, failureOf }) => {
          await fs.promises.readFile('/etc/hostname');
          const failure = await failureOf(() => restrictSelf({ unveil: { '/usr': 'rx' } }));
          return {
            failure,
            after: (await fs.promises.readFile('/etc/hostname')).length > 0,
            privileges: /^NoNewPrivs:\s*(.*)$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1],
          };
        },
        { user, environment: { UV_USE_IO_URING: '1' } },
      );
      expect(result.failure?.code).toMatch(/^ERR_CLOISTER_(UNSUPPORTED|SETUP)$/);
      expect(result.failure?.hint).toMatch(/start Node\.js without UV_USE_IO_URING=1$/);
      expect(result.after).toBe(true);
    },
  );
});
