/**
 * The ways out of a cell that stands in the host's own tree, with the host's processes and users around it: what Landlock does not see
 * (landlock(7), "Current limitations"), and what a mount namespace without a user namespace leaves to root.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import type { RunOptions } from '../../lib/index.js';
import { COMBINATIONS, deedsUnder, of } from '../support/backends.js';
import { deedsOutside, deedsProgram } from '../support/deeds.js';
import { inSubprocess, type User } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

/** A process of the same user. */
function victim(user: User): string {
  const change = user === 'nobody' ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : [];
  const words = [...change, 'sleep', '60'];
  const child = spawn(words[0]!, words.slice(1), { stdio: 'ignore' });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return String(child.pid);
}

const REFUSED = /^(EACCES|EPERM|ENOENT|ESRCH|EROFS|EXDEV|ENOTDIR)$/;
const values = (results: Record<string, string>): string[] => Object.values(results);
const allRefused = (deeds: readonly string[]) => deeds.map(() => expect.stringMatching(REFUSED) as unknown);

describe.each(COMBINATIONS)('out of backend $backend, as $user', (combination) => {
  const { user, backend } = combination;

  it('no file outside can be read, written, made, removed, moved, linked or run', async () => {
    const folder = scratch(user, { secret: 's', 'd/x': 'x', tool: '#!/bin/sh\n' });
    chmodSync(`${folder}/tool`, 0o755);
    const at = (name: string) => path.join(folder, name);
    const deeds = [
      `read,${at('secret')}`,
      `write,${at('secret')}`,
      `put,${at('secret')},x`,
      `truncate,${at('secret')},0`,
      `create,${at('new')},420`,
      `mkdir,${at('e')}`,
      `rmdir,${at('d')}`,
      `unlink,${at('d/x')}`,
      `symlink,x,${at('l')}`,
      `rename,${at('secret')},${at('other')}`,
      `link,${at('secret')},/tmp/h`,
      `exec,${at('tool')}`,
      'read,/etc/shadow',
      'read,/root/.bashrc',
    ];
    expect(values(await deedsUnder(combination, deeds))).toEqual(allRefused(deeds));
    expect(readFileSync(at('secret'), 'utf8')).toBe('s');
    expect(deedsOutside(user, [`read,${at('secret')}`, `write,${at('secret')}`])).toEqual({
      [`read,${at('secret')}`]: 'OK',
      [`write,${at('secret')}`]: 'OK',
    });
  });

  it('no file outside changes its mode, owner, times or attributes', async () => {
    const folder = scratch(user, { secret: 's' });
    const secret = path.join(folder, 'secret');
    chmodSync(secret, 0o600);
    const before = statSync(secret);
    const deeds = [
      `chmod,${secret},511`,
      `fchmodat,${secret},511`,
      `fchmodat2,${secret},511`,
      `chown,${secret},0,0`,
      `setxattr,${secret}`,
    ];
    const results = values(await deedsUnder(combination, deeds));
    expect(results.filter((result) => result.startsWith('OK'))).toEqual([]);
    const touch = await inSubprocess(
      async ({ runIsolated, data }) => {
        const given = data as { secret: string; options: RunOptions };
        const script = 'import os,sys\ntry:\n os.utime(sys.argv[1], (1, 1))\nexcept OSError as e: print(e.errno)';
        return String((await runIsolated('python3', ['-c', script, given.secret], given.options)).stdout).trim();
      },
      { user, data: { secret, options: { backend } } },
    );
    expect(touch).toMatch(/^(1|2|13)$/);
    const after = statSync(secret);
    expect([after.mode, after.uid, after.mtimeMs]).toEqual([before.mode, before.uid, before.mtimeMs]);
    expect(deedsOutside(user, [`chmod,${secret},384`])).toEqual({ [`chmod,${secret},384`]: 'OK' });
  });

  it('nothing is done to a process outside', async () => {
    const pid = victim(user);
    const deeds = [
      `kill,${pid},0`,
      `kill,${pid},9`,
      `attach,${pid}`,
      `peek,${pid},0`,
      `take-descriptor,${pid},0`,
      `limit-other,${pid}`,
      `nice-other,${pid}`,
      `affinity,${pid}`,
      `read,/proc/${pid}/environ`,
      `read,/proc/${pid}/cmdline`,
      `read,/proc/${pid}/root/etc/hostname`,
      `readlink,/proc/${pid}/cwd`,
    ];
    expect(values(await deedsUnder(combination, deeds))).toEqual(allRefused(deeds));
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    expect(values(deedsOutside(user, [`kill,${pid},0`, `limit-other,${pid}`, `read,/proc/${pid}/cmdline`]))).toEqual([
      'OK',
      'OK',
      'OK',
    ]);
  });

  it('what is done to all processes meets those of the cell only', async () => {
    const pid = victim(user);
    const result = await inSubprocess(
      async ({ runIsolated, fs, data }) => {
        const { program, pid: other, backend: name } = data as { program: string; pid: string; backend: 'auto' };
        const niceness = () => fs.readFileSync(`/proc/${other}/stat`, 'utf8').split(' ')[18];
        const was = niceness();
        const { stdout } = await runIsolated(program, ['nice-user', 'kill,-1,9'], {
          backend: name,
          unveil: { [program]: 'rx' },
        });
        return { same: was === niceness(), stdout: String(stdout) };
      },
      { user, data: { program: deedsProgram(), pid, backend } },
    );
    expect(result.same).toBe(true);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    expect(result.stdout).toMatch(/kill,-1,9=(OK|ESRCH|EPERM)/);
  });

  it('its keeper or init cannot be killed, stopped or looked into', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, data }) => {
        const script =
          'for s in 0 KILL STOP TERM; do kill -$s $PPID 2>/dev/null && echo sent $s; done; cat /proc/$PPID/environ 2>/dev/null | head -c 1; true';
        const { stdout, reason, exitCode } = await runIsolated('sh', ['-c', script], { backend: data as 'auto' });
        return [String(stdout), reason, exitCode];
      },
      { user, data: backend },
    );
    // To process 1 of its pid namespace a signal can be sent, and is lost (pid_namespaces(7)).
    const lost = backend === 'landlock' ? '' : expect.stringMatching(/^(sent \w+\n)*$/);
    expect(result).toEqual([lost, 'exited', 0]);
  });

  it('no server outside is reached, by address, name or path', async () => {
    const folder = scratch(user);
    chmodSync(folder, 0o777);
    const socket = path.join(folder, 'socket');
    const abstract = `cloister-test-${String(process.pid)}-${user}-${backend}`;
    const servers = [socket, `\0${abstract}`, 0].map((where) =>
      net.createServer((peer) => peer.destroy()).listen(where),
    );
    onTestFinished(() => {
      for (const server of servers) {
        server.close();
      }
    });
    await Promise.all(servers.map(async (server) => (server.listening ? null : await once(server, 'listening'))));
    chmodSync(socket, 0o777);
    const { port } = servers[2]?.address() as net.AddressInfo;
    const deeds = [`connect-unix,${socket}`, `connect-abstract,${abstract}`, `connect,127.0.0.1,${String(port)}`];
    const results = values(await deedsUnder(combination, deeds));
    expect(results.filter((result) => result.startsWith('OK'))).toEqual([]);
    expect(values(deedsOutside(user, deeds))).toEqual(['OK', 'OK', 'OK']);
  });

  it('System V IPC and queues of the host are out of sight', async () => {
    const key = String(0x10000 + (process.pid % 50_000));
    const made = deedsOutside(user, [`make-memory,${key}`]);
    onTestFinished(() => {
      deedsOutside(user, [`remove-memory,${key}`]);
    });
    expect(values(made)[0]).toMatch(/^OK/);
    const results = values(await deedsUnder(combination, [`find-memory,${key}`]));
    expect(results[0]).toMatch(/ENOENT|EPERM/);
    expect(values(deedsOutside(user, [`find-memory,${key}`]))[0]).toMatch(/^OK/);
  });

  it('no other root, namespace or mount can be had', async () => {
    const deeds = ['chroot,/tmp/x', 'unshare,user', 'clone,user', 'mount-tmpfs,/tmp', 'climb,/'];
    const results = await deedsUnder(combination, deeds);
    // In the host's own tree its root is where ".." ends, and nothing of it can be opened.
    expect(values(results).filter((result) => result.startsWith('OK'))).toEqual([]);
  });

  it('a daemon that has left its session, its parents and its terminal ends with the cell', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, descendants, waitFor, data }) => {
        const { program, backend: name } = data as { program: string; backend: 'auto' };
        const outcome = await runIsolated(program, ['daemon', 'daemon', 'fork-until-refused,30', 'daemon'], {
          backend: name,
          unveil: { [program]: 'rx' },
          limits: { wallTime: '20s' },
        });
        const others = () => descendants().filter((found) => !found.name.startsWith('cloister')).length;
        return [outcome.reason, outcome.exitCode, others(), await waitFor(() => others() === 0)];
      },
      { user, data: { program: deedsProgram(), backend } },
    );
    expect(result).toEqual(['exited', 0, 0, true]);
  });

  it('processes that start others faster than anybody can look end with the cell', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, descendants, data }) => {
        // Each one lives just long enough to start the next.
        const script =
          'import os\nif os.fork():\n print("started", flush=True); os._exit(0)\nos.setsid()\nfor fd in range(3): os.close(fd)\nwhile True:\n if os.fork(): os._exit(0)';
        const outcome = await runIsolated('python3', ['-c', script], { backend: data as 'auto' });
        return [
          outcome.stdout,
          outcome.reason,
          descendants().filter(({ name }) => !name.startsWith('cloister')).length,
        ];
      },
      { user, data: backend },
    );
    expect(result).toEqual(['started\n', 'exited', 0]);
  });

  it('a descriptor of a file of the host gives no more than it was opened for', async () => {
    const folder = scratch(user, { file: 'content' });
    chmodSync(`${folder}/file`, 0o666);
    const result = await inSubprocess(
      async ({ spawnIsolated, text, fs, data }) => {
        const given = data as { program: string; file: string; backend: 'auto' };
        const reading = fs.openSync(given.file, 'r');
        const child = spawnIsolated(given.program, ['reopen,3,r', 'reopen,3,w'], {
          backend: given.backend,
          unveil: { [given.program]: 'rx' },
          stdio: ['ignore', 'pipe', 'inherit', reading],
        });
        const output = await text(child.stdout);
        await child.outcome;
        return output.trim().split('\n');
      },
      { user, data: { program: deedsProgram(), file: `${folder}/file`, backend } },
    );
    expect(result).toEqual(['reopen,3,r=OK', expect.stringMatching(/^reopen,3,w=(EACCES|EROFS)$/)]);
  });

  it('a cell within a cell stands in the tree of the outer one', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, packageUrl, failureOf, data }) => {
        const project = new URL('..', packageUrl).pathname;
        const program = `import { probe, runIsolated } from ${JSON.stringify(packageUrl)};
          const inner = await runIsolated('sh', ['-c', 'echo inner; cat /etc/shadow; kill -0 $PPID || echo refused']);
          console.log(probe().backends.join(), inner.stdout.trim().split('\\n').join(), inner.enforcement.rootFileSystem);`;
        let outer;
        const failure = await failureOf(async () => {
          outer = await runIsolated(process.execPath, ['--input-type=module', '-e', program], {
            backend: data as 'auto',
            unveil: { [project]: 'rx', [process.execPath]: 'rx' },
          });
        });
        return failure ?? outer;
      },
      { user, data: backend },
    );
    expect(result).toMatchObject({ stderr: '', stdout: 'landlock inner,refused landlock\n' });
  });
});

