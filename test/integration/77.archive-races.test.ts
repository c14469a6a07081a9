/** Somebody who may write beside the destination exchanges what is made there, at every moment; and the end of the caller at every moment. */

import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { treeOf } from '../support/archives.js';
import { inSubprocess, runSubprocess, USERS, type User } from '../support/in-subprocess.js';
import { tar } from '../support/raw-tar.js';
import { idOf, scratch } from '../support/scratch.js';

const ROUNDS = 6;
/** In a loop: what appears beside the destination is moved away, and in its place comes a link that leads to the bait, or a directory of the attacker's own. */
const EXCHANGE = `
import os, sys, time
os.chdir(sys.argv[1])
count = 0
while True:
    for name in os.listdir('.'):
        if not name.startswith('.out.cloister-'):
            continue
        count += 1
        try:
            os.rename(name, 'stolen-%d' % count)
            if count % 3 == 2:
                os.mkdir(name, 0o777); os.mkdir(name + '/tree', 0o777)
            else:
                os.symlink('bait', name)
            time.sleep(0.002 * (count % 5))
            os.rename(name, 'used-%d' % count)
            if count % 2:
                os.rename('stolen-%d' % count, name)
        except OSError:
            pass
`;

const ENTRIES = [...Array(40).keys()].map((index) => ({ name: `d/f${String(index)}`, content: 'x' }));

/** A directory that others may write to, with a link in it that leads to one of the user's own. */
function openFolder(user: User): { folder: string; shared: string } {
  const folder = scratch(user, { 'private/kept': 'x', archive: '', shared: 'dir' });
  writeFileSync(path.join(folder, 'archive'), tar(...ENTRIES));
  const shared = path.join(folder, 'shared');
  mkdirSync(path.join(shared, 'bait'));
  symlinkSync('../../private', path.join(shared, 'bait/tree'));
  lchownSync(path.join(shared, 'bait'), idOf(user), idOf(user));
  chmodSync(shared, 0o777);
  return { folder, shared };
}

/** What is left beside the destination of what the user made. */
function remains(shared: string): string[] {
  return readdirSync(shared)
    .filter((name) => /^(stolen-|\.out\.)/u.test(name))
    .filter(
      (name) =>
        execFileSync('find', [path.join(shared, name), '-mindepth', '1', '-name', 'f*'], { encoding: 'utf8' }) !== '',
    );
}

