/** Bombs end within the limits; what ends an extraction from outside leaves nothing either. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createGzip, gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import { unpack, unpackAll } from '../support/archives.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { tar, TAR_END, tarEntry } from '../support/raw-tar.js';
import { zip, type ZipInput } from '../support/raw-zip.js';
import { scratch } from '../support/scratch.js';

const MEGABYTE = 10 ** 6;

/** Entries without content, as many as that, compressed on the way: together they would not fit into this process. */
async function manyEntries(count: number): Promise<Buffer> {
  const engine = createGzip({ level: 1 });
  const parts: Buffer[] = [];
  engine.on('data', (chunk: Buffer) => parts.push(chunk));
  const ended = new Promise((resolve) => engine.once('end', resolve));
  for (let start = 0; start < count; start += 1000) {
    const block = Buffer.concat(Array.from({ length: 1000 }, (_, index) => tarEntry({ name: String(start + index) })));
    await new Promise((resolve) => engine.write(block, resolve));
  }
  engine.end(TAR_END);
  await ended;
  return Buffer.concat(parts);
}

/** A local entry that all names of the directory share: the flattest way to a bomb. */
function overlapping(count: number): Buffer {
  const content = Buffer.alloc(MEGABYTE);
  const inputs: ZipInput[] = Array.from({ length: count }, (_, index) =>
    index === 0 ? { name: 'n0', content } : { name: `n${String(index)}`, central: { offset: 0 } },
  );
  return zip(inputs);
}

