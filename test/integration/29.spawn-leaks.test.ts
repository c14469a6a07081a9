import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('what cells leave behind, as %s', (user) => {
  it('nothing after 200 in a row and 64 at once', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, spawnIsolated, openDescriptors, descendants, mounts, waitFor, closeOf, fs }) => {
        await runIsolated('true');
        const threads = () => fs.readdirSync('/proc/self/task').length;
        // The launcher and what it keeps ready.
        const names = () =>
          descendants()
            .map(({ name, state }) => `${name} ${state === 'Z' ? 'zombie' : ''}`)
            .filter((line) => !line.startsWith('cloister'))
            .join();
        const before = { descriptors: openDescriptors().length, mounts: mounts(), threads: threads() };
        const ends = new Set<string>();
        for (let run = 0; run < 200; run += 1) {
          const child = spawnIsolated('sh', ['-c', 'sleep 20 & echo done']);
          const closed = closeOf(child);
          if (run % 4 === 0) {
            child.stdout!.resume();
          }
          ends.add((await child.outcome).reason);
          await closed;
        }
        const many = Array.from({ length: 64 }, (_, index) => runIsolated('echo', [String(index)]));
        const outputs = (await Promise.all(many)).map(({ stdout }) => Number(stdout));
        await waitFor(() => names() === '' && openDescriptors().length <= before.descriptors, 2000);
        const after = { descriptors: openDescriptors().length, mounts: mounts(), threads: threads() };
        return {
          before,
          after,
          ends: [...ends],
          left: names(),
          inOrder: outputs.every((value, index) => value === index),
        };
      },
      { user },
    );
    expect(result.after).toEqual(result.before);
    expect(result).toMatchObject({ ends: ['exited'], left: '', inOrder: true });
  });

  it('nothing after failed starts, aborts and destroyed streams', async () => {
    const result = await inSubprocess(
      async ({ spawnIsolated, runIsolated, openDescriptors, descendants, waitFor }) => {
        await runIsolated('true');
        const before = openDescriptors().length;
        for (let run = 0; run < 40; run += 1) {
          const missing = spawnIsolated('missing-command', [], { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
          await missing.outcome.catch(() => undefined);
          const controller = new AbortController();
          const aborted = spawnIsolated('sleep', ['20'], { signal: controller.signal });
          setTimeout(() => {
            controller.abort();
          }, run % 5);
          aborted.on('error', () => undefined);
          const destroyed = spawnIsolated('sh', ['-c', 'echo text; cat']);
          for (const stream of destroyed.stdio) {
            stream!.destroy();
          }
          await Promise.allSettled([aborted.outcome, destroyed.outcome]);
        }
        const settled = await waitFor(() => openDescriptors().length <= before, 2000);
        const left = descendants().filter(({ name }) => !name.startsWith('cloister'));
        return { settled, left };
      },
      { user },
    );
    expect(result).toEqual({ settled: true, left: [] });
  });
});
