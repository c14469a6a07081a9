import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('network of a process that restricts itself, as %s', (user) => {
  it('connects to and binds the listed TCP ports, and no other', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, net, events }) => {
        const listen = async (port: number) => {
          const server = net.createServer((socket) => socket.end()).listen(port, '127.0.0.1');
          await events.once(server, 'listening');
          return server;
        };
        const portOf = (server: import('node:net').Server) => (server.address() as { port: number }).port;
        const connect = (port: number) =>
          new Promise((resolve) => {
            const socket = net.connect(port, '127.0.0.1');
            socket.once('connect', () => resolve('connected'));
            socket.once('error', (error: unknown) => resolve((error as NodeJS.ErrnoException).code));
          });
        const bind = (port: number) =>
          listen(port).then(
            (server) => {
              server.close();
              return 'bound';
            },
            (error: unknown) => (error as NodeJS.ErrnoException).code,
          );
        const servers = await Promise.all([listen(0), listen(0), listen(0)]);
        const [listed = 0, other = 0, free = 0] = servers.map(portOf);
        servers[2].close();
        const before = [await connect(listed), await connect(other), await bind(free)];
        const enforcement = restrictSelf({ tcp: { connect: [listed], bind: [free] } });
        const after = [await connect(listed), await connect(other), await bind(free), await bind(0)];
        servers[0].close();
        servers[1].close();
        return { before, after, handled: enforcement.landlock?.handledNet, files: enforcement.rootFileSystem };
      },
      { user },
    );
    expect(result).toEqual({
      before: ['connected', 'connected', 'bound'],
      after: ['connected', 'EACCES', 'bound', 'EACCES'],
      handled: ['bind-tcp', 'connect-tcp'],
      files: 'unrestricted',
    });
  });

  it('binds and connects nothing where a list is missing', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, net, events }) => {
        restrictSelf({ tcp: {} });
        const server = net.createServer().listen(0, '127.0.0.1');
        const [error] = (await events.once(server, 'error')) as [NodeJS.ErrnoException];
        return error.code;
      },
      { user },
    );
    expect(result).toBe('EACCES');
  });

  it('cuts off signals and abstract sockets outside, when scope is asked for', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, childProcess, timers }) => {
        const outside = childProcess.spawn('/bin/sleep', ['60']);
        await timers.setTimeout(50);
        const signal = () => {
          try {
            return process.kill(outside.pid ?? 0, 0);
          } catch (error) {
            return (error as NodeJS.ErrnoException).code;
          }
        };
        const before = signal();
        const { landlock } = restrictSelf({ scope: true });
        const after = signal();
        const inside = childProcess.spawn('/bin/sleep', ['60']);
        const own = inside.kill('SIGKILL');
        outside.stdin.destroy();
        outside.unref();
        setTimeout(() => process.exit(), 0);
        return { before, after, own, scoped: landlock?.scoped, pid: outside.pid };
      },
      { user },
    );
    process.kill(result.pid!, 'SIGKILL');
    expect(result).toMatchObject({
      before: true,
      after: 'EPERM',
      own: true,
      scoped: ['abstract-unix-socket', 'signal'],
    });
  });
});
