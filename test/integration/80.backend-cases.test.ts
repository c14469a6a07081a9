/** What a cell is, whichever way it is built. */

import { chmodSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import type { RunOptions } from '../../lib/index.js';
import { COMBINATIONS } from '../support/backends.js';
import { inSubprocess } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const ENTERS = `
  import { readFileSync } from 'node:fs';
  const { PACKAGE = '', SHOWN = '', FOLDER = '' } = process.env;
  const { enterCell } = await import(PACKAGE);
  const { rootFileSystem } = enterCell({
    unveil: { [SHOWN]: 'rx', [FOLDER]: 'r', [process.execPath]: 'rx' },
    env: { PACKAGE, SHOWN, FOLDER },
  });
  let shadow = 'read';
  try { readFileSync('/etc/shadow'); } catch { shadow = 'refused'; }
  console.log(rootFileSystem, shadow);
  process.exitCode = 7;
`;

const NAMESPACES = {
  namespaces: ['user', 'mount', 'pid', 'net', 'ipc', 'uts', 'cgroup'],
  chroot: ['mount', 'pid', 'net', 'ipc', 'uts', 'cgroup'],
  landlock: [],
};

describe.each(COMBINATIONS)('backend $backend, as $user', ({ user, backend }) => {
  const run = async (
    command: string,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Record<string, unknown>> =>
    await inSubprocess(
      async ({ runIsolated, failureOf, data }) => {
        const given = data as { command: string; args: string[]; options: RunOptions };
        let result: unknown;
        const failure = await failureOf(async () => {
          const { violations: _, ...rest } = await runIsolated(given.command, given.args, given.options);
          result = rest;
        });
        return (failure ?? result) as Record<string, unknown>;
      },
      { user, data: { command, args, options: { backend, ...options } } },
    );
  const sh = async (script: string, options: RunOptions = {}) => await run('sh', ['-c', script], options);

  it('tells what the command did', async () => {
    expect(await sh('echo out; echo err >&2; exit 3')).toMatchObject({
      reason: 'exited',
      exitCode: 3,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
      enforcement: {
        noNewPrivileges: true,
        capabilities: [],
        missing: [],
        rootFileSystem: backend === 'landlock' ? 'landlock' : 'pivot_root',
        namespaces: NAMESPACES[backend],
      },
    });
    expect(await sh('kill -USR1 $$')).toMatchObject({ reason: 'signaled', exitCode: null, signal: 'SIGUSR1' });
  });

  it('feeds standard input, and closes it', async () => {
    expect(await run('cat', [], { input: 'text' })).toMatchObject({ stdout: 'text', exitCode: 0 });
    expect(await run('cat', [])).toMatchObject({ stdout: '', exitCode: 0 });
  });

  it('names a command that is not there, or may not run', async () => {
    expect(await run('no-such-command', [])).toMatchObject({ code: 'ERR_CLOISTER_NOT_FOUND', causeCode: 'ENOENT' });
    expect(await run('/usr/share', [])).toMatchObject({ code: 'ERR_CLOISTER_SETUP', causeCode: 'EACCES' });
  });

  it('has a directory of its own for temporary files, and a home', async () => {
    const script =
      'cd "${TMPDIR:-/tmp}" && mkdir d && echo x > d/f && mv d/f g && cat g && test "$HOME" = "$PWD" && echo same';
    expect(await sh(script)).toMatchObject({ stdout: 'x\nsame\n', stderr: '' });
    expect(await sh('pwd; touch here', { cwd: '/tmp' })).toMatchObject({ exitCode: 0 });
    expect(await sh(': > "$HOME/f"; chmod +x "$HOME/f" 2>/dev/null; test -O "$HOME/f"')).toMatchObject({ exitCode: 0 });
  });

  it('has the environment and the directory that it is given', async () => {
    expect(await sh('echo $A; pwd', { env: { A: 'b' }, cwd: '/usr' })).toMatchObject({ stdout: 'b\n/usr\n' });
    expect(await sh('true', { cwd: '/none' })).toMatchObject({ code: 'ERR_CLOISTER_NOT_FOUND' });
  });

  it('reads what is unveiled, writes where it may, and nothing else', async () => {
    const folder = scratch(user, { 'in/a': 'a', 'out/b': 'b', 'secret/c': 'c' });
    const script = `cd ${folder}; cat in/a; echo; echo new > out/b; echo more > out/m; rm out/m; cat out/b
      echo x > in/a; echo x > in/n; cat secret/c; ls secret`;
    // The host uid of a root caller's cell is nobody's owner, where no id map makes it so.
    chmodSync(`${folder}/out`, 0o777);
    chmodSync(`${folder}/out/b`, 0o666);
    const result = await sh(script, { unveil: { [`${folder}/in`]: 'r', [`${folder}/out`]: 'rwc' } });
    expect(result).toMatchObject({ stdout: 'a\nnew\n' });
    expect(String(result['stderr']).trim().split('\n')).toHaveLength(4);
    const all = await sh(`cat ${folder}/secret/c`, { unveil: { [`${folder}/secret`]: 'r' } });
    expect(all).toMatchObject({ stdout: 'c' });
  });

  it('runs a program that is unveiled to be run', async () => {
    const folder = scratch(user, { tool: '#!/bin/sh\necho ran\n' });
    chmodSync(`${folder}/tool`, 0o755);
    expect(await run(`${folder}/tool`, [], { unveil: { [folder]: 'rx' } })).toMatchObject({ stdout: 'ran\n' });
    expect(await run(`${folder}/tool`, [], { unveil: { [folder]: 'r' } })).toMatchObject({
      code: 'ERR_CLOISTER_SETUP',
      causeCode: 'EACCES',
    });
  });

  it('has no network unless it is given the host’s', async () => {
    const script =
      'import socket,sys\ntry:\n s=socket.socket(); s.settimeout(2); s.connect(("127.0.0.1", int(sys.argv[1]))); print("connected")\nexcept OSError as e: print("refused")';
    const result = await inSubprocess(
      async ({ runIsolated, net, events, data }) => {
        const server = net.createServer((socket) => socket.destroy());
        server.listen(0, '127.0.0.1');
        await events.once(server, 'listening');
        const { port } = server.address() as { port: number };
        const given = data as { script: string; backend: 'auto' };
        const words: string[] = [];
        for (const choice of ['none', 'host'] as const) {
          const { stdout } = await runIsolated('python3', ['-c', given.script, String(port)], {
            backend: given.backend,
            net: choice,
            scope: choice === 'none',
          });
          words.push(String(stdout).trim());
        }
        server.close();
        return words;
      },
      { user, data: { script, backend } },
    );
    expect(result).toEqual(['refused', 'connected']);
  });

  it('sends no datagram out, which Landlock knows nothing of', async () => {
    const script =
      'import socket,sys\ntry: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[2].encode(), ("127.0.0.1", int(sys.argv[1])))\nexcept OSError: pass';
    const result = await inSubprocess(
      async ({ runIsolated, events, waitFor, data }) => {
        const { createSocket } = process.getBuiltinModule('node:dgram');
        const server = createSocket('udp4').bind(0, '127.0.0.1');
        await events.once(server, 'listening');
        const heard: string[] = [];
        server.on('message', (message) => heard.push(String(message)));
        const given = data as { script: string; backend: 'auto' };
        // What 'none' had sent would have come before it.
        for (const net of ['none', 'host'] as const) {
          await runIsolated('python3', ['-c', given.script, String(server.address().port), net], {
            backend: given.backend,
            net,
          });
        }
        await waitFor(() => heard.includes('host'));
        server.close();
        return heard;
      },
      { user, data: { script, backend } },
    );
    expect(result).toEqual(['host']);
  });

  it('holds limits of time, output, processor time and memory', async () => {
    expect(await run('sleep', ['20'], { limits: { wallTime: 100 } })).toMatchObject({ reason: 'wall-time' });
    expect(await run('yes', [], { limits: { output: '64KiB' } })).toMatchObject({ reason: 'output' });
    expect(await sh('while :; do :; done', { limits: { cpuTime: 100 } })).toMatchObject({ reason: 'cpu-time' });
    expect(
      await run('python3', ['-c', 'a = bytearray(300 * 2**20); import time; time.sleep(20)'], {
        limits: { memory: '64MiB', wallTime: '20s' },
      }),
    ).toMatchObject({ reason: 'memory' });
    expect(await sh('ulimit -n; ulimit -c', { limits: { openFiles: 40 } })).toMatchObject({ stdout: '40\n0\n' });
  });

  it('counts what it used, and tells what is in force', async () => {
    const result = await sh('i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done');
    expect(result).toMatchObject({ enforcement: { seccomp: { filters: expect.any(Number) as number } } });
    const usage = result['usage'] as Record<string, number>;
    expect(usage['userTime']).toBeGreaterThan(10);
    expect(usage['peakMemory']).toBeGreaterThan(100_000);
  });

  it('has a terminal when it asks for one', async () => {
    const result = await sh('test -t 0 && stty size && tty && echo x > /dev/tty', { pty: { columns: 91, rows: 17 } });
    expect(String(result['stdout'])).toMatch(/^17 91\r\n\/dev\/pts\/\d+\r\nx\r\n$/);
  });

  it('ends by signal, kill, abort, and disposal, with all that it started', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, events, descendants, waitFor, data }) => {
        const options = { backend: data as 'auto' };
        const script = `trap 'echo term; exit 7' TERM
          setsid sh -c 'trap "" TERM HUP INT; sleep 95.5' & (setsid sleep 95.5 &) ; sleep 95.5 & kill -STOP $!
          echo ready; while :; do sleep 0.05; done`;
        const start = async (more = {}) => {
          const child = spawnIsolated('sh', ['-c', script], { ...options, ...more });
          child.on('error', () => undefined);
          await events.once(child.stdout!, 'data');
          return child;
        };
        const sleepers = () => descendants().filter(({ name }) => name === 'sleep').length;
        const found: unknown[] = [];
        const term = await start();
        found.push(await waitFor(() => sleepers() >= 3), term.kill('SIGTERM'));
        const first = await term.outcome;
        found.push([first.reason, first.exitCode], sleepers());
        const killed = await start();
        killed.kill('SIGKILL');
        found.push((await killed.outcome).reason, sleepers());
        const controller = new AbortController();
        const aborted = await start({ signal: controller.signal });
        controller.abort();
        found.push((await aborted.outcome).reason, sleepers());
        const disposed = await start();
        await disposed[Symbol.asyncDispose]();
        found.push(
          disposed.exitCode,
          sleepers(),
          await waitFor(() => descendants().every(({ state }) => state !== 'Z')),
        );
        return found;
      },
      { user, data: backend },
    );
    expect(result).toEqual([true, true, ['exited', 7], 0, 'killed', 0, 'aborted', 0, 7, 0, true]);
  });

  it('takes its descendants along when its command ends by itself', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, descendants, data }) => {
        const script =
          'setsid sh -c "(sleep 96.5 &) ; sleep 96.5" >/dev/null 2>&1 & sleep 96.5 >/dev/null 2>&1 & kill -STOP $!; sleep 0.2; echo done';
        const { stdout, reason } = await runIsolated('sh', ['-c', script], { backend: data as 'auto' });
        return [stdout, reason, descendants().filter(({ name }) => name === 'sleep').length];
      },
      { user, data: backend },
    );
    expect(result).toEqual(['done\n', 'exited', 0]);
  });

  it('holds promises, and tells of what breaks them', async () => {
    expect(await run('cat', ['/etc/hosts'], { pledge: 'stdio rpath' })).toMatchObject({ exitCode: 0, stderr: '' });
    const broken = { reason: 'violation', signal: 'SIGSYS', exitCode: null };
    const unread = await run('cat', ['/etc/hosts'], { pledge: 'stdio' });
    expect(unread).toMatchObject({ ...broken, stdout: '' });
    expect(unread['stderr']).toContain("the promise 'rpath' would allow it");
    expect(await sh('/bin/true; echo no', { pledge: 'stdio rpath proc' })).toMatchObject(broken);
    // Nobody reads what fills the pipe that the line is to go to.
    const full = 'yes | head -c 200000 >&2 & sleep 0.2; mkdir "$HOME/x"; sleep 9';
    expect(await sh(full, { pledge: 'stdio rpath exec proc' })).toMatchObject(broken);
  });

  it('can be entered by a program that runs itself again', async () => {
    const project = fileURLToPath(new URL('../..', import.meta.url));
    const result = await inSubprocess(
      ({ childProcess, data, packageUrl }) => {
        const { folder, name, project: at } = data as { folder: string; name: string; project: string };
        const { status, stdout, stderr } = childProcess.spawnSync(process.execPath, [`${folder}/program.mjs`], {
          env: { ...process.env, CLOISTER_BACKEND: name, PACKAGE: packageUrl, SHOWN: at, FOLDER: folder },
          encoding: 'utf8',
        });
        return { status, stdout, stderr };
      },
      { user, data: { folder: scratch(user, { 'program.mjs': ENTERS }), name: backend, project } },
    );
    const root = backend === 'landlock' ? 'landlock' : 'pivot_root';
    expect(result).toEqual({ status: 7, stdout: `${root} refused\n`, stderr: '' });
  });

  it('can be had many at a time', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, data }) => {
        const options = { backend: data as 'auto' };
        const names = Array.from({ length: 12 }, (_, index) => String(index));
        const all = await Promise.all(
          names.map(async (name) => String((await runIsolated('sh', ['-c', `echo ${name}`], options)).stdout)),
        );
        return all.map((text) => text.trim());
      },
      { user, data: backend },
    );
    expect(result).toEqual(Array.from({ length: 12 }, (_, index) => String(index)));
  });

  it('leaves neither descriptors nor processes nor mounts behind', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, failureOf, openDescriptors, descendants, mounts, waitFor, data }) => {
        const options = { backend: data as 'auto' };
        const round = async () => {
          await runIsolated('sh', ['-c', 'echo x > "${TMPDIR:-/tmp}/f"; sleep 20 & exit'], {
            ...options,
            stdio: 'ignore',
          });
          await failureOf(() => runIsolated('no-such-command', [], options));
        };
        await round();
        const count = () => [
          openDescriptors().length,
          mounts(),
          descendants().filter(({ name }) => !name.startsWith('cloister')).length,
        ];
        const first = count();
        for (let index = 0; index < 20; index += 1) {
          await round();
        }
        // Fewer is fine: streams of the first round may have been on their way out still.
        const more = () => count().map((value, index) => Math.max(0, value - (first[index] ?? 0)));
        await waitFor(() => more().every((value) => value === 0));
        return more();
      },
      { user, data: backend },
    );
    expect(result).toEqual([0, 0, 0]);
  });

  it.each(['caller', 'launcher'] as const)('ends when its %s is killed', async (who) => {
    const folder = scratch(user);
    chmodSync(folder, 0o1777);
    const left = await inSubprocess(
      async ({ childProcess, events, fs, waitFor, data, packageUrl }) => {
        const given = data as { backend: string; who: string };
        const marker = `97.${String(process.pid)}`;
        const program = `
          import { spawnIsolated } from ${JSON.stringify(packageUrl)};
          import { readdirSync, readFileSync } from 'node:fs';
          const child = spawnIsolated('sh', ['-c', 'setsid sh -c "sleep ${marker}" & (sleep ${marker} &) ; sleep ${marker} & kill -STOP $!; mkdir -p $HOME/d/e; echo x > $HOME/d/e/f; chmod 0 $HOME/d; echo ready; exec sleep ${marker}'], { backend: ${JSON.stringify(given.backend)} });
          child.on('error', () => undefined);
          child.outcome.then((outcome) => console.log(outcome.reason), () => undefined);
          child.stdout.once('data', () => {
            const launcher = readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).find((pid) => {
              try {
                const line = readFileSync('/proc/' + pid + '/stat', 'utf8');
                return line.includes('(cloister)') && Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[1]) === process.pid;
              } catch { return false; }
            });
            process.kill(${given.who === 'caller' ? 'process.pid' : 'Number(launcher)'}, 'SIGKILL');
          });`;
        const child = childProcess.spawn(process.execPath, ['--input-type=module', '-e', program], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const chunks: string[] = [];
        child.stdout.on('data', (chunk: Buffer) => chunks.push(String(chunk)));
        await events.once(child, 'close');
        const sleeping = () =>
          fs.readdirSync('/proc').filter((pid) => {
            try {
              return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(marker);
            } catch {
              return false;
            }
          }).length;
        await waitFor(() => sleeping() === 0 && fs.readdirSync(process.env['TMPDIR'] ?? '').length === 0);
        return { sleeping: sleeping(), told: chunks.join('').trim() };
      },
      { user, data: { backend, who }, environment: { TMPDIR: folder } },
    );
    expect(left).toEqual({ sleeping: 0, told: who === 'launcher' ? 'killed' : '' });
    expect(readdirSync(folder)).toEqual([]);
  });
});
