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

  it.each(['connect', 'mptcp', 'fastopen'])('leaves children no other way to a TCP port: %s', async (way) => {
    const answers = await inSubprocess(
      async ({ restrictSelf, net, events, childProcess, text, data }) => {
        const server = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
        await events.once(server, 'listening');
        const { port } = server.address() as { port: number };
        const code = [
          'import errno, socket, sys',
          'way, port = sys.argv[1], int(sys.argv[2])',
          'try:',
          '  s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262 if way == "mptcp" else 0)',
          '  s.sendto(b"x", 0x20000000, ("127.0.0.1", port)) if way == "fastopen" else s.connect(("127.0.0.1", port))',
          '  print("reached")',
          'except OSError as error:',
          '  print(errno.errorcode[error.errno])',
        ].join('\n');
        const attempt = async () => {
          const child = childProcess.spawn('/usr/bin/python3', ['-c', code, String(data), String(port)]);
          return (await text(child.stdout)).trim();
        };
        const before = await attempt();
        restrictSelf({ tcp: { connect: [443] } });
        const after = await attempt();
        setTimeout(() => process.exit(), 0);
        return { before, after };
      },
      { user, data: way },
    );
    const refusals: Record<string, string> = { connect: 'EACCES', mptcp: 'EPROTONOSUPPORT', fastopen: 'ENOTSUP' };
    // A kernel may have been built without MPTCP.
    expect(['reached', refusals[way]]).toContain(answers.before);
    expect(answers.after).toBe(refusals[way]);
  });

  it('can be restricted further after ports alone as if that had been nothing: again, and with a listener', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, onSelfViolation, fs, waitFor, net, events }) => {
        const heard: string[] = [];
        onSelfViolation(({ syscall }) => heard.push(syscall));
        restrictSelf({ tcp: { connect: [443], bind: [0] } });
        restrictSelf({ tcp: { connect: [443], bind: [0] } });
        const { seccomp } = restrictSelf({ pledge: 'stdio rpath inet dns', onViolation: 'error', tcp: { bind: [0] } });
        try {
          fs.mkdirSync('/tmp/never');
        } catch {
          await waitFor(() => heard.length > 0);
        }
        const server = net.createServer().listen(0, '127.0.0.1');
        await events.once(server, 'listening');
        server.close();
        return { filters: seccomp?.filters, heard, read: fs.readFileSync('/etc/hostname').length > 0 };
      },
      { user },
    );
    expect(result).toEqual({ filters: 3, heard: ['mkdir'], read: true });
  });

  it('are restricted where files were before, and all of them can be read', async () => {
    const result = await inSubprocess(
      ({ restrictSelf, fs }) => {
        restrictSelf({ unveil: { '/': 'r' } });
        const { landlock } = restrictSelf({ pledge: 'stdio rpath dns', tcp: { connect: [53] } });
        return { handled: landlock?.handledNet, read: fs.readFileSync('/etc/hostname').length > 0 };
      },
      { user },
    );
    expect(result).toEqual({ handled: ['bind-tcp', 'connect-tcp'], read: true });
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
