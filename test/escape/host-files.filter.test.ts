/** What a cell could do to the host through files that it may only read: hold up writers, use up watches and terminals, keep starts waiting. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { inCells, shell } from '../support/cells.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { idOf, scratch } from '../support/scratch.js';

const LEASE = `import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
for command in (fcntl.F_SETLEASE, fcntl.F_NOTIFY):
    try:
        fcntl.fcntl(fd, command, fcntl.F_RDLCK if command == fcntl.F_SETLEASE else 0)
        print('taken')
    except OSError as error:
        print(error.strerror)
`;

const WATCHES = `import ctypes
libc = ctypes.CDLL(None)
print(sum(libc.inotify_init1(0) >= 0 for _ in range(200)), libc.fanotify_init(0x200, 0))
`;

describe.each(USERS)('resources of the host behind files, as %s', (user) => {
  it('a lease cannot be taken, nor a directory notice', async () => {
    const folder = scratch(user, { file: 'text', 'lease.py': LEASE });
    const command = `python3 ${folder}/lease.py ${folder}/file`;
    const [inside] = await inCells(user, [shell(command, { unveil: { [folder]: 'r' } })]);
    expect(inside?.stdout).toBe('Operation not permitted\nOperation not permitted\n');
    const outside = spawnSync('python3', [path.join(folder, 'lease.py'), path.join(folder, 'file')], {
      encoding: 'utf8',
      ...(user === 'nobody' ? { uid: idOf(user), gid: idOf(user) } : {}),
    });
    expect(outside.stdout).toBe('taken\ntaken\n');
  });

  it('a cell has a few inotify instances, and the caller keeps the rest', async () => {
    const folder = scratch(user, { 'watches.py': WATCHES });
    const result = await inSubprocess(
      async ({ spawnIsolated, fs, events, data }) => {
        const { script } = data as { script: string };
        const holder = spawnIsolated(
          'sh',
          ['-c', `python3 -i ${script} < /dev/zero 2>/dev/null & sleep 0.5; sleep 20`],
          {
            unveil: { [script]: 'r' },
          },
        );
        const [line] = (await events.once(holder.stdout!, 'data')) as [Buffer];
        const watchers = Array.from({ length: 40 }, () => fs.watch('/'));
        for (const watcher of watchers) {
          watcher.close();
        }
        holder.kill('SIGKILL');
        await holder.outcome;
        return String(line);
      },
      { user, data: { script: path.join(folder, 'watches.py') } },
    );
    expect(result).toBe('16 -1\n');
  });

  it('a terminal cell leaves terminals to others', async () => {
    const count = `import os
held = []
try:
    while True:
        held.append(os.openpty())
except OSError as error:
    print(len(held), error.strerror)
`;
    const folder = scratch(user, { 'terminals.py': count });
    const [inside] = await inCells(user, [shell(`python3 ${folder}/terminals.py`, { unveil: { [folder]: 'r' } })]);
    expect(inside?.stdout).toMatch(/^\d+ No space left on device\n$/);
    expect(Number.parseInt(inside?.stdout ?? '', 10)).toBeLessThanOrEqual(64);
  });

  it('a start that somebody holds up ends with wallTime and a few seconds', async () => {
    const folder = scratch(user, { program: '#!/bin/sh\necho ran\n' });
    chmodSync(path.join(folder, 'program'), 0o755);
    const holder = spawn(
      'python3',
      [
        '-c',
        `import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_RDWR)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print('held', flush=True)
time.sleep(60)`,
        path.join(folder, 'program'),
      ],
      { stdio: ['ignore', 'pipe', 'ignore'], ...(user === 'nobody' ? { uid: idOf(user), gid: idOf(user) } : {}) },
    );
    onTestFinished(() => {
      holder.kill('SIGKILL');
    });
    await once(holder.stdout, 'data');
    const error = await inSubprocess(
      async ({ runIsolated, data }) => {
        const { program, folder } = data as { program: string; folder: string };
        const options = { unveil: { [folder]: 'rx' }, limits: { wallTime: '100ms' } } as const;
        return await runIsolated(program, [], options).then(
          ({ reason }) => reason,
          ({ message }: Error) => message,
        );
      },
      { user, data: { program: path.join(folder, 'program'), folder } },
    );
    expect(error).toBe(`cannot start ${path.join(folder, 'program')}: ETIMEDOUT`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    const [free] = await inCells(user, [shell(path.join(folder, 'program'), { unveil: { [folder]: 'rx' } })]);
    expect(free?.stdout).toBe('ran\n');
  });
});

describe.runIf(process.getuid?.() === 0 && existsSync('/dev/loop-control'))('a process that no signal ends', () => {
  it('does not hold up the outcome, which names it, and is gone when what it waits for answers', async () => {
    const folder = scratch('root', { mounted: 'dir' });
    const run = (command: string): void => {
      const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', cwd: folder });
      expect([command, status, stderr.trim()]).toEqual([command, 0, '']);
    };
    run('truncate -s 16M image && mkfs.ext4 -q image && mount -o loop image mounted && chmod 777 mounted');
    onTestFinished(() => {
      spawnSync('sh', ['-c', 'fsfreeze -u mounted; umount mounted'], { cwd: folder });
    });
    run('fsfreeze -f mounted');
    const result = await inSubprocess(
      async ({ runIsolated, childProcess, descendants, waitFor, data }) => {
        const { mounted } = data as { mounted: string };
        const { reason, signal, enforcement } = await runIsolated('sh', ['-c', `echo text > ${mounted}/file`], {
          unveil: { [mounted]: 'rwc' },
          limits: { wallTime: '200ms' },
        });
        const { stdout } = await runIsolated('echo', ['others go on']);
        const stuck = descendants().filter(({ name }) => name === 'sh').length;
        childProcess.execFileSync('fsfreeze', ['-u', mounted]);
        await waitFor(() => descendants().every(({ name }) => name !== 'sh'));
        return { reason, signal, missing: enforcement.missing.map(({ feature }) => feature), stdout, stuck };
      },
      { user: 'root', data: { mounted: path.join(folder, 'mounted') } },
    );
    expect(result).toEqual({
      reason: 'wall-time',
      signal: 'SIGKILL',
      missing: ['end of every process'],
      stdout: 'others go on\n',
      stuck: 1,
    });
  });
});
