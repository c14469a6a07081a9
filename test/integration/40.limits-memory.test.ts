import { describe, expect, it } from 'vitest';

import { inCells, refusal, shell } from '../support/cells.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { groupsOf, touch } from '../support/limits.js';

const MIB = 2 ** 20;
const python = (script: string) => ({ command: 'python3', args: ['-c', script] });
/** Mebibytes that a deed has told. */
const held = (result = ''): number => Number(/^OK:(\d+)$/.exec(result)?.[1]);
/** What sampling may let pass on a busy machine. */
const OVERSHOOT = 64 * MIB;

describe.each(USERS)('limits.memory, as %s', (user) => {
  it('ends a process that uses more, and not one that uses less', async () => {
    const [over, under, unlimited] = await inCells(user, [
      { ...python(touch(200)), options: { limits: { memory: '64MiB' } } },
      { ...python(touch(32)), options: { limits: { memory: '64MiB' } } },
      python(touch(200)),
    ]);
    expect(over).toMatchObject({ reason: 'memory', exitCode: null, signal: 'SIGKILL', stdout: '' });
    expect(over?.usage.peakMemory).toBeLessThanOrEqual(64 * MIB + OVERSHOOT);
    expect(under).toMatchObject({ reason: 'exited', exitCode: 0, stdout: 'touched\n' });
    expect(under?.usage.peakMemory).toBeGreaterThan(32 * MIB);
    expect(unlimited).toMatchObject({ reason: 'exited', exitCode: 0, stdout: 'touched\n' });
  });

  it('counts all processes of the cell together, and ends them all', async () => {
    const child = `python3 -c "${touch(30, 'import time; time.sleep(20)').replaceAll('\n', '; ')}"`;
    const [many, few] = await inCells(user, [
      shell(`for i in 1 2 3 4 5; do ${child} & done; wait`, { limits: { memory: '100MiB' } }),
      shell(`for i in 1 2; do ${child.replace('sleep(20)', 'sleep(0.2)')} & done; wait`, {
        limits: { memory: '100MiB' },
      }),
    ]);
    expect(many).toMatchObject({ reason: 'memory', signal: 'SIGKILL' });
    expect(many?.usage.wallTime).toBeLessThan(15_000);
    expect(few).toMatchObject({ reason: 'exited', exitCode: 0, stdout: 'touched\ntouched\n' });
  });

  it('counts what processes share once', async () => {
    const script = touch(
      40,
      'import os, time\nfor i in range(4):\n  if os.fork() == 0:\n    time.sleep(0.3)\n    os._exit(0)\nfor i in range(4): os.wait()',
    );
    const [shared] = await inCells(user, [{ ...python(script), options: { limits: { memory: '100MiB' } } }]);
    expect(shared).toMatchObject({ reason: 'exited', exitCode: 0 });
  });

  it('ends the cell when a child of the command uses it up, although the command would go on', async () => {
    const [result] = await inCells(user, [
      shell(`python3 -c "b'x' * (300 << 20)"; sleep 20; echo survived`, { limits: { memory: '64MiB' } }),
    ]);
    expect(result).toMatchObject({ reason: 'memory', stdout: '' });
  });

  it('lets runtimes run that reserve much more than they use', async () => {
    const script =
      "const { Worker } = require('worker_threads'); new Worker('1', { eval: true }).on('exit', () => console.log('ran'))";
    const [node, go] = await inCells(user, [
      { command: 'node', args: ['-e', script], options: { limits: { memory: '256MiB' } } },
      { ...python("import mmap; mmap.mmap(-1, 700 << 20); print('ran')"), options: { limits: { memory: '64MiB' } } },
    ]);
    expect(node).toMatchObject({ reason: 'exited', exitCode: 0, stdout: 'ran\n' });
    expect(go).toMatchObject({ reason: 'exited', exitCode: 0, stdout: 'ran\n' });
  });

  it('is held by a control group where there is one, else by sampling', async () => {
    const version = await groupsOf(user);
    const [result] = await inCells(user, [{ command: 'true', options: { limits: { memory: '64MiB' } } }]);
    expect(result?.enforcement.limits).toEqual({ memory: version === null ? 'sampling' : `cgroup-${version}` });
    expect(result?.enforcement.cgroup).toBe(version);
  });

  it('counts what a process holds whose first thread has ended', async () => {
    const [over, under] = await inCells(user, [
      { args: ['fill-without-leader,300'], options: { limits: { memory: '100MiB' } } },
      { args: ['fill-without-leader,20'], options: { limits: { memory: '100MiB' } } },
    ]);
    expect(over).toMatchObject({ reason: 'memory', stdout: '' });
    expect(under).toMatchObject({ reason: 'exited', exitCode: 0, stdout: 'held\n' });
  });

  it('counts memory that two processes have as one, as with vfork, once', async () => {
    const [result, over] = await inCells(user, [
      { args: ['fill-and-vfork,60'], options: { limits: { memory: '100MiB' } } },
      { args: ['fill-and-vfork,120'], options: { limits: { memory: '100MiB' } } },
    ]);
    expect(result).toMatchObject({ reason: 'exited', stdout: 'fill-and-vfork,60=OK\n' });
    expect(over?.reason).toBe('memory');
  });

  it.each(['fill-memfd,300', 'fill-segments,300'])(
    '%s is counted, or refused where nobody could see it',
    async (deed) => {
      const [limited, unlimited] = await inCells(user, [
        { args: [deed], options: { limits: { memory: '100MiB' } } },
        { args: [deed] },
      ]);
      if (limited?.enforcement.cgroup === null) {
        expect(limited.deeds[deed]).toBe('ENOSYS');
      } else {
        expect(limited?.reason).toBe('memory');
      }
      expect(unlimited?.deeds[deed]).toBe('OK');
    },
  );

  it('covers the buffers of connections to itself, with a control group', async () => {
    const deed = 'fill-tcp,100';
    const [limited, unlimited] = await inCells(user, [
      { args: [deed], options: { limits: { memory: '32MiB' } } },
      { args: [deed] },
    ]);
    if (limited?.enforcement.cgroup !== null && limited?.reason !== 'memory') {
      expect(held(limited?.deeds[deed])).toBeLessThan(96);
    }
    expect(held(unlimited?.deeds[deed])).toBeGreaterThan(96);
  });

  it('holds although the caller is a process that the kernel spares when memory runs out', async ({ skip }) => {
    const result = await inSubprocess(
      async ({ runIsolated, fs, data }) => {
        try {
          fs.writeFileSync('/proc/self/oom_score_adj', '-1000');
        } catch {
          return null;
        }
        const inside = await runIsolated('cat', ['/proc/self/oom_score_adj']);
        const limits = { memory: '64MiB', wallTime: '20s' };
        const { reason } = await runIsolated('python3', ['-c', data as string], { limits });
        return { score: inside.stdout, reason };
      },
      { user, data: touch(200) },
    );
    skip(result === null, 'lowering a score needs CAP_SYS_RESOURCE');
    expect(result).toEqual({ score: '0\n', reason: 'memory' });
  });

  it('too small to start in is an error of the start, or the end of the program', async () => {
    const version = await groupsOf(user);
    const options = { limits: { memory: 4096 } };
    if (version !== null) {
      expect(await refusal(user, options, 'true')).toMatchObject({
        code: 'ERR_CLOISTER_SETUP',
        stage: 'limits',
        errno: -12,
      });
    } else {
      const [result] = await inCells(user, [{ command: 'sleep', args: ['9'], options }]);
      expect(result?.reason).toBe('memory');
    }
  });
});
