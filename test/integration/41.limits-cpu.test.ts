import { describe, expect, it } from 'vitest';

import { inCells, shell, tryCells } from '../support/cells.js';
import { USERS } from '../support/in-subprocess.js';
import { groupsOf } from '../support/limits.js';

const SPIN = 'while :; do :; done';
const count = (most: number): string => `i=0; while [ $i -lt ${String(most)} ]; do i=$((i+1)); done`;

describe.each(USERS)('limits.cpuTime and limits.cpus, as %s', (user) => {
  it('cpuTime ends what computes for longer, and not what waits', async () => {
    const [spinning, waiting, unlimited] = await inCells(user, [
      shell(SPIN, { limits: { cpuTime: '300ms', wallTime: '20s' } }),
      shell('sleep 0.6; echo waited', { limits: { cpuTime: '300ms' } }),
      shell(SPIN, { limits: { wallTime: '600ms' } }),
    ]);
    expect(spinning).toMatchObject({ reason: 'cpu-time', exitCode: null, signal: 'SIGKILL' });
    const { userTime = 0, systemTime = 0 } = spinning?.usage ?? {};
    expect(userTime + systemTime).toBeGreaterThanOrEqual(290);
    expect(userTime + systemTime).toBeLessThan(500);
    expect(waiting).toMatchObject({ reason: 'exited', stdout: 'waited\n' });
    expect(unlimited).toMatchObject({ reason: 'wall-time' });
  });

  it('cpuTime is the sum over processes that have ended and over those that run at once', async () => {
    const [one, after, beside] = await inCells(user, [
      shell(`sh -c '${count(20_000)}'`, { limits: { cpuTime: '2s' } }),
      shell(`while :; do sh -c '${count(20_000)}'; done`, { limits: { cpuTime: '400ms', wallTime: '20s' } }),
      shell(`for n in 1 2 3 4; do sh -c '${SPIN}' & done; wait`, { limits: { cpuTime: '400ms', wallTime: '20s' } }),
    ]);
    expect(one?.reason).toBe('exited');
    expect(after?.reason).toBe('cpu-time');
    expect(beside?.reason).toBe('cpu-time');
  });

  it('cpuTime counts children whose ends their parent ignores', async () => {
    const burn = 'end = time.process_time() + 0.2\n  while time.process_time() < end: pass\n  os._exit(0)';
    const children = (most: number): string =>
      [
        'import os, signal, time',
        'signal.signal(signal.SIGCHLD, signal.SIG_IGN)',
        `for n in range(${String(most)}):`,
        ' if os.fork() == 0:',
        `  ${burn}`,
        ' try: os.wait()',
        ' except ChildProcessError: pass',
      ].join('\n');
    const [over, under] = await inCells(user, [
      { command: 'python3', args: ['-c', children(60)], options: { limits: { cpuTime: '600ms', wallTime: '25s' } } },
      { command: 'python3', args: ['-c', children(2)], options: { limits: { cpuTime: '2s', wallTime: '25s' } } },
    ]);
    expect(over?.reason).toBe('cpu-time');
    expect(under).toMatchObject({ reason: 'exited', exitCode: 0 });
    const { userTime = 0, systemTime = 0 } = under?.usage ?? {};
    expect(userTime + systemTime).toBeGreaterThan(100);
  });

  it('a command that has used more by its end ends for that reason', async () => {
    const [result] = await inCells(user, [shell(count(60_000), { limits: { cpuTime: 1 } })]);
    expect(result).toMatchObject({ reason: 'cpu-time' });
  });

  it('cpus slows down where a control group holds it, and is an error elsewhere', async () => {
    const version = await groupsOf(user);
    const options = { limits: { cpus: 0.2 } };
    const [result] = await tryCells(user, [shell(count(150_000), options)]);
    if (version === null) {
      expect(result).toMatchObject({
        code: 'ERR_CLOISTER_UNSUPPORTED',
        message: expect.stringContaining('limits.cpus') as string,
      });
      const [left] = await inCells(user, [shell('true', { ...options, onUnsupported: 'degrade' })]);
      expect(left?.enforcement.missing).toMatchObject([{ feature: 'limits.cpus' }]);
      return;
    }
    expect(result).toMatchObject({ reason: 'exited', enforcement: { limits: { cpus: `cgroup-${version}` } } });
    if (result !== undefined && 'usage' in result) {
      const { wallTime, userTime, systemTime } = result.usage;
      expect((userTime + systemTime) / wallTime).toBeLessThan(0.35);
    }
  });

  it('a usage of processor time covers children and grandchildren', async () => {
    const [result] = await inCells(user, [shell(`( (${count(100_000)}; true); true)`, { limits: { cpuTime: '20s' } })]);
    const { userTime = 0, wallTime = 0, systemTime = 0 } = result?.usage ?? {};
    expect(userTime + systemTime).toBeGreaterThan(10);
    expect(userTime + systemTime).toBeLessThan(wallTime * 2);
  });

  it('a usage of processor time covers what is still there when the command ends', async () => {
    const deed = 'leave-burner,400';
    const [result, limited] = await inCells(user, [
      { args: [deed] },
      { args: [deed], options: { limits: { cpuTime: '200ms' } } },
    ]);
    const { userTime = 0, systemTime = 0 } = result?.usage ?? {};
    expect(result).toMatchObject({ reason: 'exited', stdout: `${deed}=OK\n` });
    expect(userTime + systemTime).toBeGreaterThanOrEqual(390);
    expect(limited?.reason).toBe('cpu-time');
  });
});
