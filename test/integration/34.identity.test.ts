import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, shell } from '../support/cells.js';
import { deedsOutside } from '../support/deeds.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { idOf, scratch } from '../support/scratch.js';

// Not every kernel has every file.
const closed: unknown = expect.stringMatching(/^(EACCES|EROFS|ENOENT)$/);
const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)('host ids', () => {
  it('are given back by cells that could not be started', async () => {
    const { first, last, stages } = await inSubprocess(async ({ runIsolated, failureOf }) => {
      const own = async (): Promise<number> =>
        Number(
          String((await runIsolated('cat', ['/proc/self/uid_map'])).stdout)
            .trim()
            .split(/\s+/)[1],
        );
      const first = await own();
      // This file system has no id maps: the launcher finds out when it has an id already.
      const mounts = [{ type: 'bind', source: '/sys/kernel' }] as const;
      const stages: (string | undefined)[] = [];
      for (let index = 0; index < 20; index += 1) {
        stages.push((await failureOf(() => runIsolated('true', [], { mounts })))?.stage);
      }
      return { first, last: await own(), stages };
    });
    // One for the cell that waits, one for the one that runs.
    expect(stages).toEqual(Array(20).fill('mounts'));
    expect((last - first + 0x10000) % 0x10000).toBeLessThanOrEqual(2);
  });
});

describe.each(USERS)('identity of a cell, as %s', (user) => {
  it('is the caller’s unless asked otherwise, and then the one asked for', async () => {
    const own = String(idOf(user));
    const [standard, asked, root] = await inCells(user, [
      { args: ['ids'] },
      { args: ['ids'], options: { user: { uid: 1000, gid: 100 } } },
      { args: ['ids', 'setuid,0', 'setuid,1', 'setgid,1', 'setgroups'], options: { user: { uid: 0, gid: 0 } } },
    ]);
    expect(standard?.deeds).toEqual({ ids: `OK:${[own, own, own, own, own, own].join(' ')}` });
    expect(asked?.deeds).toEqual({ ids: 'OK:1000 1000 1000 100 100 100' });
    expect(Object.values(root?.deeds ?? {})).toEqual([
      'OK:0 0 0 0 0 0',
      'OK',
      expect.stringMatching(/EINVAL|EPERM/),
      expect.stringMatching(/EINVAL|EPERM/),
      'EPERM',
    ]);
  });

  it('has one id mapped, and never real root behind it', async () => {
    const [result] = await inCells(user, [
      shell('cat /proc/self/uid_map /proc/self/gid_map', { user: { uid: 0, gid: 0 } }),
    ]);
    const maps =
      result?.stdout
        .trim()
        .split('\n')
        .map((line) => line.trim().split(/\s+/).map(Number)) ?? [];
    expect(maps).toHaveLength(2);
    for (const [inside, outside, count] of maps) {
      expect([inside, count]).toEqual([0, 1]);
      expect(outside).not.toBe(user === 'root' ? 0 : -1);
    }
  });

  it('holds no capability and cannot get one', async () => {
    const script = 'grep -E "^(Cap|NoNewPrivs)" /proc/self/status | tr -d "\\t\\n"';
    const [result] = await inCells(user, [shell(script, { user: { uid: 0, gid: 0 } })]);
    const none = '0000000000000000';
    expect(result?.stdout).toBe(`CapInh:${none}CapPrm:${none}CapEff:${none}CapBnd:${none}CapAmb:${none}NoNewPrivs:1`);
    expect(result?.enforcement).toMatchObject({ noNewPrivileges: true, capabilities: [] });
    const deeds = ['raise-capability,21', 'undo-securebits', 'undo-no-new-privileges', 'chown,/tmp,1,1'];
    const results = await deedsInCell(user, deeds, { user: { uid: 0, gid: 0 } });
    expect(Object.values(results)).toEqual(['EPERM', 'EPERM', 'EINVAL', 'EINVAL']);
  });

  it('keeps the capabilities that the policy names, and no other', async () => {
    const options = { capabilities: ['net_bind_service', 'CAP_SETPCAP'] } as const;
    const [kept] = await inCells(user, [
      shell('grep -E "^Cap(Eff|Bnd|Amb)" /proc/self/status | tr -d "\\t\\n"', options),
    ]);
    expect(kept?.stdout).toBe('CapEff:0000000000000500CapBnd:0000000000000500CapAmb:0000000000000500');
    expect([...(kept?.enforcement.capabilities ?? [])].sort()).toEqual(['CAP_NET_BIND_SERVICE', 'CAP_SETPCAP']);
  });
});

describe.runIf(isRoot)('a cell of the host’s root', () => {
  it('cannot read what only root may, nor write settings of the kernel', async () => {
    const secret = path.join(scratch('root'), 'secret');
    writeFileSync(secret, 'x', { mode: 0o600 });
    chmodSync(path.dirname(secret), 0o755);
    const deeds = [
      'read,/etc/shadow',
      'write,/proc/sys/kernel/core_pattern',
      'write,/proc/sysrq-trigger',
      'write,/proc/sys/vm/drop_caches',
      'write,/proc/1/oom_score_adj',
    ];
    expect(Object.values(deedsOutside('root', deeds.slice(0, 2)))).toEqual(['OK', 'OK']);
    const results = Object.values(await deedsInCell('root', deeds, { root: 'host', user: { uid: 0, gid: 0 } }));
    expect(results).toEqual(['EACCES', 'EACCES', closed, 'EACCES', closed]);
  });

  it('can with hostRoot, as far as its mounts go', async () => {
    const deeds = [
      'read,/etc/shadow',
      'write,/etc/shadow',
      'write,/proc/sys/kernel/core_pattern',
      'write,/proc/sysrq-trigger',
      'read,/proc/kcore',
      'read,/proc/kmsg',
      'read,/proc/kallsyms',
    ];
    const results = Object.values(await deedsInCell('root', deeds, { root: 'host', user: { hostRoot: true } }));
    expect(results).toEqual(['OK', 'EROFS', 'EROFS', closed, closed, closed, closed]);
    const [maps] = await inCells('root', [shell('cat /proc/self/uid_map', { user: { hostRoot: true } })]);
    expect(maps?.stdout.trim().split(/\s+/)).toEqual(['0', '0', '1']);
  });

  it('has an id of its own for as long as it lives', async () => {
    const ids = await inSubprocess(async ({ spawnIsolated, events, fs }) => {
      const children = [1, 2, 3].map(() => spawnIsolated('sleep', ['20']));
      await Promise.all(children.map((child) => events.once(child, 'spawn')));
      const uids = children.map(
        ({ pid }) => /^Uid:\s+(\d+)/m.exec(fs.readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1],
      );
      for (const child of children) {
        child.kill('SIGKILL');
      }
      await Promise.all(children.map(({ outcome }) => outcome));
      return uids;
    });
    expect(new Set(ids).size).toBe(3);
    expect(ids).not.toContain('0');
  });

  it('leaves files of root on the host, whatever its own id is', async () => {
    const folder = scratch('root');
    await deedsInCell('root', ['create,/data/file'], {
      mounts: [{ type: 'bind', source: folder, target: '/data', writable: true }],
      user: { uid: 77, gid: 78 },
    });
    const results = deedsOutside('root', [`stat,${folder}/file`]);
    expect(results).toEqual({ [`stat,${folder}/file`]: 'OK:100644 0 0' });
    expect(readFileSync(path.join(folder, 'file'), 'utf8')).toBe('');
  });
});
