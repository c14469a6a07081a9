import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, shell } from '../support/cells.js';
import { deedsOutside } from '../support/deeds.js';
import { USERS } from '../support/in-subprocess.js';

/** Numbers of getrlimit(2). */
const RLIMIT = { fsize: 1, stack: 3, core: 4, nproc: 6, nofile: 7, as: 9 };

describe.each(USERS)('limits of a cell, as %s', (user) => {
  it('processes: fork fails with EAGAIN at the limit, and threads count', async () => {
    const limits = { processes: 20 };
    const [forks, threads, unlimited] = await inCells(user, [
      { args: ['fork-until-refused,200'], options: { limits } },
      { args: ['threads-until-refused,200'], options: { limits } },
      { args: ['fork-until-refused,200'] },
    ]);
    expect(forks?.deeds).toEqual({ 'fork-until-refused,200': 'EAGAIN:20' });
    expect(threads?.deeds).toEqual({ 'threads-until-refused,200': 'EAGAIN:20' });
    expect(unlimited?.deeds).toEqual({ 'fork-until-refused,200': 'OK:201' });
    expect(forks?.enforcement.limits).toMatchObject({
      processes: expect.stringMatching(/^(rlimit|cgroup-v[12])$/) as string,
    });
  });

  it('processes: 256 unless asked otherwise', async () => {
    const results = await deedsInCell(user, ['fork-until-refused,1000']);
    expect(results).toEqual({ 'fork-until-refused,1000': 'EAGAIN:256' });
    expect(deedsOutside(user, ['fork-until-refused,1000'])).toEqual({ 'fork-until-refused,1000': 'OK:1001' });
  });

  it('processes: each cell has its own count', async () => {
    const deeds = ['fork-until-refused,200'];
    const cells = [1, 2, 3].map(() => ({ args: deeds, options: { limits: { processes: 30 } } }));
    const results = await inCells(user, cells);
    expect(results.map((result) => Object.values(result.deeds))).toEqual([['EAGAIN:30'], ['EAGAIN:30'], ['EAGAIN:30']]);
  });

  it('processes: holds a fork bomb, which wallTime ends', async () => {
    const bomb = 'bomb() { bomb | bomb & }; bomb; sleep 20';
    const [result] = await inCells(user, [shell(bomb, { limits: { processes: 50, wallTime: '500ms' } })]);
    expect(result).toMatchObject({ reason: 'wall-time', signal: 'SIGKILL', exitCode: null });
    expect(result?.usage.wallTime).toBeGreaterThanOrEqual(500);
    expect(result?.usage.wallTime).toBeLessThan(5000);
  });

  it('openFiles: open fails with EMFILE, and the limit cannot be raised', async () => {
    const deeds = ['open-until-refused', `get-limit,${String(RLIMIT.nofile)}`, `raise-limit,${String(RLIMIT.nofile)}`];
    expect(Object.values(await deedsInCell(user, deeds, { limits: { openFiles: 32 } }))).toEqual([
      'EMFILE:32',
      'OK:32',
      'EPERM',
    ]);
    expect(Object.values(await deedsInCell(user, deeds))).toEqual(['EMFILE:1024', 'OK:1024', 'EPERM']);
  });

  it('openFiles: a limit below the command’s own descriptors still starts it', async () => {
    const [result] = await inCells(user, [
      { args: ['get-limit,7', 'descriptors'], options: { limits: { openFiles: 3 } } },
    ]);
    expect(result?.deeds).toEqual({ 'get-limit,7': 'OK:3', descriptors: 'OK:0 1 2' });
  });

  it('fileSize: SIGXFSZ, or EFBIG for who ignores it', async () => {
    const limits = { fileSize: '1MiB' };
    const [killed, ignored] = await inCells(user, [
      { args: ['fill,/tmp/x'], options: { limits } },
      { args: ['ignore-xfsz', 'fill,/tmp/x', `raise-limit,${String(RLIMIT.fsize)}`], options: { limits } },
    ]);
    expect(killed).toMatchObject({ reason: 'signaled', signal: 'SIGXFSZ' });
    expect(ignored?.deeds).toMatchObject({
      'fill,/tmp/x': 'EFBIG:1',
      [`raise-limit,${String(RLIMIT.fsize)}`]: 'EPERM',
    });
  });

  it('addressSpace: mmap fails with ENOMEM', async () => {
    const [limited, unlimited] = await inCells(user, [
      { args: ['map,16', 'map,200'], options: { limits: { addressSpace: '100MiB' } } },
      { args: ['map,16', 'map,200'] },
    ]);
    expect(Object.values(limited?.deeds ?? {})).toEqual(['OK', 'ENOMEM']);
    expect(Object.values(unlimited?.deeds ?? {})).toEqual(['OK', 'OK']);
  });

  it('stack: SIGSEGV beyond it', async () => {
    const [limited, unlimited] = await inCells(user, [
      { args: ['use-stack,64', 'use-stack,2048'], options: { limits: { stack: '512KiB' } } },
      { args: ['use-stack,64', 'use-stack,2048'] },
    ]);
    expect(limited).toMatchObject({ reason: 'signaled', signal: 'SIGSEGV', deeds: { 'use-stack,64': 'OK' } });
    expect(unlimited).toMatchObject({ reason: 'exited', exitCode: 0 });
  });

  it('core: a crash leaves no file unless asked otherwise', async () => {
    const [result] = await inCells(user, [shell(`ulimit -c; cd /tmp; sh -c 'kill -SEGV $$'; ls /tmp`)]);
    expect(result?.stdout).toBe('0\n');
    const [asked] = await inCells(user, [
      { args: [`get-limit,${String(RLIMIT.core)}`], options: { limits: { core: '1MiB' } } },
    ]);
    expect(asked?.deeds).toEqual({ [`get-limit,${String(RLIMIT.core)}`]: 'OK:1048576' });
  });

  it('core: keeps the program that the host has for core dumps out of it', async () => {
    // 0 does not bind a core_pattern that starts with '|'; the kernel takes 1 as "none at all" (core(5)).
    const results = await deedsInCell(user, [`get-limit,${String(RLIMIT.core)}`]);
    expect(Object.values(results)).toEqual(['OK:1']);
  });
});

describe.each(USERS)('wallTime, as %s', (user) => {
  it('ends every process of the cell, whatever it did to get away', async () => {
    const run = { args: ['daemon', 'daemon', 'wait-forever'], options: { limits: { wallTime: 300 } } };
    const [result, short] = await inCells(user, [run, { args: ['ids'], options: { limits: { wallTime: '20s' } } }]);
    expect(result).toMatchObject({ reason: 'wall-time', signal: 'SIGKILL', exitCode: null });
    expect(result?.stdout).toContain('daemon=OK');
    expect(result?.usage.wallTime).toBeGreaterThanOrEqual(299);
    expect(short).toMatchObject({ reason: 'exited', exitCode: 0 });
    expect(result?.enforcement.limits).toMatchObject({ wallTime: 'launcher' });
  });

  it('counts a stopped command as well', async () => {
    const [result] = await inCells(user, [shell('kill -STOP $$; echo went on', { limits: { wallTime: 300 } })]);
    expect(result).toMatchObject({ reason: 'wall-time', signal: 'SIGKILL', stdout: '' });
  });
});
