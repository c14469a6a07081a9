import { describe, expect, test } from 'vitest';

import { explainPlan } from '../../lib/plan/explain.js';
import type { BindOperation, MountOperation, Plan } from '../../lib/plan/types.js';
import { issuesOf, thrownBy } from '../support/errors.js';
import { FakeFiles, plan, ROOT } from '../support/fake-host.js';

const binds = ({ mounts }: Plan): BindOperation[] => mounts.filter((operation) => operation.kind === 'bind');
const at = ({ mounts }: Plan, path: string): MountOperation[] =>
  mounts.filter((operation) => 'at' in operation && operation.at.in === 'root' && operation.at.path === path);
const created = ({ mounts }: Plan, path: string): MountOperation | undefined =>
  mounts.find((operation) => 'filesystem' in operation && operation.path === path);

describe("root 'system'", () => {
  const { plan: cell } = plan();

  test('is a sealed tmpfs with the directories of programs, links kept', () => {
    expect(cell.mounts[0]).toMatchObject({ kind: 'tmpfs', at: { in: 'root', path: '/' }, mode: 0o755 });
    expect(cell.mounts.at(-1)).toEqual({ kind: 'seal', at: { in: 'root', path: '/' } });
    expect(at(cell, '/usr')).toMatchObject([
      {
        kind: 'bind',
        from: { in: 'host', path: '/usr' },
        writable: false,
        executable: true,
        recursive: true,
        devices: false,
      },
    ]);
    expect(created(cell, 'bin')).toMatchObject({ kind: 'symlink', to: 'usr/bin' });
    expect(created(cell, 'lib64')).toMatchObject({ kind: 'symlink', to: 'usr/lib64' });
  });

  test('binds directories that are no links on an old layout', () => {
    const files = new FakeFiles({ '/usr/bin/env': 'file', '/bin/sh': 'file', '/lib/libc.so': 'file' });
    expect(binds(plan({}, { files }).plan).map(({ from }) => from.path)).toEqual(['/usr', '/bin', '/lib']);
  });

  test('takes the listed files of /etc and no other', () => {
    expect(
      binds(cell)
        .map(({ from }) => from.path)
        .filter((path) => path.startsWith('/etc')),
    ).toEqual(['/etc/ld.so.cache', '/etc/hosts', '/etc/ssl/certs']);
    expect(created(cell, 'etc/localtime')).toMatchObject({ kind: 'symlink', to: '/usr/share/zoneinfo/UTC' });
    expect(JSON.stringify(cell)).not.toMatch(/shadow|private/);
  });

  test('makes passwd and group from the ids of the cell', () => {
    expect(created(cell, 'etc/passwd')).toMatchObject({
      content: expect.stringContaining('user:x:1000:1000:user:/tmp:') as unknown,
    });
    expect(created(cell, 'etc/group')).toMatchObject({ content: expect.stringContaining('user:x:1000:') as unknown });
    const content = (uid: number): unknown =>
      (created(plan({ user: { uid, gid: uid } }).plan, 'etc/passwd') as { content: unknown }).content;
    expect(content(0)).toMatch(/^root:x:0:0:root:\/tmp:\/bin\/sh\nnobody:x:65534:/);
    expect(content(65534)).toMatch(/^root:.*\nnobody:x:65534:65534:nobody:\/tmp:\/bin\/sh\n$/);
  });

  test('has the name server configuration only with a network, by the file that it leads to', () => {
    expect(at(cell, '/etc/resolv.conf')).toEqual([]);
    expect(at(plan({ net: 'host' }).plan, '/etc/resolv.conf')).toMatchObject([
      { kind: 'bind', from: { path: '/run/resolve/stub.conf' }, writable: false },
    ]);
  });

  test('leaves out what the host does not have', () => {
    const { plan: bare } = plan({}, { files: new FakeFiles({ '/usr': 'dir' }) });
    expect(binds(bare).map(({ from }) => from.path)).toEqual(['/usr']);
  });

  test('creates nothing outside of file systems of its own', () => {
    for (const operation of cell.mounts) {
      if ('filesystem' in operation) {
        expect(operation.path).not.toMatch(/^\/|\.\./);
      }
    }
  });
});