describe.each(USERS)('as %s', (user) => {
  it('writes nowhere else while somebody exchanges directories, and leaves nothing in what he took', async () => {
    const { folder, shared } = openFolder(user);
    const attacker = user === 'caller' ? undefined : 65533;
    const ids = attacker === undefined ? {} : { uid: attacker, gid: attacker };
    const other = spawn('/usr/bin/python3', ['-c', EXCHANGE, shared], { stdio: 'ignore', ...ids });
    try {
      const ends = await inSubprocess(
        async ({ archive: load, data }) => {
          const { extractArchive } = await load();
          const { folder: place, rounds } = data as { folder: string; rounds: number };
          const all: string[] = [];
          for (let round = 0; round < rounds; round++) {
            try {
              await extractArchive(`${place}/archive`, `${place}/shared/out-${String(round)}`.replace(/-\d$/u, ''), {
                overwrite: true,
              });
              all.push('unpacked');
            } catch (error) {
              all.push(`${(error as Error).name} ${String((error as { code?: string }).code)}`);
            }
          }
          return all;
        },
        { user, data: { folder, rounds: ROUNDS } },
      );
      expect(
        ends.filter((end) => !/^(unpacked|CloisterError ERR_CLOISTER_(SETUP|ARCHIVE|NOT_FOUND))$/u.test(end)),
      ).toEqual([]);
    } finally {
      other.kill('SIGKILL');
      await new Promise((resolve) => other.once('close', resolve));
    }
    expect(readdirSync(path.join(folder, 'private'))).toEqual(['kept']);
    expect(remains(shared)).toEqual([]);
  }, 60_000);

  it('does not write through a link that takes the place of the directory before the cell is made', async () => {
    const attempt = async (target: string): Promise<{ code: string | undefined; folder: string }> => {
      const { folder, shared } = openFolder(user);
      const end = await inSubprocess(
        async ({ archive: load, data, failureOf }) => {
          // The modules as such: what is replaced in them is replaced for everybody.
          const [fs, { syncBuiltinESMExports }] = [
            process.getBuiltinModule('node:fs'),
            process.getBuiltinModule('node:module'),
          ];
          const { folder: place, target: to } = data as { folder: string; target: string };
          const shared = `${place}/shared`;
          const { readlinkSync } = fs;
          // The path of the directory is asked for once, to tell the cell.
          fs.readlinkSync = ((name: string, ...rest: []) => {
            const found = readlinkSync(name, ...rest);
            const inside = /^(.*\/(\.out\.cloister-[0-9a-f]+))\/tree$/u.exec(found);
            if (inside !== null) {
              fs.renameSync(inside[1] ?? '', `${shared}/stolen`);
              fs.symlinkSync(to, inside[1] ?? '');
            }
            return found;
          }) as typeof readlinkSync;
          syncBuiltinESMExports();
          const { extractArchive } = await load();
          return await failureOf(() => extractArchive(`${place}/archive`, `${shared}/out`));
        },
        { user, data: { folder, target } },
      );
      expect(end?.message ?? '').toMatch(/^$|exchanged for another one/);
      expect(remains(shared)).toEqual([]);
      return { code: end?.code, folder };
    };
    const baited = await attempt('bait');
    expect(baited.code).toBe('ERR_CLOISTER_SETUP');
    expect(readdirSync(path.join(baited.folder, 'private'))).toEqual(['kept']);
    // The same with a link to what was there: it is what the directory is that counts.
    const harmless = await attempt('stolen');
    expect(harmless.code).toBeUndefined();
    expect(readdirSync(path.join(harmless.folder, 'shared/out/d'))).toHaveLength(ENTRIES.length);
  }, 60_000);

  it.each(['mkdirSync', 'chmodSync', 'renameSync', 'onProgress'])(
    'killed at %s, leaves no destination but a whole one, no process, and nothing but the private directory',
    async (moment) => {
      const folder = scratch(user);
      writeFileSync(
        path.join(folder, 'archive'),
        tar(...ENTRIES, { name: 'large', content: Buffer.alloc(30_000_000) }),
      );
      const end = await runSubprocess(
        async ({ archive: load, data }) => {
          // The modules as such: what is replaced in them is replaced for everybody.
          const [fs, { syncBuiltinESMExports }] = [
            process.getBuiltinModule('node:fs'),
            process.getBuiltinModule('node:module'),
          ];
          const { folder: place, moment: when } = data as { folder: string; moment: string };
          const { extractArchive } = await load();
          const die = (): void => {
            process.kill(process.pid, 'SIGKILL');
          };
          const calls = fs as unknown as Record<string, (...words: unknown[]) => unknown>;
          const original = calls[when];
          if (original !== undefined) {
            calls[when] = (...words) => {
              const result = original(...words);
              if (words.some((word) => String(word).includes('/proc/self/fd/'))) {
                die();
              }
              return result;
            };
            syncBuiltinESMExports();
          }
          await extractArchive(`${place}/archive`, `${place}/out`, when === 'onProgress' ? { onProgress: die } : {});
        },
        { user, data: { folder, moment } },
      );
      expect(end.signal).toBe('SIGKILL');
      const left = readdirSync(folder).filter((name) => name !== 'archive');
      const [staging] = left.filter((name) => name.startsWith('.out.cloister-'));
      expect(left).toEqual(moment === 'renameSync' ? [staging, 'out'] : [staging]);
      if (moment === 'renameSync') {
        expect(treeOf(path.join(folder, 'out'))).toHaveLength(ENTRIES.length + 2);
        expect(readdirSync(path.join(folder, staging ?? ''))).toEqual([]);
      } else {
        expect(statSync(path.join(folder, staging ?? '')).mode & 0o777).toBe(0o700);
        await expect.poll(() => unpackersOf(path.join(folder, staging ?? '', 'tree')), { timeout: 20_000 }).toEqual([]);
      }
      rmSync(path.join(folder, staging ?? ''), { recursive: true });
    },
    60_000,
  );
});

/** Processes whose task names that directory. */
function unpackersOf(tree: string): string[] {
  const status = statSync(tree, { bigint: true, throwIfNoEntry: false });
  if (status === undefined) {
    return [];
  }
  const place = `${String(status.dev)}:${String(status.ino)}`;
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/u.test(name) && readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(place);
    } catch (error) {
      // It has ended meanwhile.
      expect((error as NodeJS.ErrnoException).code).toMatch(/ENOENT|ESRCH/);
      return false;
    }
  });
}
