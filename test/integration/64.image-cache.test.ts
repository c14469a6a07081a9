/** The cache of images: one tree for one content, whoever makes it, and nothing half made. */

import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import {
  busyboxEntries,
  cacheContent,
  filesToTar,
  gzipLayer,
  ociLayout,
  plainLayer,
  runImages,
} from '../support/images.js';
import { inSubprocess, runSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

/** Big enough to be interrupted while it is unpacked. */
const MANY = Array.from({ length: 8000 }, (_, index) => ({ name: `many/${String(index)}`, content: 'x' }));

describe.each(USERS)('the image cache, as %s', (user) => {
  it('has one tree where several processes make it at once', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const image = path.join(folder, 'image.tar');
    writeFileSync(image, filesToTar(ociLayout({ layers: [plainLayer(...busyboxEntries())] })));
    const runs = await Promise.all(
      Array.from({ length: 4 }, async () => await runImages(user, cache, [{ image }, { image }])),
    );
    expect(runs.flat().map(({ failure, result }) => failure?.message ?? result?.stdout)).toEqual(
      Array.from({ length: 8 }, () => 'base\n'),
    );
    const { trees, work } = cacheContent(cache);
    expect([trees.size, work]).toEqual([1, []]);
  });

  it('has nothing of an importer that was killed, once the next has come', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const image = path.join(folder, 'image.tar');
    writeFileSync(image, filesToTar(ociLayout({ layers: [plainLayer(...busyboxEntries()), gzipLayer(...MANY)] })));
    const work = path.join(cache, 'cloister/images/work');
    const end = await runSubprocess(
      ({ runIsolated, fs, data }) => {
        const { image: root, work: folder } = data as { image: string; work: string };
        void runIsolated('', [], { root: { image: root } });
        // As soon as a tree grows; nothing of this process goes on after that.
        const look = (): void => {
          const grows = fs
            .readdirSync(folder, { recursive: true, encoding: 'utf8' })
            .some((name) => name.endsWith('entry/rootfs/many'));
          if (grows) {
            process.kill(process.pid, 'SIGKILL');
          }
          setTimeout(look, 1);
        };
        setTimeout(look, 1);
        return new Promise(() => undefined);
      },
      { user, data: { image, work }, environment: { XDG_CACHE_HOME: cache } },
    );
    expect(end.signal).toBe('SIGKILL');
    expect(cacheContent(cache).trees.size).toBe(0);
    expect(readdirSync(work).length).toBeGreaterThan(0);
    const [next] = await runImages(user, cache, [{ image }]);
    expect(next?.failure ?? next?.result?.stdout).toBe('base\n');
    const after = cacheContent(cache);
    expect([after.trees.size, after.work]).toEqual([1, []]);
  });

  it('knows a file again until it changes, and never by its name or its times', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const image = path.join(folder, 'image.tar');
    const write = (text: string): void => {
      const layers = [plainLayer(...busyboxEntries(), { name: 'etc/layer', content: text })];
      writeFileSync(image, filesToTar(ociLayout({ layers })));
      utimesSync(image, 1000, 1000);
    };
    write('one\n');
    const first = await runImages(user, cache, [{ image }]);
    write('two\n');
    const second = await runImages(user, cache, [{ image }]);
    expect([first, second].map(([end]) => end?.failure ?? end?.result?.stdout)).toEqual(['one\n', 'two\n']);
    expect(cacheContent(cache).trees.size).toBe(2);
  });

  it('lets a running cell keep its tree while another process removes what nobody uses', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const image = path.join(folder, 'image.tar');
    writeFileSync(image, filesToTar(ociLayout({ layers: [plainLayer(...busyboxEntries())] })));
    const seen = await inSubprocess(
      async ({ spawnIsolated, childProcess, events, text, data }) => {
        const { image: root, cli } = data as { image: string; cli: string };
        const prune = (): number | null =>
          childProcess.spawnSync(process.execPath, [cli, 'image', 'prune', '--all', '--json']).status;
        const child = spawnIsolated('sh', ['-c', 'echo up; read line; cat /etc/layer'], { root: { image: root } });
        await events.once(child.stdout as import('node:stream').Readable, 'readable');
        const during = prune();
        child.stdin?.end('\n');
        const output = await text(child.stdout);
        await child.outcome;
        return { during, output, after: prune() };
      },
      {
        user,
        data: { image, cli: path.resolve('dist/cli/main.js') },
        environment: { XDG_CACHE_HOME: cache },
      },
    );
    expect(seen).toEqual({ during: 1, output: 'up\nbase\n', after: 0 });
    expect(cacheContent(cache)).toEqual({ trees: new Map(), work: [] });
    expect(existsSync(path.join(cache, 'cloister/images/sources'))).toBe(true);
  });

  it('gives a cell a copy of a tree where there is no overlay, and takes it away with the cell', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const image = path.join(folder, 'image.tar');
    const linked = [
      { name: 'etc/name', content: 'twice', mode: 0o640 },
      { name: 'etc/other', type: '1', link: 'etc/name' },
      { name: 'etc/away', type: '2', link: '/nowhere' },
      { name: 'closed', type: '5', mode: 0o700 },
    ];
    writeFileSync(image, filesToTar(ociLayout({ layers: [plainLayer(...busyboxEntries(), ...linked)] })));
    await runImages(user, cache, [{ image }]);
    const before = cacheContent(cache);
    const seen = await inSubprocess(
      async ({ runIsolated, fs, archive: load, packageUrl }) => {
        const own = async (file: string): Promise<unknown> => await load(new URL(file, packageUrl).href);
        const { defaultCache } = (await own('image/cache.js')) as typeof import('../../lib/image/cache.js');
        const { makeView } = (await own('image/view.js')) as typeof import('../../lib/image/view.js');
        const describe = (top: string): string[] =>
          fs
            .readdirSync(top, { recursive: true, encoding: 'utf8' })
            .sort()
            .map((name) => {
              const { mode, size, mtimeMs, nlink } = fs.lstatSync(`${top}/${name}`);
              return [name, mode, size, Math.trunc(mtimeMs / 1000), nlink].join(' ');
            });
        const cached = defaultCache();
        const lease = await cached.lease(cached.names()[0] ?? '', undefined);
        if (lease === null) {
          throw new Error('the tree is gone');
        }
        const view = await makeView(lease, cached, false);
        const same = JSON.stringify(describe(view.directory)) === JSON.stringify(describe(lease.root));
        const inodes = ['name', 'other'].map((name) => fs.statSync(`${view.directory}/etc/${name}`).ino);
        const { stdout } = await runIsolated(
          'sh',
          ['-c', 'echo new > /etc/layer; cat /etc/layer; readlink /etc/away'],
          {
            root: { directory: view.directory, writable: true },
          },
        );
        const inUse = cached.inUse(lease.name);
        await view.release();
        const { kind, directory } = view;
        const after = { left: fs.existsSync(directory), inUse: cached.inUse(lease.name) };
        return { kind, apart: directory !== lease.root, same, links: inodes[0] === inodes[1], stdout, inUse, after };
      },
      { user, environment: { XDG_CACHE_HOME: cache } },
    );
    expect(seen).toEqual({
      kind: 'copy',
      apart: true,
      same: true,
      links: true,
      stdout: 'new\n/nowhere\n',
      inUse: true,
      after: { left: false, inUse: false },
    });
    expect(cacheContent(cache)).toEqual(before);
  });
});