describe('every root', () => {
  const roots = {
    system: plan().plan,
    host: plan({ root: 'host' }).plan,
    empty: plan({ root: 'empty' }).plan,
    directory: plan({ root: { directory: '/srv' } }).plan,
    discarded: plan({ root: { directory: '/srv', writable: 'discard' } }).plan,
  };

  test.each(Object.entries(roots))('has /proc, /dev, /dev/shm and /tmp: %s', (_name, cell) => {
    expect(at(cell, '/proc')).toMatchObject([{ kind: 'proc' }]);
    expect(at(cell, '/dev')).toMatchObject([{ kind: 'dev' }]);
    expect(at(cell, '/dev/shm')).toMatchObject([
      { kind: 'tmpfs', mode: 0o1777, executable: false, size: 64 * 2 ** 20 },
    ]);
    expect(at(cell, '/tmp')).toMatchObject([{ kind: 'tmpfs', mode: 0o1777, executable: true, size: 64 * 2 ** 20 }]);
  });

  test.each(Object.entries(roots))('counts its file systems from 0 and names only earlier ones: %s', (_name, cell) => {
    let count = 0;
    for (const operation of cell.mounts) {
      if ('filesystem' in operation) {
        expect(operation.filesystem).toBeLessThan(count);
      }
      count += operation.kind === 'tmpfs' || operation.kind === 'overlay' ? 1 : 0;
    }
    expect(cell.mounts[0]?.kind).toBe('tmpfs');
  });

  test.each(Object.entries(roots))('can be explained: %s', (_name, cell) => {
    expect(explainPlan(cell)).toContain('devices at /dev');
  });

  test('takes the size of its tmpfs from limits.scratch', () => {
    expect(at(plan({ limits: { scratch: '1MiB' } }).plan, '/tmp')).toMatchObject([{ size: 2 ** 20, inodes: 1024 }]);
  });
});

describe("root 'host'", () => {
  const { plan: cell } = plan({ root: 'host' });

  test('shows the top of the tree read-only, without run, tmp, sys and the host devices', () => {
    const shown = binds(cell).map(({ at: place }) => place.path);
    expect(shown).toEqual(['/usr', '/etc', '/var', '/home', '/srv', '/opt']);
    expect(binds(cell).every(({ writable, recursive, idMapped }) => !writable && recursive && !idMapped)).toBe(true);
    expect(created(cell, 'run')).toMatchObject({ kind: 'directory' });
    expect(created(cell, 'sys')).toMatchObject({ kind: 'directory' });
    expect(created(cell, 'bin')).toMatchObject({ kind: 'symlink', to: 'usr/bin' });
  });

  test('hides sockets that are bound in what it shows, and leaves other paths of the list alone', () => {
    const files = new FakeFiles();
    files.boundSockets = ['/srv/socket', '/run/docker.sock', '/tmp/.X11-unix/X0', '/srv/gone', '/var/run/docker.sock'];
    const { plan: hidden } = plan({ root: 'host' }, { files });
    expect(hidden.mounts.filter(({ kind }) => kind === 'mask')).toEqual([
      { kind: 'mask', at: { in: 'root', path: '/srv/socket' }, directory: false, optional: true },
    ]);
  });

  test('shows a hidden socket again when it is unveiled', () => {
    const files = new FakeFiles();
    files.boundSockets = ['/srv/socket'];
    const { plan: shown } = plan({ root: 'host', unveil: { '/srv/socket': 'rw' } }, { files });
    expect(at(shown, '/srv/socket')).toMatchObject([{ kind: 'bind', writable: true, recursive: false }]);
  });

  test('covers a proc that is mounted below', () => {
    const files = new FakeFiles();
    files.add('/srv/chroot/proc', 'dir');
    files.mountTable.push({ path: '/srv/chroot/proc', type: 'proc' });
    const covered = at(plan({ root: 'host' }, { files }).plan, '/srv/chroot/proc');
    expect(covered).toEqual([
      { kind: 'mask', at: { in: 'root', path: '/srv/chroot/proc' }, directory: true, optional: true },
    ]);
  });
});

