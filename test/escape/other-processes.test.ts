/** Reaching processes outside of the cell: ptrace(2), signals, limits and scheduling of others, and one cell from another. */

import { spawn } from 'node:child_process';

import { describe, expect, it, onTestFinished } from 'vitest';

import { deedsInCell } from '../support/cells.js';
import { deedsOutside, deedsProgram } from '../support/deeds.js';
import { inSubprocess, USERS, type User } from '../support/in-subprocess.js';
import { DEEDS } from '../support/cells.js';

function victim(user: User): number {
  const words =
    user === 'nobody'
      ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', 'sleep', '60']
      : ['sleep', '60'];
  const child = spawn(words[0]!, words.slice(1), { stdio: 'ignore' });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  return child.pid ?? 0;
}

describe.each(USERS)('other processes, as %s', (user) => {
  it('of the host have no number in the cell, whatever is done by number', async () => {
    const pid = String(victim(user));
    const deeds = [
      `kill,${pid},0`,
      `attach,${pid}`,
      `peek,${pid},0`,
      `take-descriptor,${pid},0`,
      `limit-other,${pid}`,
      `nice-other,${pid}`,
      `affinity,${pid}`,
    ];
    const results = Object.values(await deedsInCell(user, deeds, { user: { uid: 0, gid: 0 } }));
    expect(results).toEqual([
      'ESRCH',
      expect.stringMatching(/ESRCH|EPERM/),
      expect.stringMatching(/ESRCH|EPERM/),
      'ESRCH',
      'ESRCH',
      'ESRCH',
      'ESRCH',
    ]);
    expect(
      Object.values(
        deedsOutside(user, [`kill,${pid},0`, `limit-other,${pid}`, `nice-other,${pid}`, `affinity,${pid}`]),
      ),
    ).toEqual(['OK', 'OK', 'OK', 'OK']);
  });

  it('are not met by what is done to all processes of a user', async () => {
    const before = await inSubprocess(
      async ({ runIsolated, childProcess, fs, data, timers }) => {
        const { program, target } = data as { program: string; target: string };
        const sleeper = childProcess.spawn('sleep', ['20'], { stdio: 'ignore' });
        const niceness = () => fs.readFileSync(`/proc/${String(sleeper.pid)}/stat`, 'utf8').split(' ')[18];
        const was = niceness();
        const { stdout } = await runIsolated(target, ['nice-user', 'kill,-1,9'], {
          mounts: [{ type: 'bind', source: program, target }],
        });
        await timers.setTimeout(50);
        const is = [niceness(), sleeper.exitCode, sleeper.signalCode];
        sleeper.kill('SIGKILL');
        return { was, is, stdout };
      },
      { user, data: { program: deedsProgram(), target: DEEDS } },
    );
    expect(before.is).toEqual([before.was, null, null]);
    expect(before.stdout).toContain('nice-user=OK');
  });

  it('of another cell are as far away as those of the host', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, runIsolated, events, data }) => {
        const { program, target } = data as { program: string; target: string };
        const mounts = [{ type: 'bind', source: program, target }] as const;
        const other = spawnIsolated(
          'sh',
          ['-c', 'echo secret > /tmp/file; echo secret > /dev/shm/file; hostname; exec sleep 20'],
          { mounts, env: { SECRET: 'x' } },
        );
        await events.once(other.stdout!, 'data');
        const pid = String(other.pid);
        const seen = await runIsolated(
          target,
          ['processes', `kill,${pid},0`, 'access,/tmp/file', 'access,/dev/shm/file', `access,/proc/${pid}`],
          { mounts },
        );
        const alive = other.kill(0);
        other.kill('SIGKILL');
        await other.outcome;
        return { seen: String(seen.stdout).split('\n'), alive };
      },
      { user, data: { program: deedsProgram(), target: DEEDS } },
    );
    expect(result.alive).toBe(true);
    expect(result.seen.map((line) => line.split('=')[1])).toEqual([
      'OK:2',
      'ESRCH',
      'ENOENT',
      'ENOENT',
      'ENOENT',
      undefined,
    ]);
  });

  it('cannot be had by a cell that gives its own away: nothing is left of it', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, descendants, data, mounts, openDescriptors }) => {
        const { program, target } = data as { program: string; target: string };
        const options = { mounts: [{ type: 'bind', source: program, target }] } as const;
        await runIsolated(target, ['ids'], options);
        const count = () => ({
          mounts: mounts(),
          descriptors: openDescriptors().length,
          processes: descendants().filter(({ name }) => !name.startsWith('cloister')).length,
        });
        const before = count();
        const outcome = await runIsolated(target, ['daemon', 'daemon', 'fork-until-refused,40', 'daemon'], options);
        const zombies = descendants().filter(({ state }) => state === 'Z').length;
        return { before, after: count(), zombies, reason: outcome.reason, exitCode: outcome.exitCode };
      },
      { user, data: { program: deedsProgram(), target: DEEDS } },
    );
    expect(result).toEqual({ before: result.before, after: result.before, zombies: 0, reason: 'exited', exitCode: 0 });
    expect(result.before.processes).toBe(0);
  });
});
