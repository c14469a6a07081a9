import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('stdio of a cell, as %s', (user) => {
  it('carries 64 MiB to the command and back without loss', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, stream, streams }) => {
        const size = 64 * 1024 * 1024;
        const block = Buffer.from(Array.from({ length: 65_536 }, (_, index) => (index * 31) % 251));
        const child = spawnIsolated('cat');
        let sent = 0;
        const source = new stream.Readable({
          read() {
            this.push(sent < size ? block : null);
            sent += block.length;
          },
        });
        let received = 0;
        let wrong = 0;
        child.stdout!.on('data', (chunk: Buffer) => {
          for (const [index, byte] of chunk.entries()) {
            wrong += byte === block[(received + index) % block.length] ? 0 : 1;
          }
          received += chunk.length;
        });
        await streams.pipeline(source, child.stdin!);
        const outcome = await child.outcome;
        await streams.finished(child.stdout!);
        return { received, wrong, reason: outcome.reason, size };
      },
      { user },
    );
    expect(result).toEqual({ received: result.size, wrong: 0, reason: 'exited', size: 64 * 1024 * 1024 });
  });

  it('gives the command real pipes, which it can open by name', async () => {
    const result = await inSubprocess(
      async ({ runIsolated }) => {
        const script = 'stat -Lc %F /dev/stdin /dev/stdout /dev/stderr; echo opened > /dev/stdout; echo to-stderr >&2';
        const { stdout, stderr, exitCode } = await runIsolated('sh', ['-c', script]);
        return { stdout, stderr, exitCode };
      },
      { user },
    );
    expect(result).toEqual({ stdout: 'fifo\nfifo\nfifo\nopened\n', stderr: 'to-stderr\n', exitCode: 0 });
  });

  it('takes every form of stdio that child_process takes', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, fs, text, events }) => {
        const list = 'for f in 0 1 2; do readlink /proc/self/fd/$f | tr -d 0-9; done >&2';
        const forms = ['ignore', ['ignore', 'pipe', 'pipe'], [null, undefined, 'pipe'], []] as const;
        const seen: string[] = [];
        for (const stdio of forms) {
          const child = spawnIsolated('sh', ['-c', list], { stdio });
          const streams = child.stdio.map((entry) => entry !== null);
          seen.push(
            `${streams.join()} ${(child.stderr === null ? '' : await text(child.stderr)).split('\n').join(' ')}`,
          );
          await child.outcome;
        }
        const file = `/tmp/cloister-test-${String(process.pid)}`;
        const output = fs.openSync(file, 'w+');
        const input = fs.createReadStream('/etc/hostname');
        await events.once(input, 'open');
        const child = spawnIsolated('sh', ['-c', 'cat; echo end'], { stdio: [input, output, 'inherit'] });
        await child.outcome;
        const written = fs.readFileSync(file, 'utf8');
        fs.closeSync(output);
        fs.unlinkSync(file);
        return { seen, copied: written === `${fs.readFileSync('/etc/hostname', 'utf8')}end\n`, none: child.stdio };
      },
      { user },
    );
    expect(result.seen).toEqual([
      'false,false,false ',
      'false,true,true /dev/null pipe:[] pipe:[] ',
      'true,true,true pipe:[] pipe:[] pipe:[] ',
      'true,true,true pipe:[] pipe:[] pipe:[] ',
    ]);
    expect(result.copied).toBe(true);
    expect(result.none).toEqual([null, null, null]);
  });

  it('passes further descriptors: duplex streams, numbers, sockets, and nothing that was not named', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, fs, net, events, text }) => {
        // Not close-on-exec in the cell unless it was named there.
        const secret = fs.openSync('/etc/hostname', 'r');
        const server = net.createServer((socket) => socket.end('from the server'));
        server.listen(`/tmp/cloister-test-${String(process.pid)}.sock`);
        await events.once(server, 'listening');
        const socket = net.connect(`/tmp/cloister-test-${String(process.pid)}.sock`);
        await events.once(socket, 'connect');
        const script = 'ls /proc/self/fd | wc -l; read line <&3; echo "got $line" >&3; cat <&4; cat <&5';
        const child = spawnIsolated('sh', ['-c', script], {
          stdio: ['ignore', 'pipe', 'inherit', 'pipe', secret, socket],
        });
        const output = text(child.stdout);
        const extra = child.stdio[3] as import('node:net').Socket;
        extra.write('hello\n');
        const [answer] = (await events.once(extra, 'data')) as [Buffer];
        const stdout = await output;
        const outcome = await child.outcome;
        socket.destroy();
        server.close();
        return {
          answer: answer.toString(),
          stdout,
          exitCode: outcome.exitCode,
          host: fs.readFileSync('/etc/hostname', 'utf8'),
        };
      },
      { user },
    );
    expect(result.answer).toBe('got hello\n');
    // 0 to 5, and the one that ls reads the folder with.
    expect(result.stdout).toBe(`7\n${result.host}from the server`);
    expect(result.exitCode).toBe(0);
  });

  it('serves async iteration, readline and pipelines like a child process', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, readline, stream, streams }) => {
        const lines: string[] = [];
        const counted = spawnIsolated('seq', ['1', '20000']);
        for await (const line of readline.createInterface({ input: counted.stdout! })) {
          lines.push(line);
        }
        const first = spawnIsolated('seq', ['1', '100000']);
        const second = spawnIsolated('wc', ['-l']);
        await streams.pipeline(first.stdout!, second.stdin!);
        let sum = '';
        for await (const chunk of second.stdout!) {
          sum += String(chunk);
        }
        const chunks: string[] = [];
        await streams.pipeline(
          spawnIsolated('echo', ['shout']).stdout!,
          new stream.Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) }),
          async (source) => {
            for await (const chunk of source) {
              chunks.push(String(chunk));
            }
          },
        );
        return { lines: lines.length, last: lines.at(-1), sum: sum.trim(), chunks };
      },
      { user },
    );
    expect(result).toEqual({ lines: 20_000, last: '20000', sum: '100000', chunks: ['SHOUT\n'] });
  });

  it('ends a command whose output is destroyed as a closed pipe ends it', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated }) => {
        const child = spawnIsolated('yes');
        child.stdout!.once('data', () => child.stdout!.destroy());
        const { reason, signal } = await child.outcome;
        return { reason, signal };
      },
      { user },
    );
    expect(result).toEqual({ reason: 'signaled', signal: 'SIGPIPE' });
  });

  it('refuses a stream without a descriptor before anything starts', async () => {
    const result = await inSubprocess(
      ({ spawnIsolated, stream, failureOf }) =>
        failureOf(() => spawnIsolated('true', [], { stdio: ['pipe', new stream.PassThrough(), 'pipe'] })),
      { user },
    );
    expect(result).toMatchObject({ code: 'ERR_CLOISTER_POLICY', issues: [{ code: 'bad-stdio', path: 'stdio[1]' }] });
  });

  it('reports a descriptor that is not open as a failed start', async () => {
    const result = await inSubprocess(
      ({ spawnIsolated, failureOf }) =>
        failureOf(() => spawnIsolated('true', [], { stdio: ['ignore', 'pipe', 999] }).outcome),
      { user },
    );
    expect(result).toMatchObject({ code: 'ERR_CLOISTER_SETUP', stage: 'clone', causeCode: 'EBADF' });
    expect(result!.message).toContain('descriptor 999');
  });

  it('does not hand out the socket to its own launcher', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, spawnIsolated, failureOf, fs }) => {
        await runIsolated('true');
        // Type 5 is SOCK_SEQPACKET (/proc/net/unix).
        const packets = fs
          .readFileSync('/proc/net/unix', 'utf8')
          .split('\n')
          .map((line) => line.split(/\s+/))
          .filter((words) => words[4] === '0005')
          .map((words) => `socket:[${words[6]!}]`);
        const own = fs.readdirSync('/proc/self/fd').filter((name) => {
          try {
            return packets.includes(fs.readlinkSync(`/proc/self/fd/${name}`));
          } catch {
            return false; // the descriptor of the list itself
          }
        });
        const failures = await Promise.all(
          own.map((name) =>
            failureOf(() => spawnIsolated('true', [], { stdio: ['ignore', 'pipe', 'pipe', Number(name)] }).outcome),
          ),
        );
        return failures.map((failure) => failure?.message);
      },
      { user },
    );
    expect(result).toEqual([expect.stringMatching(/descriptor \d+ is cloister's own: EBADF/)]);
  });
});