describe('root {directory}', () => {
  const files = (): FakeFiles => {
    const tree = new FakeFiles();
    for (const path of ['/img/proc', '/img/dev', '/img/tmp', '/img/bin', '/img/etc']) {
      tree.add(path, 'dir');
    }
    return tree;
  };

  test('is a bind when every mount point is there', () => {
    const { plan: cell } = plan({ root: { directory: '/img' } }, { files: files() });
    expect(cell.mounts[0]).toMatchObject({ kind: 'tmpfs', at: { in: 'stage', path: '/' } });
    expect(at(cell, '/')).toMatchObject([
      { kind: 'bind', from: { in: 'host', path: '/img' }, writable: false, executable: true },
    ]);
    expect(cell.mounts.some(({ kind }) => kind === 'overlay')).toBe(false);
  });

  test('is an overlay with a skeleton where mount points are missing', () => {
    const { plan: cell } = plan({ root: { directory: '/srv' } });
    const overlay = at(cell, '/')[0];
    expect(overlay).toMatchObject({ kind: 'overlay', executable: true });
    const lower = overlay?.kind === 'overlay' ? overlay.lower : [];
    expect(overlay).not.toHaveProperty('upper');
    expect(binds(cell).find(({ at: place }) => place.in === 'stage')).toMatchObject({
      from: { path: '/srv' },
      at: { path: lower[1] },
    });
    expect(created(cell, `${lower[0]?.slice(1) ?? ''}/proc`)).toMatchObject({ kind: 'directory', filesystem: 0 });
  });

  test('without overlayfs, a missing mount point is an issue that says so', () => {
    const act = () => plan({ root: { directory: '/srv' } }, { features: { overlay: false } });
    expect(issuesOf(act)).toEqual(['root: no-place']);
    expect(thrownBy(act).message).toMatch(/no \/proc inside.*create it there first/);
  });

  test('writable, is bound so, and nothing is created in it', () => {
    const writable = (tree: FakeFiles) => plan({ root: { directory: '/img', writable: true } }, { files: tree });
    expect(at(writable(files()).plan, '/')).toMatchObject([{ kind: 'bind', writable: true }]);
    const lacking = new FakeFiles({ '/img/proc': 'dir' });
    expect(issuesOf(() => writable(lacking))).toEqual(['root: no-place']);
  });

  test('with discarded writes, writes to a tmpfs of limits.scratch', () => {
    const { plan: cell } = plan({ root: { directory: '/srv', writable: 'discard' }, limits: { scratch: '2MiB' } });
    const [overlay] = at(cell, '/');
    expect(overlay).toMatchObject({ kind: 'overlay', upper: '/scratch0/upper', work: '/scratch0/work' });
    expect(
      cell.mounts.find(({ kind, ...rest }) => kind === 'tmpfs' && 'at' in rest && rest.at.path === '/scratch0'),
    ).toMatchObject({ size: 2 ** 21 });
    expect(created(cell, 'upper/proc')).toMatchObject({ kind: 'directory', filesystem: 1 });
  });

  test('that is missing or no directory', () => {
    expect(thrownBy(() => plan({ root: { directory: '/nope' } }))).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
      path: '/nope',
    });
    expect(issuesOf(() => plan({ root: { directory: '/opt/tool/run' } }))).toEqual(['root: not-a-directory']);
  });

  test('of a root caller is shown as the caller, the system is not', () => {
    const directory = plan(
      { root: { directory: '/img' } },
      { files: files(), caller: ROOT, features: { realRoot: true } },
    );
    expect(at(directory.plan, '/')).toMatchObject([{ idMapped: true }]);
    expect(directory.plan.identity).toEqual({ uid: 0, gid: 0, host: 'unprivileged' });
    const system = plan({}, { caller: ROOT, features: { realRoot: true } });
    expect(binds(system.plan).some(({ idMapped }) => idMapped)).toBe(false);
  });

  test('covers a proc that is mounted in it, and puts its own in place', () => {
    const tree = files();
    tree.mountTable.push({ path: '/img/proc', type: 'proc' }, { path: '/img/etc', type: 'sysfs' });
    const { plan: cell } = plan({ root: { directory: '/img' } }, { files: tree });
    expect(at(cell, '/proc')).toMatchObject([{ kind: 'proc' }]);
    expect(at(cell, '/etc')).toMatchObject([{ kind: 'mask', directory: true }]);
  });

  test('follows links inside the tree only', () => {
    const tree = new FakeFiles({
      '/img/proc': 'dir',
      '/img/dev': 'dir',
      '/img/tmp': '-> /var/tmp',
      '/img/var/tmp': 'dir',
    });
    const { plan: cell } = plan({ root: { directory: '/img' } }, { files: tree });
    expect(at(cell, '/var/tmp')).toMatchObject([{ kind: 'tmpfs' }]);
    expect(at(cell, '/tmp')).toEqual([]);
  });
});
