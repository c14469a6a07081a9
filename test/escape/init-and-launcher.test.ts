/**
 * The processes of cloister's own that a cell can see or that see it: CVE-2019-5736 (runc overwritten through /proc/self/exe), CVE-2016-9962 and
 * CVE-2020-14298 (ptrace of, and descriptors of, a runtime that enters a container), proc_pid_root(5).
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, tryCells } from '../support/cells.js';
import { deedsOutside, deedsProgram } from '../support/deeds.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const LAUNCHER = new URL('../../build/Release/cloister-launcher', import.meta.url).pathname;

describe.each(USERS)('init of a cell, as %s', (user) => {
  it('shows nothing of itself and of the host behind it', async () => {
    const deeds = [
      'access,/proc/1/root/etc',
      'readlink,/proc/1/root',
      'readlink,/proc/1/cwd',
      'readlink,/proc/1/exe',
      'read,/proc/1/exe',
      'exec,/proc/1/exe',
      'write,/proc/1/exe',
    ];
    const more = [
      'read,/proc/1/environ',
      'read,/proc/1/mem',
      'read,/proc/1/fd',
      'read,/proc/1/map_files',
      'read,/proc/1/stack',
      'setns,/proc/1/ns/mnt',
      'climb,/proc/1/cwd',
    ];
    const results = await deedsInCell(user, [...deeds, ...more], { user: { uid: 0, gid: 0 } });
    for (const [deed, result] of Object.entries(results)) {
      expect([deed, result]).toEqual([deed, expect.stringMatching(/^(EACCES|EPERM|ENOENT)$/)]);
    }
    expect(Object.values(deedsOutside(user, ['access,/proc/self/root/etc', 'read,/proc/self/environ']))).toEqual([
      'OK',
      'OK',
    ]);
  });

  it('cannot be traced, read, robbed, stopped or killed', async () => {
    const deeds = ['attach,1', 'peek,1,400000', 'take-descriptor,1,3'];
    const results = await deedsInCell(user, deeds, { user: { uid: 0, gid: 0 } });
    expect(Object.values(results)).toEqual(['EPERM', 'EPERM', 'EPERM']);
    // Signals are dropped, since init has no handler (pid_namespaces(7)); the command goes on.
    const signals = await deedsInCell(user, ['kill,1,9', 'kill,1,19', 'kill,1,15', 'kill,1,6', 'kill,-1,0', 'ids'], {
      user: { uid: 5, gid: 5 },
    });
    expect(signals['ids']).toBe('OK:5 5 5 5 5 5');
  });

  it('dies when it is killed from outside, and the cell with it', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, events, descendants, waitFor }) => {
        const child = spawnIsolated('sh', ['-c', 'sleep 20 & sleep 20']);
        await events.once(child, 'spawn');
        await waitFor(() => descendants().filter(({ name }) => name === 'sleep').length === 2);
        const init = descendants().find(({ name }) => name === 'cloister-init');
        process.kill(init!.pid, 'SIGKILL');
        const { reason, signal } = await child.outcome;
        return { reason, signal, left: descendants().filter(({ name }) => name === 'sleep').length };
      },
      { user },
    );
    expect(result).toEqual({ reason: 'signaled', signal: 'SIGKILL', left: 0 });
  });
});

describe.each(USERS)('the launcher, as %s', (user) => {
  it('cannot be reached as the program of a process in the cell, nor be written', async () => {
    const before = [statSync(LAUNCHER).mtimeMs, readFileSync(LAUNCHER).length];
    const folder = scratch(user, { 'root/bin': 'dir' });
    const root = path.join(folder, 'root');
    spawnSync('install', ['-m', '755', deedsProgram(), path.join(root, 'bin/deeds')]);
    // What runc was led to execute: an image whose programs lead to the runtime itself.
    symlinkSync('/proc/self/exe', path.join(root, 'bin/link'));
    spawnSync('sh', [
      '-c',
      'printf "#!/proc/self/exe\\n" > "$1" && chmod 755 "$1"',
      'sh',
      path.join(root, 'bin/script'),
    ]);
    const [link, script, init] = await tryCells(user, [
      { command: '/bin/link', args: ['serve'], options: { root: { directory: root, writable: 'discard' } } },
      { command: '/bin/script', options: { root: { directory: root } } },
      { command: '/proc/1/exe', options: {} },
    ]);
    // Whatever ran was the launcher, which does nothing there, without any code of the cell's making beside it.
    for (const result of [link, script, init]) {
      const text = JSON.stringify(result);
      expect(text).toMatch(/does nothing by itself|EACCES|ENOENT|"exitCode":(1|64)/);
    }
    expect([statSync(LAUNCHER).mtimeMs, readFileSync(LAUNCHER).length]).toEqual(before);
  });

  it('is not seen from within, and keeps nothing of a cell for another', async () => {
    const [processes] = await inCells(user, [{ args: ['processes'] }]);
    expect(processes?.deeds).toEqual({ processes: 'OK:2' });
    const result = await inSubprocess(
      async ({ spawnIsolated, events, fs, descendants, waitFor }) => {
        const word = ['only', 'for', 'the', 'first', 'cell'].join('-');
        const spawn = (env: Record<string, string>) => spawnIsolated('sleep', ['20'], { env });
        const first = spawn({ SECRET: word });
        const large = spawn({ SECRET: word, FILL: 'x'.repeat(100_000) });
        await Promise.all([first, large].map((child) => events.once(child, 'spawn')));
        const before = new Set(descendants().map(({ pid }) => pid));
        const later = [1, 2, 3, 4].map(() => spawn({}));
        await Promise.all(later.map((child) => events.once(child, 'spawn')));
        await waitFor(() => descendants().filter(({ name }) => name === 'cloister-init').length >= 6);
        const inits = descendants().filter(
          ({ pid, name }) => name.startsWith('cloister') && (!before.has(pid) || name === 'cloister'),
        );
        const holding: string[] = [];
        let seen = 0;
        for (const { pid, name } of inits) {
          let text: string;
          try {
            text = fs.readFileSync(`/proc/${String(pid)}/maps`, 'utf8');
          } catch {
            continue; // Not dumpable: nobody but root may look.
          }
          for (const line of text.split('\n')) {
            const match = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line);
            if (match === null || line.includes('[v')) {
              continue;
            }
            const [start, end] = [Number.parseInt(match[1]!, 16), Number.parseInt(match[2]!, 16)];
            const bytes = Buffer.alloc(end - start);
            try {
              const memory = fs.openSync(`/proc/${String(pid)}/mem`, 'r');
              seen += fs.readSync(memory, bytes, 0, bytes.length, start);
              fs.closeSync(memory);
            } catch {
              continue;
            }
            if (bytes.includes(word)) {
              holding.push(name);
            }
          }
        }
        for (const child of [first, large, ...later]) {
          child.kill('SIGKILL');
        }
        await Promise.all([first, large, ...later].map(({ outcome }) => outcome));
        return { holding, looked: seen > 0 };
      },
      { user },
    );
    expect(result).toEqual({ holding: [], looked: user === 'root' });
  });
});

describe.runIf(process.getuid?.() === 0)('the launcher of a process that gives root up', () => {
  it('shows it no file of root any more', async () => {
    const folder = scratch('root', { secret: 'x' });
    chmodSync(path.join(folder, 'secret'), 0o600);
    const results = await inSubprocess(
      async ({ runIsolated, spawnIsolated, events, failureOf, fs, data }) => {
        const file = data as string;
        const read = async () => (await runIsolated('cat', [file], { unveil: { [file]: 'r' } })).exitCode;
        const asRoot = await read();
        const running = spawnIsolated('sleep', ['20']);
        await events.once(running, 'spawn');
        process.setgroups?.([]);
        process.setgid?.(65534);
        process.setuid?.(65534);
        const direct = await failureOf(() => fs.readFileSync(file));
        let throughCell: number | null = -1;
        const failure = await failureOf(async () => {
          throughCell = await read();
        });
        running.kill('SIGKILL');
        const { reason } = await running.outcome;
        return { asRoot, direct: direct?.code, throughCell: failure === null ? throughCell : failure.code, reason };
      },
      { user: 'root', data: path.join(folder, 'secret') },
    );
    expect(results).toEqual({ asRoot: 0, direct: 'EACCES', throughCell: results.throughCell, reason: 'killed' });
    expect(results.throughCell).not.toBe(0);
  });
});
