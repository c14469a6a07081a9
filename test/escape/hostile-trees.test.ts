/**
 * Trees and sources that somebody else controls: links that lead out of an unpacked image (CVE-2018-15664, CVE-2019-19921, CVE-2021-30465: a mount
 * target or source swapped for a link between the check and the mount).
 */

import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { inCells, tryCells } from '../support/cells.js';
import { deedsProgram } from '../support/deeds.js';
import { inSubprocess, USERS, type User } from '../support/in-subprocess.js';
import { listing, scratch } from '../support/scratch.js';

/** A root with links that lead outside, and something outside to find. */
function hostile(user: User, links: Record<string, string>): { root: string; outside: string; folder: string } {
  const folder = scratch(user, { 'root/bin': 'dir', 'outside/secret': 'x', 'outside/d': 'dir' });
  const root = path.join(folder, 'root');
  spawnSync('install', ['-m', '755', deedsProgram(), path.join(root, 'bin/deeds')]);
  for (const [name, to] of Object.entries(links)) {
    symlinkSync(to.replace('OUTSIDE', path.join(folder, 'outside')), path.join(root, name));
  }
  chmodSync(folder, 0o755);
  return { root, outside: path.join(folder, 'outside'), folder };
}

describe.each(USERS)('hostile trees, as %s', (user) => {
  it('their links end within the root', async () => {
    const { root } = hostile(user, {
      shadow: '/etc/shadow',
      up: '../../../../../../etc',
      out: 'OUTSIDE',
      self: '/proc/self/root',
    });
    const [result] = await inCells(user, [
      {
        command: '/bin/deeds',
        args: ['read,/shadow', 'read,/up/shadow', 'read,/out/secret', 'climb,/self', 'access,/self/bin/deeds'],
        options: { root: { directory: root, writable: 'discard' } },
      },
    ]);
    expect(Object.values(result?.deeds ?? {})).toEqual(['ENOENT', 'ENOENT', 'ENOENT', 'EXDEV', 'OK']);
  });

  it.each([false, true, 'discard'] as const)(
    'put no mount outside by links at its target (writable: %s)',
    async (writable) => {
      const { root, outside, folder } = hostile(user, {
        etc: '../outside',
        mnt: 'OUTSIDE',
        proc: 'OUTSIDE/d',
        dev: '../../../../../..',
        tmp: '/',
        loop: 'loop',
      });
      const before = listing(outside);
      const source = scratch(user, { file: 'granted' });
      const bind = (target: string) => ({ type: 'bind', source, target }) as const;
      const runs = ['/etc', '/mnt', '/mnt/d/new', '/loop/x', '/etc/../mnt'].map((target) => ({
        command: '/bin/deeds',
        args: ['access,/bin/deeds', `read,${target}/file`, 'climb,/'],
        options: { root: { directory: root, writable }, mounts: [bind(target)] },
      }));
      for (const result of await tryCells(user, runs)) {
        // Either it is refused, or what was mounted is in the root of the cell.
        if ('reason' in result) {
          expect(result.deeds['climb,/']).toBe('EXDEV');
        } else {
          expect(result.code).toMatch(/^ERR_CLOISTER_(POLICY|SETUP|NOT_FOUND)$/);
        }
      }
      expect(listing(outside)).toEqual(before);
      expect(listing(folder).filter((line) => line.startsWith('root/')).length).toBe(8);
    },
  );

  it('a link in a tree is no way to hide the wrong thing, or to grant it', async () => {
    const folder = scratch(user, { 'tree/real/file': 'x', 'tree/link': '-> ../outside', 'outside/secret': 'y' });
    const [result] = await inCells(user, [
      {
        args: [`read,${folder}/tree/link/secret`, `access,${folder}/outside`],
        options: { unveil: { [`${folder}/tree`]: 'r' } },
      },
    ]);
    expect(Object.values(result?.deeds ?? {})).toEqual(['ENOENT', 'ENOENT']);
  });
});

interface Swap {
  /** Of the policy, with what the attacker changes between plan and mount. */
  options: (folder: string) => Record<string, unknown>;
  swap: (folder: string) => void;
}

