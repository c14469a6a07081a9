import { describe, expect, it } from 'vitest';

import { inSubprocess, runSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('Workers, as %s', (user) => {
  it('share one launcher with the main thread, and each gets its own events', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, workers, children, events, packageUrl }) => {
        const source = `
          const { parentPort, workerData } = require('node:worker_threads');
          import(workerData.packageUrl).then(async ({ runIsolated }) => {
            const runs = Array.from({ length: 8 }, (_, run) => runIsolated('echo', [workerData.name + run]));
            const results = await Promise.all(runs);
            parentPort.postMessage(results.map(({ stdout }) => stdout.trim()).join());
          });
        `;
        const started = ['a', 'b', 'c'].map(
          (name) => new workers.Worker(source, { eval: true, workerData: { name, packageUrl } }),
        );
        const exits = started.map((worker) => events.once(worker, 'exit'));
        const messages = await Promise.all(
          started.map(async (worker) => ((await events.once(worker, 'message')) as [string])[0]),
        );
        const runs = Array.from({ length: 8 }, (_, run) => runIsolated('echo', [`main${String(run)}`]));
        const own = (await Promise.all(runs)).map(({ stdout }) => String(stdout).trim()).join();
        await Promise.all(exits);
        return { messages, own, launchers: children().length };
      },
      { user },
    );
    const expected = (name: string): string => Array.from({ length: 8 }, (_, run) => `${name}${run}`).join();
    expect(result).toEqual({
      messages: [expected('a'), expected('b'), expected('c')],
      own: expected('main'),
      launchers: 1,
    });
  });

  it('end with their cells, leave no descriptor, and can be started again', async () => {
    const result = await inSubprocess(
      async ({ workers, events, packageUrl, descendants, openDescriptors, waitFor, runIsolated }) => {
        const source = `
          const { parentPort, workerData } = require('node:worker_threads');
          import(workerData.packageUrl).then(async ({ spawnIsolated }) => {
            const running = Array.from({ length: 6 }, () => spawnIsolated('sleep', ['20']));
            running.push(spawnIsolated('sleep', ['20'], { pty: { columns: 80, rows: 24 } }));
            await Promise.all(running.map((child) => new Promise((resolve) => child.once('spawn', resolve))));
            running[0].stdout.on('data', () => undefined);
            for (let more = 0; more < 6; more += 1) spawnIsolated('true');
            parentPort.postMessage('ready');
          });
        `;
        await runIsolated('true');
        const before = openDescriptors().length;
        const sleepers = () => descendants().filter(({ name }) => name === 'sleep').length;
        const seen: boolean[] = [];
        for (let round = 0; round < 8; round += 1) {
          const worker = new workers.Worker(source, { eval: true, workerData: { packageUrl } });
          await events.once(worker, 'message');
          const running = sleepers();
          await worker.terminate();
          seen.push(running === 7 && (await waitFor(() => sleepers() === 0)));
        }
        const settled = await waitFor(() => openDescriptors().length <= before);
        const { reason } = await runIsolated('true');
        return { seen, settled, reason };
      },
      { user },
    );
    expect(result).toEqual({ seen: Array(8).fill(true), settled: true, reason: 'exited' });
  });

  it('may be the only user of the package, and end without harm to the process', async () => {
    const end = await runSubprocess(
      async ({ packageUrl, workers }) => {
        // Not used in this thread: the last environment with the addon is the Worker's.
        const source = `
          const { workerData } = require('node:worker_threads');
          import(workerData).then(({ spawnIsolated }) => { for (let run = 0; run < 4; run += 1) spawnIsolated('true'); });
        `;
        for (let round = 0; round < 5; round += 1) {
          const worker = new workers.Worker(source, { eval: true, workerData: packageUrl });
          await new Promise((resolve) => worker.once('exit', resolve));
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
        return 'well';
      },
      { user },
    );
    expect(end).toMatchObject({ code: 0, result: 'well' });
  });
});
