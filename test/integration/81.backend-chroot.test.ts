/** Root's cells without a user namespace: the ids behind them, and the way to their root. */

import { describe, expect, it } from 'vitest';

import type { RunOptions } from '../../lib/index.js';
import { of } from '../support/backends.js';
import { deedsProgram } from '../support/deeds.js';
import { inSubprocess, type User } from '../support/in-subprocess.js';
import { refusing } from '../support/refusing.js';
import { scratch } from '../support/scratch.js';

async function run(user: User, script: string, options: RunOptions = {}, before?: string) {
  return await inSubprocess(
    async ({ runIsolated, failureOf, data }) => {
      const given = data as { script: string; options: RunOptions };
      let result: unknown;
      const failure = await failureOf(async () => {
        result = await runIsolated('sh', ['-c', given.script], given.options);
      });
      return (failure ?? result) as Record<string, unknown> & { stdout: string };
    },
    { user, data: { script, options: { backend: 'chroot', ...options } }, ...(before === undefined ? {} : { before }) },
  );
}

describe.each(of('chroot'))('backend chroot, as $user', ({ user }) => {
  it('runs on an unprivileged id of the host, which owns what the policy makes', async () => {
    const { stdout } = await run(
      user,
      'id -u; id -G | wc -w; stat -c %u /own /own/d /own/f /tmp; echo more >> /own/f && touch /own/d/n && cat /own/f',
      {
        mounts: [
          { type: 'tmpfs', target: '/own' },
          { type: 'directory', target: '/own/d' },
          { type: 'file', target: '/own/f', content: 'first\n', writable: true },
        ],
      },
    );
    const [id, groups, ...rest] = stdout.trim().split('\n');
    expect(Number(id)).toBeGreaterThanOrEqual(0x7f000000);
    expect(Number(id)).toBeLessThan(0x7f010000);
    expect(groups).toBe('1');
    expect(rest).toEqual([id, id, id, id, 'first', 'more']);
  });

  it('gives every live cell an id of its own', async () => {
    const ids = await inSubprocess(
      async ({ runIsolated }) => {
        const all = [1, 2, 3].map(() => runIsolated('sh', ['-c', 'id -u; sleep 0.3'], { backend: 'chroot' }));
        return (await Promise.all(all)).map(({ stdout }) => String(stdout).trim());
      },
      { user },
    );
    expect(new Set(ids).size).toBe(3);
  });

  it('keeps the id of root only when it is asked to, and then without any capability', async () => {
    const result = await run(user, 'id -u; grep -E "Cap(Prm|Eff|Bnd)" /proc/self/status; cat /etc/shadow', {
      user: { hostRoot: true },
    });
    expect(result.stdout).toMatch(/^0\n(Cap\w+:\s0+\n){3}$/);
  });

  it('opens files by their modes where no id map helps, and says so before', async () => {
    const folder = scratch(user, { 'open/f': 'x', 'closed/f': 'y' });
    await inSubprocess(
      ({ fs, data }) => {
        fs.chmodSync(`${String(data)}/closed`, 0o700);
      },
      { user, data: folder },
    );
    expect((await run(user, `cat ${folder}/open/f`, { unveil: { [`${folder}/open`]: 'r' } })).stdout).toBe('x');
    const unveil = { [`${folder}/closed`]: 'r' };
    expect(await run(user, 'true', { unveil })).toMatchObject({
      code: 'ERR_CLOISTER_UNSUPPORTED',
      hint: expect.stringContaining('hostRoot') as string,
    });
    const asRoot = await run(user, `cat ${folder}/closed/f`, { unveil, user: { hostRoot: true } });
    expect(asRoot.stdout).toBe('y');
  });

  it('shares nothing that namespaces keep apart', async () => {
    const { stdout } = await run(
      user,
      'hostname; ls /proc | grep -c "^[0-9]"; ls /sys/class/net 2>&1; cat /proc/1/comm',
      {
        hostname: 'inside',
      },
    );
    expect(stdout).toMatch(/^inside\n\d\n/);
    expect(stdout).toContain('cloister-init');
  });

  it('is refused ids and capabilities of its own choosing', async () => {
    for (const options of [{ user: { uid: 1000 } }, { capabilities: ['CAP_NET_RAW'] }] as const) {
      expect(await run(user, 'true', options)).toMatchObject({ code: 'ERR_CLOISTER_UNSUPPORTED' });
      expect(await run(user, 'true', { ...options, onUnsupported: 'degrade' })).toMatchObject({
        exitCode: 0,
        enforcement: { capabilities: [], missing: [{ feature: expect.any(String) as string }] },
      });
    }
  });

  describe('where pivot_root(2) is refused', () => {
    const before = refusing('pivot_root');

    it('changes its root by chroot(2), and says so', async () => {
      const result = await run(user, 'ls /; cat /etc/shadow', {}, before);
      expect(result).toMatchObject({ enforcement: { rootFileSystem: 'chroot', missing: [] } });
      expect(result.stdout.split('\n')).not.toContain('root');
      expect(await run(user, 'ls /')).toMatchObject({
        stdout: result.stdout,
        enforcement: { rootFileSystem: 'pivot_root' },
      });
    });

    it.each([false, true])('cannot be left by chroot, fchdir and "..", hostRoot %s', async (hostRoot) => {
      const program = deedsProgram();
      const deeds = [
        'chroot,/tmp/x',
        'climb,/',
        'climb,/tmp',
        'climb,/proc/self/fd',
        'climb,/proc/self/cwd',
        'descriptors',
      ];
      const result = await inSubprocess(
        async ({ runIsolated, data }) => {
          const given = data as { program: string; deeds: string[]; hostRoot: boolean };
          const { stdout, enforcement } = await runIsolated(given.program, given.deeds, {
            backend: 'chroot',
            unveil: { [given.program]: 'rx' },
            user: { hostRoot: given.hostRoot },
          });
          return [enforcement.rootFileSystem, ...String(stdout).trim().split('\n')];
        },
        { user, data: { program, deeds, hostRoot }, before },
      );
      expect(result).toEqual([
        'chroot',
        'chroot,/tmp/x=EPERM',
        'climb,/=EXDEV',
        'climb,/tmp=EXDEV',
        'climb,/proc/self/fd=EXDEV',
        'climb,/proc/self/cwd=EXDEV',
        expect.stringMatching(/^descriptors=OK:0 1 2$/),
      ]);
    });

    it('a cell with a user namespace is not built that way', async () => {
      expect(await run(user, 'true', { backend: 'namespaces' }, before)).toMatchObject({
        code: 'ERR_CLOISTER_SETUP',
        stage: 'mounts',
        syscall: 'pivot_root',
      });
    });
  });
});