const SWAPS: Record<string, Swap> = {
  'the source of a bind': {
    options: (folder) => ({ mounts: [{ type: 'bind', source: `${folder}/a/source`, target: '/data' }] }),
    swap: (folder) => {
      renameSync(`${folder}/a/source`, `${folder}/a/old`);
      symlinkSync('/etc', `${folder}/a/source`);
    },
  },
  'a directory above the source': {
    options: (folder) => ({
      mounts: [{ type: 'bind', source: `${folder}/a/source`, target: '/data', writable: true }],
    }),
    swap: (folder) => {
      renameSync(`${folder}/a`, `${folder}/old`);
      mkdirSync(`${folder}/other/source`, { recursive: true });
      symlinkSync('other', `${folder}/a`);
    },
  },
  'an unveiled file': {
    options: (folder) => ({ unveil: { [`${folder}/a/file`]: 'rw' } }),
    swap: (folder) => {
      rmSync(`${folder}/a/file`);
      symlinkSync('/etc/shadow', `${folder}/a/file`);
    },
  },
  'the root directory': {
    options: (folder) => ({ root: { directory: `${folder}/a`, writable: true } }),
    swap: (folder) => {
      renameSync(`${folder}/a`, `${folder}/old`);
      symlinkSync('/', `${folder}/a`);
    },
  },
  'a mount point in the root directory': {
    options: (folder) => ({ root: { directory: `${folder}/a` } }),
    swap: (folder) => {
      renameSync(`${folder}/a/proc`, `${folder}/a/old`);
      symlinkSync('../../../../etc', `${folder}/a/proc`);
    },
  },
  'a mount point below a writable bind': {
    options: (folder) => ({
      mounts: [
        { type: 'bind', source: `${folder}/a`, target: '/data', writable: true },
        { type: 'tmpfs', target: '/data/source' },
      ],
    }),
    swap: (folder) => {
      renameSync(`${folder}/a/source`, `${folder}/a/old`);
      symlinkSync('/usr', `${folder}/a/source`);
    },
  },
  'the upper directory of an overlay': {
    options: (folder) => ({
      mounts: [{ type: 'overlay', lower: `${folder}/a/proc`, upper: `${folder}/a/source`, target: '/data' }],
    }),
    swap: (folder) => {
      renameSync(`${folder}/a/source`, `${folder}/a/old`);
      symlinkSync('/var', `${folder}/a/source`);
    },
  },
  'a hidden file': {
    options: (folder) => ({ unveil: { [folder]: 'r', [`${folder}/a/file`]: '' } }),
    swap: (folder) => {
      renameSync(`${folder}/a/file`, `${folder}/a/moved`);
      symlinkSync('moved', `${folder}/a/file`);
    },
  },
};

describe.each(USERS)('links swapped in between plan and mount, as %s', (user) => {
  it.each(Object.keys(SWAPS))('%s: the cell is not started', async (name) => {
    const { options, swap } = SWAPS[name]!;
    const folder = scratch(user, {
      'a/source/file': 'x',
      'a/file': 'y',
      'a/proc': 'dir',
      'a/dev': 'dir',
      'a/tmp': 'dir',
      'a/bin': 'dir',
    });
    spawnSync('install', ['-m', '755', deedsProgram(), path.join(folder, 'a/bin/deeds')]);
    const go = path.join(folder, 'go');
    const swapped = (async () => {
      const { existsSync } = await import('node:fs');
      while (!existsSync(path.join(folder, 'stopped'))) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      swap(folder);
      writeFileSync(go, '');
    })();
    const result = await inSubprocess(
      async ({ spawnIsolated, runIsolated, children, failureOf, fs, waitFor, data }) => {
        const {
          folder: at,
          options: policy,
          command,
        } = data as { folder: string; options: Record<string, unknown>; command: string };
        await runIsolated('true');
        // The launcher does not look while the plan is made and the attacker is at work.
        const launcher = children().find((child) => child.name === 'cloister');
        process.kill(launcher!.pid, 'SIGSTOP');
        const child = spawnIsolated(command, ['ids'], policy);
        fs.writeFileSync(`${at}/stopped`, '');
        await waitFor(() => fs.existsSync(`${at}/go`));
        process.kill(launcher!.pid, 'SIGCONT');
        const failure = await failureOf(() => child.outcome);
        const next = await runIsolated('echo', ['fine']);
        return [failure?.code, failure?.stage, failure?.causeCode, next.stdout];
      },
      {
        user,
        data: { folder, options: options(folder), command: name.includes('root directory') ? '/bin/deeds' : 'true' },
      },
    );
    await swapped;
    expect(result).toEqual(['ERR_CLOISTER_SETUP', 'mounts', 'ELOOP', 'fine\n']);
  });
});
