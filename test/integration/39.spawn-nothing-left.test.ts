import { existsSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { inSubprocess, runSubprocess, USERS } from '../support/in-subprocess.js';
import { listing, scratch } from '../support/scratch.js';

describe.each(USERS)('what is left of cells, as %s', (user) => {
  it('nothing on the host, however the cell ended', async () => {
    const folder = scratch(user, { 'd/a': 'a', 'd/sub/b': 'b', 'up/x': 'x' });
    const before = listing(folder);
    const result = await inSubprocess(
      async ({ runIsolated, failureOf, mounts, openDescriptors, descendants, waitFor, data }) => {
        const at = data as string;
        await runIsolated('true');
        const count = () => [
          mounts(),
          openDescriptors().length,
          descendants().filter(({ name }) => !name.startsWith('cloister')).length,
        ];
        const first = count();
        const options = {
          unveil: { [at]: 'r', [`${at}/d/a`]: '' },
          mounts: [
            { type: 'bind', source: `${at}/d`, target: '/deep/er/x' },
            { type: 'file', target: '/deep/er/x/new', content: 'n' },
            { type: 'overlay', lower: `${at}/d`, target: '/o' },
          ],
        } as const;
        const reasons = [
          (await runIsolated('sh', ['-c', 'touch /o/n /tmp/t; ls /deep/er/x'], options)).stdout,
          (await runIsolated('sleep', ['20'], { ...options, limits: { wallTime: 50 } })).reason,
          (await failureOf(() => runIsolated('no-such-command', [], options)))?.code,
          (await failureOf(() => runIsolated('true', [], { ...options, cwd: '/o/none' })))?.code,
          (await failureOf(() => runIsolated('/deep/er/x/a', [], options)))?.code,
        ];
        // Streams of a start that failed are closed a moment later.
        await waitFor(() => JSON.stringify(first) === JSON.stringify(count()));
        return { reasons, first, last: count() };
      },
      { user, data: folder },
    );
    expect(result).toMatchObject({
      reasons: ['a\nnew\nsub\n', 'wall-time', 'ERR_CLOISTER_NOT_FOUND', 'ERR_CLOISTER_NOT_FOUND', 'ERR_CLOISTER_SETUP'],
      last: result.first,
    });
    expect(listing(folder)).toEqual(before);
  });

  it.each(['caller', 'launcher'] as const)('no process when the %s is killed', async (who) => {
    const end = await runSubprocess(
      async ({ spawnIsolated, events, descendants, waitFor, data }) => {
        const script = 'setsid sh -c "trap : TERM HUP; sleep 97.25" & (sleep 97.25 &) ; echo ready; exec sleep 97.25';
        const cells = [1, 2, 3].map(() => spawnIsolated('sh', ['-c', script]));
        await Promise.all(cells.map((child) => events.once(child.stdout!, 'data')));
        const sleepers = () => descendants().filter(({ name }) => name === 'sleep');
        await waitFor(() => sleepers().length >= 9);
        const pids = descendants().map(({ pid }) => pid);
        if (data === 'caller') {
          process.stdout.write(`pids ${pids.join(' ')}\n`);
          process.kill(process.pid, 'SIGKILL');
        }
        const launcher = descendants().find(({ name }) => name === 'cloister');
        process.kill(launcher!.pid, 'SIGKILL');
        const outcomes = await Promise.all(cells.map(({ outcome }) => outcome.then(({ reason }) => reason)));
        process.stdout.write(`pids ${pids.join(' ')}\n`);
        return outcomes;
      },
      { user, data: who },
    );
    const pids = /^pids (.*)$/m.exec(end.stdout)?.[1]?.split(' ') ?? [];
    expect(pids.length).toBeGreaterThanOrEqual(12);
    if (who === 'caller') {
      expect(end.signal).toBe('SIGKILL');
    } else {
      expect(end.result).toEqual(['killed', 'killed', 'killed']);
    }
    const deadline = Date.now() + 5000;
    const alive = () => pids.filter((pid) => existsSync(`/proc/${pid}`));
    while (alive().length > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(alive()).toEqual([]);
  });

  it('the next cell starts after the launcher was killed', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, descendants, waitFor }) => {
        await runIsolated('true');
        process.kill(descendants().find(({ name }) => name === 'cloister')!.pid, 'SIGKILL');
        // A request that is sent to a dying launcher fails with it.
        await waitFor(() => descendants().every(({ name }) => name !== 'cloister'));
        const { stdout } = await runIsolated('echo', ['again']);
        return stdout;
      },
      { user },
    );
    expect(result).toBe('again\n');
  });

  it('a signal sent late reaches nobody, whoever has the number by now', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated }) => {
        const child = spawnIsolated('true');
        await child.outcome;
        return [child.kill('SIGTERM'), child.kill('SIGKILL'), child.kill(0)];
      },
      { user },
    );
    expect(result).toEqual([false, false, false]);
  });
});
