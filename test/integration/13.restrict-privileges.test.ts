import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('privileges of a process that restricts itself, as %s', (user) => {
  it('go with any other member: no capability, no new privileges, in every thread', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, childProcess }) => {
        const file = `/tmp/cloister-privileges-${String(process.pid)}`;
        fs.writeFileSync(file, '');
        const chown = () =>
          fs.promises.chown(file, 12_345, 12_345).then(
            () => 'changed',
            (error: unknown) => (error as NodeJS.ErrnoException).code,
          );
        const before = await chown();
        const enforcement = restrictSelf({ scope: false });
        const after = await chown();
        fs.rmSync(file, { force: true });
        const bounding = childProcess.execFileSync('/bin/grep', ['-E', 'CapEff|NoNewPrivs', '/proc/self/status'], {
          encoding: 'utf8',
        });
        return { before, after, bounding, enforcement };
      },
      { user },
    );
    expect(result.before).toBe(user === 'root' ? 'changed' : 'EPERM');
    expect(result.after).toBe('EPERM');
    expect(result.bounding).toBe('CapEff:\t0000000000000000\nNoNewPrivs:\t1\n');
    expect(result.enforcement).toMatchObject({
      noNewPrivileges: true,
      capabilities: [],
      landlock: null,
      rootFileSystem: 'unrestricted',
      namespaces: [],
      missing: [],
    });
  });

  it('stay where nothing is asked for', async () => {
    const result = await inSubprocess(
      ({ restrictSelf, fs }) => {
        const status = () => /^NoNewPrivs:\s*(.*)$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))?.[1];
        const before = status();
        return { enforcement: restrictSelf({}), before, after: status() };
      },
      { user },
    );
    expect(result.after).toBe(result.before);
    expect(result.enforcement.capabilities.length > 0).toBe(user === 'root');
  });
});

describe.each(USERS)('privileges that an earlier filter keeps from being dropped, as %s', (user) => {
  it('are a reason to apply nothing, in the thread that called either', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, failureOf }) => {
        restrictSelf({
          seccomp: { defaultAction: 'allow', rules: [{ syscalls: 'capset', action: { errno: 'EPERM' } }] },
        });
        const failure = await failureOf(() => restrictSelf({ unveil: { '/usr': 'r' } }));
        return { failure, read: fs.readFileSync('/etc/hostname').length > 0 };
      },
      { user },
    );
    expect(result).toMatchObject({ failure: { code: 'ERR_CLOISTER_SETUP', syscall: 'capset', errno: -1 }, read: true });
  });
});

describe.runIf(USERS.includes('root'))('capabilities to keep', () => {
  it('are the only ones that are left', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, net, events }) => {
        const { capabilities } = restrictSelf({ capabilities: ['net_bind_service'] });
        const server = net.createServer().listen(81, '127.0.0.1');
        await events.once(server, 'listening');
        server.close();
        const chown = await fs.promises
          .chown('/tmp', 1, 1)
          .catch((error: unknown) => (error as NodeJS.ErrnoException).code);
        return { capabilities, chown };
      },
      { user: 'root' },
    );
    expect(result).toEqual({ capabilities: ['CAP_NET_BIND_SERVICE'], chown: 'EPERM' });
  });
});