describe.each(of('landlock'))("the host's tree around a cell, as $user", (combination) => {
  const { user } = combination;

  it('no id of another user can be taken on', async () => {
    expect(values(await deedsUnder(combination, ['setuid,0', 'setgid,0', 'setgroups']))).toEqual([
      'EPERM',
      'EPERM',
      'EPERM',
    ]);
  });

  it('a name that is replaced by a link after the plan was made is not followed', async () => {
    const folder = scratch(user, { 'data/a': 'a', 'secret/s': 's' });
    const result = await inSubprocess(
      async ({ runIsolated, failureOf, fs, data }) => {
        const at = String(data);
        const options = { backend: 'landlock', unveil: { [`${at}/data`]: 'r' } } as const;
        const before = String((await runIsolated('cat', [`${at}/data/a`], options)).stdout);
        // The plan resolves the name here, and the link appears before the cell opens it.
        const realpath = fs.realpathSync.native;
        let swapped = false;
        fs.realpathSync.native = ((file: string) => {
          const real = realpath(file);
          if (file === `${at}/data` && !swapped) {
            swapped = true;
            fs.renameSync(`${at}/data`, `${at}/moved`);
            fs.symlinkSync(`${at}/secret`, `${at}/data`);
          }
          return real;
        }) as typeof realpath;
        const failure = await failureOf(() => runIsolated('cat', [`${at}/data/s`], options));
        return [before, failure?.stage, failure?.message.includes('ELOOP') ?? false];
      },
      { user, data: folder },
    );
    expect(result[0]).toBe('a');
    expect(result.slice(1)).toEqual(['landlock', true]);
  });

  it('the scratch directory is removed with everything in it, however deep, and links are not followed', async () => {
    const folder = scratch(user, { kept: 'k' });
    const place = scratch(user);
    chmodSync(place, 0o777);
    const result = await inSubprocess(
      async ({ runIsolated, data }) => {
        const script = `cd $HOME; ln -s ${String(data)} link; ln -s ${String(data)}/kept file; mkfifo p; mkdir -m 0 closed
          i=0; while [ $i -lt 400 ]; do mkdir d && cd d && : > f && i=$((i+1)) || exit 1; done; echo $i`;
        return String((await runIsolated('sh', ['-c', script], { backend: 'landlock' })).stdout);
      },
      { user, data: folder, environment: { TMPDIR: place } },
    );
    expect(result).toBe('400\n');
    expect(readFileSync(`${folder}/kept`, 'utf8')).toBe('k');
    expect(readdirSync(place)).toEqual([]);
  });

  it('what a killed launcher and a killed keeper left is swept, what is in use is not', async () => {
    const name = 'cloister-scratch-00000000000000000000000000000000';
    const place = scratch(user, { [`${name}/d/f`]: 'x', 'another/f': 'y' });
    chmodSync(place, 0o777);
    const left = path.join(place, name);
    const result = await inSubprocess(
      async ({ spawnIsolated, childProcess, events, fs, waitFor, data, packageUrl }) => {
        const given = data as { place: string; left: string };
        const child = spawnIsolated('sh', ['-c', 'echo x > $HOME/in-use; echo ready; exec sleep 20'], {
          backend: 'landlock',
        });
        await events.once(child.stdout!, 'data');
        const swept = await waitFor(() => !fs.existsSync(given.left));
        // Another launcher sweeps beside the one that lives.
        const program = `import { runIsolated } from ${JSON.stringify(packageUrl)}; await runIsolated('true', [], { backend: 'landlock' });`;
        const other = childProcess.spawn(process.execPath, ['--input-type=module', '-e', program], {
          stdio: 'inherit',
        });
        await events.once(other, 'close');
        const used = fs.readdirSync(given.place).filter((name) => name.startsWith('cloister-scratch-'));
        child.kill('SIGKILL');
        await child.outcome;
        return { swept, used: used.length };
      },
      { user, data: { place, left }, environment: { TMPDIR: place } },
    );
    expect(result).toEqual({ swept: true, used: 1 });
    expect(existsSync(path.join(place, 'another/f'))).toBe(true);
  });

  it('without scopes, descendants are found one by one, and none is left', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, spawnIsolated, events, descendants }) => {
        const options = { backend: 'landlock', scope: false } as const;
        const sleepers = () => descendants().filter(({ name }) => name === 'sleep').length;
        const script = `exec 3>&1 >/dev/null 2>&1; setsid sh -c "trap '' TERM HUP; (sleep 93.5 &) ; sleep 93.5" & sleep 93.5 & kill -STOP $!; sleep 0.2; echo done >&3`;
        const { stdout, enforcement } = await runIsolated('sh', ['-c', script], options);
        const left = sleepers();
        const child = spawnIsolated(
          'sh',
          ['-c', 'setsid sleep 93.5 & (sleep 93.5 &) ; echo ready; exec sleep 93.5'],
          options,
        );
        await events.once(child.stdout!, 'data');
        child.kill('SIGKILL');
        const { reason } = await child.outcome;
        return [stdout, enforcement.landlock?.scoped, left, reason, sleepers()];
      },
      { user },
    );
    expect(result).toEqual(['done\n', [], 0, 'killed', 0]);
  });

  it('a keeper that is killed from outside takes its cell along', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, runIsolated, events, descendants, waitFor }) => {
        const child = spawnIsolated(
          'sh',
          ['-c', '(setsid sleep 94.5 &) ; setsid sleep 94.5 & echo ready; exec sleep 94.5'],
          {
            backend: 'landlock',
          },
        );
        await events.once(child.stdout!, 'data');
        const keeper = descendants().find(({ name }) => name === 'cloister-init')!;
        process.kill(keeper.pid, 'SIGKILL');
        const { reason, signal } = await child.outcome;
        const gone = await waitFor(() => descendants().every(({ name }) => name !== 'sleep'));
        const { stdout } = await runIsolated('echo', ['next'], { backend: 'landlock' });
        return [reason, signal, gone, stdout];
      },
      { user },
    );
    expect(result).toEqual(['signaled', 'SIGKILL', true, 'next\n']);
  });
});