describe.each(USERS)('as %s', (user) => {
  it('ends at each limit, names it, and leaves nothing', async () => {
    const zeros = Buffer.alloc(5 * MEGABYTE);
    const small = tar({ name: 'a', content: 'x' }, { name: 'b', content: 'y' }, { name: 'c', content: 'z' });
    const cases = [
      { bytes: small, options: { limits: { entries: 2 } }, reason: 'more than 2 entries' },
      {
        bytes: zip([{ name: 'a' }, { name: 'b' }, { name: 'c' }]),
        options: { limits: { entries: 2 } },
        reason: 'has 3 entries',
      },
      { bytes: small, options: { limits: { totalSize: 2 } }, reason: 'c: goes beyond limits.totalSize' },
      {
        bytes: tar({ name: 'big', content: zeros }),
        options: { limits: { fileSize: '1MB' } },
        reason: 'big: has 5000000 bytes',
      },
      {
        bytes: gzipSync(tar({ name: 'big', content: zeros })),
        options: { limits: { ratio: 10 } },
        reason: 'more than 10 times',
      },
      {
        bytes: zip([{ name: 'big', content: zeros }]),
        options: { limits: { ratio: 10 } },
        reason: 'more than 10 times',
      },
      { bytes: zip([{ name: 'liar', content: zeros, fields: { size: 1000 } }]), options: {}, reason: 'liar: ' },
      { bytes: overlapping(50), options: {}, reason: 'overlaps the entry before it' },
      { bytes: small, options: { limits: { wallTime: 1 } }, reason: 'limits.wallTime is used up' },
    ];
    const ends = await unpackAll(user, cases);
    const seen = ends.map(({ failure, tree }, index) => [
      cases[index]?.reason,
      failure?.code,
      failure?.message.includes(cases[index]?.reason ?? '') === true || failure?.message,
      tree,
    ]);
    expect(seen).toEqual(cases.map(({ reason }) => [reason, 'ERR_CLOISTER_ARCHIVE', true, null]));
  }, 120_000);

  it('ends a bomb of a high ratio with the memory of a small archive', async () => {
    const bomb = gzipSync(tar({ name: 'a', content: Buffer.alloc(100 * MEGABYTE) }), { level: 9 });
    const [end] = await unpackAll(user, [{ bytes: bomb, options: { limits: { memory: '160MiB' } } }]);
    expect(end?.failure?.message).toContain('unpacks to more than 200 times the size of the archive (limits.ratio)');
  }, 60_000);

  it('ends an archive of nothing but empty entries with the memory of a small one', async () => {
    const many = await manyEntries(60_000);
    const limits = { memory: '160MiB', entries: 1000, ratio: 10_000 };
    const directories = zip(Array.from({ length: 12 }, (_, index) => ({ name: `${String(index)}/`.repeat(100) })));
    const ends = await unpackAll(user, [
      { bytes: many, options: { limits } },
      { bytes: zip([], { count: 60_000 }), options: { limits } },
      { bytes: directories, options: { limits } },
    ]);
    expect(ends.map(({ failure }) => failure?.message.replace(/^.*archive-\d: /u, ''))).toEqual([
      'has more than 1000 entries (limits.entries)',
      'has 60000 entries, limits.entries is 1000',
      'has more than 1000 entries (limits.entries)',
    ]);
  }, 120_000);

  it('unpacks a large file with the memory of a small one', async () => {
    const folder = scratch(user);
    // Not compressible to less than a tenth, so that no ratio is in the way.
    execFileSync(
      'sh',
      [
        '-c',
        'head -c 40000000 /dev/urandom > part && cat part part part part part > large && rm part && tar -cf large.tar large && gzip -1 < large.tar > large.tar.gz && zip -q1 large.zip large && rm large',
      ],
      { cwd: folder },
    );
    const results = await inSubprocess(
      async ({ archive: load, data }) => {
        const { extractArchive } = await load();
        const bytes: number[] = [];
        for (const name of ['large.tar', 'large.tar.gz', 'large.zip']) {
          const result = await extractArchive(`${data as string}/${name}`, `${data as string}/out-${name}`, {
            limits: { memory: '160MiB' },
          });
          bytes.push(result.bytes);
        }
        return bytes;
      },
      { user, data: folder },
    );
    expect(results).toEqual([200_000_000, 200_000_000, 200_000_000]);
  }, 120_000);

  it('unpacks an archive within an archive as a file, however often it is nested', async () => {
    let nested = tar({ name: 'end', content: 'x' });
    for (let level = 0; level < 20; level++) {
      nested = gzipSync(tar({ name: 'inner.tar.gz', content: nested }));
    }
    const { tree } = await unpack(user, nested);
    expect(tree).toHaveLength(1);
    expect(tree[0]).toMatch(/^inner.tar.gz 100644 /u);
  });

  it('leaves nothing when it is aborted, before or while it unpacks, or when the listener throws', async () => {
    const folder = scratch(user);
    const archive = path.join(folder, 'archive');
    writeFileSync(archive, gzipSync(tar({ name: 'a', content: Buffer.alloc(150 * MEGABYTE) }), { level: 1 }));
    const seen = await inSubprocess(
      async ({ archive: load, data }) => {
        const { extractArchive } = await load();
        const source = data as string;
        const attempt = async (options: object): Promise<string> => {
          try {
            await extractArchive(source, `${source}-out`, { ...options, limits: { ratio: 2000 } });
            return 'unpacked';
          } catch (error) {
            return `${(error as Error).name} ${(error as Error).message}`;
          }
        };
        const during = new AbortController();
        return [
          await attempt({ signal: AbortSignal.abort() }),
          await attempt({
            signal: during.signal,
            onProgress: () => {
              during.abort();
            },
          }),
          await attempt({
            onProgress: () => {
              throw new RangeError('mine');
            },
          }),
        ];
      },
      { user, data: archive },
    );
    expect(seen.map((text) => text.split(' ')[0])).toEqual(['AbortError', 'AbortError', 'RangeError']);
    expect(readdirSync(folder)).toEqual(['archive']);
  }, 60_000);

  it('tells progress, at the end with everything', async () => {
    const folder = scratch(user);
    const archive = path.join(folder, 'archive');
    writeFileSync(archive, tar({ name: 'a', content: 'xy' }, { name: 'b', content: 'z' }));
    const told = await inSubprocess(
      async ({ archive: load, data }) => {
        const { extractArchive } = await load();
        const all: object[] = [];
        await extractArchive(data as string, `${data as string}-out`, { onProgress: (progress) => all.push(progress) });
        return all;
      },
      { user, data: archive },
    );
    expect(told.at(-1)).toEqual({ entries: 2, bytes: 3, fraction: 1 });
  });

  it('replaces what is there only when it is told to, and an empty directory at any time', async () => {
    const folder = scratch(user, {
      archive: 'x',
      'full/kept': 'precious',
      empty: 'dir',
      file: 'precious',
      link: '-> full',
    });
    writeFileSync(path.join(folder, 'archive'), tar({ name: 'new', content: 'x' }));
    const seen = await inSubprocess(
      async ({ archive: load, data, failureOf }) => {
        const { extractArchive } = await load();
        const at = (name: string, options?: object): Promise<unknown> =>
          failureOf(() => extractArchive(`${data as string}/archive`, `${data as string}/${name}`, options));
        const refused = [await at('full'), await at('file'), await at('link'), await at('gone/deep')];
        const done = [await at('empty'), await at('full', { overwrite: true }), await at('link', { overwrite: true })];
        return [...refused.map((failure) => failure as { causeCode?: string; errno: number; code: string }), ...done];
      },
      { user, data: folder },
    );
    expect(seen.slice(0, 3).map((failure) => (failure as { errno: number }).errno)).toEqual([-17, -17, -17]);
    expect(seen[3]).toMatchObject({ code: 'ERR_CLOISTER_NOT_FOUND', path: path.join(folder, 'gone') });
    expect(seen.slice(4)).toEqual([null, null, null]);
    expect(readdirSync(folder)).toEqual(['archive', 'empty', 'file', 'full', 'link']);
    expect(existsSync(path.join(folder, 'full/kept'))).toBe(false);
    expect(readdirSync(path.join(folder, 'full'))).toEqual(['new']);
    expect(readdirSync(path.join(folder, 'link'))).toEqual(['new']);
  });

  it('says everything that is wrong with a call', async () => {
    const issues = await inSubprocess(
      async ({ archive: load, failureOf }) => {
        const { extractArchive } = await load();
        const failure = await failureOf(() =>
          extractArchive(
            '',
            5 as never,
            {
              format: 'rar',
              limits: { entries: -1, ratio: Number.NaN, sise: 1 },
              onUnsafe: 'ignore',
              overwite: true,
              signal: {},
            } as never,
          ),
        );
        return [failure?.code, failure?.issues?.map((issue) => issue.path).sort()];
      },
      { user },
    );
    expect(issues).toEqual([
      'ERR_CLOISTER_POLICY',
      [
        'archive',
        'destination',
        'format',
        'limits.entries',
        'limits.ratio',
        'limits.sise',
        'onUnsafe',
        'overwite',
        'signal',
      ],
    ]);
  });
});
