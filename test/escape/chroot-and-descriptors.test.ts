/**
 * Ways out of a root by directories that were opened before it: chroot(2), "This call does not change the current working directory"; fchdir(2);
 * CVE-2024-21626 (a descriptor of the host's tree left to a container's first process); and descriptors that nobody meant to hand over.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, rmSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { DEEDS, deedsInCell, inCells } from '../support/cells.js';
import { deedsOutside, deedsProgram, parseResults } from '../support/deeds.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

describe.each(USERS)('directories and descriptors, as %s', (user) => {
  it('".." ends at the root of the cell, from everywhere', async () => {
    const folder = scratch(user, { 'a/b': 'dir' });
    const deeds = [
      'climb,/',
      'climb,/tmp',
      'climb,/data/a/b',
      'climb,/proc/self/fd',
      'climb,/proc/self/cwd',
      'climb,/proc/self/root',
    ];
    const results = await deedsInCell(user, deeds, { mounts: [{ type: 'bind', source: folder, target: '/data' }] });
    expect(Object.values(results)).toEqual(deeds.map(() => 'EXDEV'));
  });

  it('chroot(2) is refused, with which a second root could be left', async () => {
    expect(await deedsInCell(user, ['chroot,/tmp/x'], { user: { uid: 0, gid: 0 } })).toEqual({
      'chroot,/tmp/x': 'EPERM',
    });
    const outside = deedsOutside(user, [`chroot,${scratch(user)}/second`], { ownNamespaces: true });
    expect(Object.values(outside)).toEqual(['OK']);
  });

  it('a command has the descriptors of its stdio, and no other', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, spawnIsolated, events, text, fs, data }) => {
        const { program, target } = data as { program: string; target: string };
        const mounts = [{ type: 'bind', source: program, target }] as const;
        // What this process has open, close-on-exec or not (see `before`).
        const own = fs.openSync('/etc/hosts', 'r');
        const inherited = fs.readlinkSync('/proc/self/fd/9');
        const others = [1, 2, 3].map(() => spawnIsolated('sleep', ['20']));
        await Promise.all(others.map((child) => events.once(child, 'spawn')));
        const standard = await runIsolated(target, ['descriptors'], { mounts });
        const child = spawnIsolated(target, ['descriptors'], {
          mounts,
          stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'ignore', own],
        });
        const extra = await text(child.stdout);
        await child.outcome;
        const terminal = await runIsolated(target, ['descriptors'], { mounts, net: 'host' });
        for (const other of others) {
          other.kill('SIGKILL');
        }
        await Promise.all(others.map(({ outcome }) => outcome));
        return { inherited, standard: standard.stdout, extra, terminal: terminal.stdout };
      },
      { user, before: 'exec 9</etc/hosts', data: { program: deedsProgram(), target: DEEDS } },
    );
    expect(result).toEqual({
      inherited: '/etc/hosts',
      standard: 'descriptors=OK:0 1 2\n',
      extra: 'descriptors=OK:0 1 2 3 4 5\n',
      terminal: 'descriptors=OK:0 1 2\n',
    });
  });

  it('a directory is refused as stdio, as is a descriptor that is a mere name', async () => {
    const folder = scratch(user);
    const failures = await inSubprocess(
      async ({ runIsolated, failureOf, fs, data }) => {
        const O_PATH = 0x20_0000;
        const directory = fs.openSync(data as string, 'r');
        const name = fs.openSync('/etc/hosts', O_PATH);
        const results: unknown[] = [];
        for (const stdio of [
          ['pipe', 'pipe', 'pipe', directory],
          [directory, 'pipe', 'pipe'],
          ['pipe', 'pipe', 'pipe', name],
          ['pipe', 'pipe', 'pipe', fs.openSync('/etc/hosts', 'r')],
        ] as const) {
          const failure = await failureOf(() => runIsolated('true', [], { stdio }));
          results.push(failure && [failure.code, failure.stage, failure.causeCode]);
        }
        return results;
      },
      { user, data: folder },
    );
    expect(failures).toEqual([
      ['ERR_CLOISTER_SETUP', 'stdio', 'EISDIR'],
      ['ERR_CLOISTER_SETUP', 'stdio', 'EISDIR'],
      ['ERR_CLOISTER_SETUP', 'stdio', 'EBADF'],
      null,
    ]);
  });

  it('a file that was handed over for reading cannot be opened for writing', async () => {
    const folder = scratch(user, { read: 'text', both: 'text' });
    for (const name of ['read', 'both']) {
      chmodSync(path.join(folder, name), 0o666);
    }
    const result = await inSubprocess(
      async ({ runIsolated, childProcess, fs, data }) => {
        const { program, target, folder: files } = data as { program: string; target: string; folder: string };
        const deeds = ['reopen,0,r', 'reopen,0,w', 'reopen,3,r', 'reopen,3,w'];
        const stdio = () => [
          fs.openSync(`${files}/read`, 'r'),
          'pipe' as const,
          'pipe' as const,
          fs.openSync(`${files}/both`, 'r+'),
        ];
        const inside = await runIsolated(target, deeds, {
          mounts: [{ type: 'bind', source: program, target }],
          stdio: stdio(),
        });
        const outside = childProcess.spawnSync(program, deeds, { encoding: 'utf8', stdio: stdio() });
        return [inside.stdout, outside.stdout];
      },
      { user, data: { program: deedsProgram(), target: DEEDS, folder } },
    );
    const [inside, outside] = result.map((text) => Object.values(parseResults(String(text))));
    expect(inside).toEqual(['OK', 'EACCES', 'OK', 'OK']);
    expect(outside).toEqual(['OK', 'OK', 'OK', 'OK']);
  });

  it('a directory that comes over a socket leads nowhere', async () => {
    const folder = scratch(user, { 'd/file': 'x', 's/file': 'y' });
    const socket = path.join(folder, 's', 'socket');
    const serve = async (): Promise<void> => {
      const server = spawn(deedsProgram(), [`serve-descriptor,${socket},${path.join(folder, 'd')}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      onTestFinished(() => {
        server.kill('SIGKILL');
      });
      await once(server.stdout, 'data');
    };
    await serve();
    const inside = await deedsInCell(user, [`use-descriptor,${socket},file`], {
      mounts: [{ type: 'bind', source: path.join(folder, 's') }],
    });
    expect(Object.values(inside)).toEqual(['EACCES:EACCES']);
    rmSync(socket);
    await serve();
    expect(Object.values(deedsOutside(user, [`use-descriptor,${socket},file`]))).toEqual(['OK:OK']);
  });

  it('files cannot be opened by handle, past every path (CVE-2014-3519)', async () => {
    const results = await deedsInCell(user, ['handle,/usr'], { user: { uid: 0, gid: 0 } });
    expect(results).toEqual({ 'handle,/usr': 'EPERM' });
    if (user === 'root') {
      expect(deedsOutside(user, ['handle,/usr'])).toEqual({ 'handle,/usr': 'OK' });
    }
  });

  it('a hostile working directory ends nowhere else', async () => {
    const [result] = await inCells(user, [
      { args: ['climb,.', 'readlink,/proc/self/cwd'], options: { cwd: '/proc/self/fd' } },
    ]);
    expect(result?.deeds).toEqual({
      'climb,.': expect.stringMatching(/^(EXDEV|EACCES)$/),
      'readlink,/proc/self/cwd': 'OK:/proc/2/fd',
    });
  });
});
