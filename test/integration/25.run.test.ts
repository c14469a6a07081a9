import { spawn } from 'node:child_process';
import { once } from 'node:events';

import { describe, expect, it, onTestFinished } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { idOf, scratch } from '../support/scratch.js';

describe.each(USERS)('runIsolated, as %s', (user) => {
  it('collects both outputs, the exit code and what was used', async () => {
    const result = await inSubprocess(
      ({ runIsolated }) => runIsolated('sh', ['-c', 'echo out; echo err >&2; exit 3']),
      { user },
    );
    expect(result).toMatchObject({
      stdout: 'out\n',
      stderr: 'err\n',
      exitCode: 3,
      signal: null,
      reason: 'exited',
      violations: [],
      enforcement: { noNewPrivileges: true, rootFileSystem: 'pivot_root', capabilities: [], missing: [] },
    });
    expect(result.enforcement.namespaces).toEqual(
      expect.arrayContaining(['user', 'mount', 'pid', 'net', 'ipc', 'uts']),
    );
    expect(result.usage.wallTime).toBeGreaterThan(0);
    expect(result.usage.peakMemory).toBeGreaterThan(100_000);
  });

  it('takes text, bytes and streams as input', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, stream }) => {
        const inputs = [
          'grüße\n',
          Buffer.from([0, 255, 10]),
          new Uint8Array([65, 66]),
          stream.Readable.from(['a', 'b', 'c']),
          '',
        ];
        const outputs: unknown[] = [];
        for (const input of inputs) {
          const { stdout } = await runIsolated('cat', [], { input, encoding: 'latin1' });
          outputs.push(stdout);
        }
        const { stdout: nothing } = await runIsolated('cat');
        const bytes = await runIsolated('cat', [], { input: 'x', encoding: 'buffer' });
        const hex = await runIsolated('cat', [], { input: 'xy', encoding: 'hex' });
        return {
          outputs,
          nothing,
          buffer: Buffer.isBuffer(bytes.stdout) && Buffer.isBuffer(bytes.stderr),
          hex: hex.stdout,
        };
      },
      { user },
    );
    expect(result.outputs).toEqual([Buffer.from('grüße\n').toString('latin1'), '\u0000\u00ff\n', 'AB', 'abc', '']);
    expect(result).toMatchObject({ nothing: '', buffer: true, hex: '7879' });
  });

  it('drains both outputs at once while it writes a large input', async () => {
    const result = await inSubprocess(
      async ({ runIsolated }) => {
        const input = Buffer.alloc(8 * 1024 * 1024, 'x');
        const { stdout, stderr, exitCode } = await runIsolated('sh', ['-c', 'tee /dev/fd/3 3>&2'], {
          input,
          encoding: 'buffer',
        });
        return { stdout: stdout.length, stderr: stderr.length, exitCode };
      },
      { user },
    );
    expect(result).toEqual({ stdout: 8_388_608, stderr: 8_388_608, exitCode: 0 });
  });

  it('minds neither a command that reads no input nor one that reads some', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, stream }) => {
        const large = Buffer.alloc(4 * 1024 * 1024);
        let ended = false;
        const endless = new stream.Readable({
          read() {
            this.push(large);
          },
          destroy(error, done) {
            ended = true;
            done(error);
          },
        });
        const first = await runIsolated('true', [], { input: large });
        const second = await runIsolated('head', ['-c', '3'], { input: endless });
        return { codes: [first.exitCode, second.exitCode], length: second.stdout.length, ended };
      },
      { user },
    );
    expect(result).toEqual({ codes: [0, 0], length: 3, ended: true });
  });

  it('rejects when its input fails, and leaves no cell', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, stream, failureOf, descendants, fs }) => {
        const failing = new stream.Readable({
          read() {
            this.destroy(new Error('no more'));
          },
        });
        const broken = await failureOf(() => runIsolated('cat', [], { input: failing }));
        const before = await failureOf(() => runIsolated('cat', [], { input: failing }));
        const missing = await failureOf(() => runIsolated('cat', [], { input: fs.createReadStream('/no/such/file') }));
        return {
          messages: [broken?.message, before?.message, missing?.code],
          left: descendants().filter(({ name }) => name === 'cat').length,
        };
      },
      { user },
    );
    expect(result).toEqual({ messages: ['no more', 'no more', 'ENOENT'], left: 0 });
  });

  it('rejects when the command cannot be started or was aborted before, and resolves after', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, failureOf }) => {
        const missing = await failureOf(() => runIsolated('missing-command', [], { input: 'x'.repeat(1_000_000) }));
        const early = await failureOf(() => runIsolated('true', [], { signal: AbortSignal.abort() }));
        const late = await runIsolated('sh', ['-c', 'echo begun; exec sleep 20'], { signal: AbortSignal.timeout(300) });
        return { missing: missing?.code, early: early?.name, late: [late.reason, late.signal, late.stdout] };
      },
      { user },
    );
    expect(result).toEqual({
      missing: 'ERR_CLOISTER_NOT_FOUND',
      early: 'AbortError',
      late: ['aborted', 'SIGTERM', 'begun\n'],
    });
  });

  it('runs commands with arguments and environments beyond one packet', async () => {
    const result = await inSubprocess(
      async ({ runIsolated }) => {
        const words = Array.from({ length: 3000 }, (_, index) => `argument-${String(index)}-${'x'.repeat(40)}`);
        const { stdout } = await runIsolated('sh', ['-c', 'echo $# ; echo "$LONG" | wc -c', 'sh', ...words], {
          env: { LONG: 'y'.repeat(100_000) },
        });
        return stdout;
      },
      { user },
    );
    expect(result).toBe('3000\n100001\n');
  });

  it('ends with the cell, though somebody outside holds the output open', async () => {
    const folder = scratch(user);
    const holder = spawn(
      'python3',
      [
        '-c',
        `import socket, sys, time
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
print('ready', flush=True)
peer = server.accept()[0]
held = socket.recv_fds(peer, 1, 2)
peer.send(b'x')
time.sleep(60)`,
        `${folder}/socket`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], ...(user === 'nobody' ? { uid: idOf(user), gid: idOf(user) } : {}) },
    );
    onTestFinished(() => {
      holder.kill('SIGKILL');
    });
    await once(holder.stdout, 'data');
    const result = await inSubprocess(
      async ({ runIsolated, data }) => {
        const { folder } = data as { folder: string };
        const send = `import socket, sys
peer = socket.socket(socket.AF_UNIX)
peer.connect(sys.argv[1])
print('written', flush=True)
socket.send_fds(peer, [b'x'], [1, 2])
peer.recv(1)`;
        const { reason, stdout, stderr } = await runIsolated('python3', ['-c', send, `${folder}/socket`], {
          unveil: { [folder]: 'r' },
        });
        return { reason, stdout, stderr };
      },
      { user, data: { folder } },
    );
    expect(result).toEqual({ reason: 'exited', stdout: 'written\n', stderr: '' });
    expect(holder.exitCode).toBeNull();
  });
});
