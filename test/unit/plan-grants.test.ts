import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { MountOperation, Plan } from '../../lib/plan/types.js';
import type { Mount, SpawnOptions } from '../../lib/policy/types.js';
import { issuesOf, thrownBy } from '../support/errors.js';
import { FakeFiles, type FakeMachine, plan, ROOT } from '../support/fake-host.js';

const at = ({ mounts }: Plan, path: string): MountOperation[] =>
  mounts.filter((operation) => 'at' in operation && operation.at.in === 'root' && operation.at.path === path);
const created = ({ mounts }: Plan, path: string): MountOperation | undefined =>
  mounts.find((operation) => 'filesystem' in operation && operation.path === path);
const unveiled = (unveil: Record<string, string>, machine: FakeMachine = {}, rest: SpawnOptions = {}): Plan =>
  plan({ unveil, ...rest }, machine).plan;
const mounted = (mounts: Mount[], rest: SpawnOptions = {}, machine: FakeMachine = {}): Plan =>
  plan({ mounts, ...rest }, machine).plan;

describe('unveil', () => {
  test.each([
    ['r', { writable: false, executable: false }],
    ['rx', { writable: false, executable: true }],
    ['rwc', { writable: true, executable: false }],
    ['rwxc', { writable: true, executable: true }],
  ])('shows a directory at its own path with %s', (letters, flags) => {
    const cell = unveiled({ '/srv/data': letters });
    expect(at(cell, '/srv/data')).toMatchObject([
      {
        kind: 'bind',
        from: { in: 'host', path: '/srv/data' },
        recursive: true,
        devices: false,
        idMapped: false,
        optional: false,
        ...flags,
      },
    ]);
    expect(created(cell, 'srv/data')).toMatchObject({ kind: 'directory' });
  });

  test.each(['r', 'rw', 'rwc', 'rx'])('shows a file with %s', (letters) => {
    const cell = unveiled({ '/opt/tool/run': letters });
    expect(at(cell, '/opt/tool/run')).toMatchObject([
      { kind: 'bind', recursive: false, writable: letters.includes('w') },
    ]);
    expect(created(cell, 'opt/tool/run')).toMatchObject({ kind: 'file' });
  });

  test.each(['w', 'x', 'c', 'wc'])('refuses %s on a directory, which nothing can hold', (letters) => {
    const error = thrownBy(() => unveiled({ '/srv/data': letters }));
    expect(error).toMatchObject({
      code: 'ERR_CLOISTER_UNSUPPORTED',
      hint: expect.stringContaining("onUnsupported: 'degrade'") as unknown,
    });
  });

  test('grants more when degraded, and names it', () => {
    const { plan: cell, enforcement } = plan({ unveil: { '/srv/data': 'wc' }, onUnsupported: 'degrade' });
    expect(at(cell, '/srv/data')).toMatchObject([{ writable: true }]);
    expect(enforcement.missing).toEqual([
      { feature: `unveil["/srv/data"]: 'wc'`, reason: expect.any(String) as unknown },
    ]);
    expect(plan({ unveil: { '/srv/data': 'rwc' }, onUnsupported: 'degrade' }).enforcement.missing).toEqual([]);
  });

  test('resolves relative keys and the home directory', () => {
    expect(at(unveiled({ src: 'r' }), '/home/user/project/src')).toHaveLength(1);
    expect(at(unveiled({ '~/project': 'r' }), '/home/user/project')).toHaveLength(1);
  });

  test('resolves a link once, and both names work inside', () => {
    const cell = unveiled({ '/opt/current': 'rx' });
    expect(at(cell, '/opt/tool')).toMatchObject([{ kind: 'bind', from: { path: '/opt/tool' } }]);
    expect(created(cell, 'opt/current')).toMatchObject({ kind: 'symlink', to: '/opt/tool' });
  });

  test('does not make a link that the tree has already', () => {
    const cell = unveiled({ '/bin/true': 'rx' });
    expect(at(cell, '/usr/bin/true')).toHaveLength(1);
    expect(
      cell.mounts.filter(({ kind }) => kind === 'symlink').map((operation) => (operation as { path: string }).path),
    ).toEqual(['bin', 'sbin', 'lib', 'lib64', 'etc/localtime']);
  });

  test('takes two names of one place with the same letters, and refuses different ones', () => {
    expect(at(unveiled({ '/opt/current': 'r', '/opt/tool': 'r' }), '/opt/tool')).toHaveLength(1);
    expect(issuesOf(() => unveiled({ '/opt/current': 'r', '/opt/tool': 'rwc' }))).toHaveLength(1);
    expect(issuesOf(() => unveiled({ '/opt/current': 'r', '/opt/tool': '' }))).toHaveLength(1);
    expect(issuesOf(() => unveiled({ '/opt/current': '', '/opt/tool': 'r' }))).toHaveLength(1);
  });

  test('of a missing path is ERR_CLOISTER_NOT_FOUND', () => {
    expect(thrownBy(() => unveiled({ '/nope': 'r' }))).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
      path: '/nope',
      errno: -2,
    });
  });

  test('refuses devices and what lies on a file system with power', () => {
    expect(issuesOf(() => unveiled({ '/dev/fuse': 'rw' }))).toEqual(['unveil["/dev/fuse"]: device']);
    const files = new FakeFiles();
    files.add('/mnt/p/1', 'file');
    files.mountTable.push({ path: '/mnt/p', type: 'proc' });
    expect(issuesOf(() => unveiled({ '/mnt/p': 'r' }, { files }))).toEqual(['unveil["/mnt/p"]: powerful-path']);
    files.mountTable.push({ path: '/mnt/p', type: 'ext4' });
    expect(at(unveiled({ '/mnt/p': 'r' }, { files }), '/mnt/p')).toHaveLength(1);
  });

  test('refuses a link that leads to a path with power', () => {
    expect(issuesOf(() => unveiled({ '/var/run': 'r' }))).toEqual(['unveil["/var/run"]: powerful-path']);
    const files = new FakeFiles();
    files.add('/srv/sock', '-> /run/docker.sock');
    expect(issuesOf(() => unveiled({ '/srv/sock': 'rw' }, { files }))).toEqual(['unveil["/srv/sock"]: powerful-path']);
  });

  test('covers a proc that is mounted below what it shows', () => {
    const files = new FakeFiles();
    files.add('/srv/data/proc', 'dir');
    files.mountTable.push({ path: '/srv/data/proc', type: 'proc' });
    expect(at(unveiled({ '/srv/data': 'r' }, { files }), '/srv/data/proc')).toMatchObject([
      { kind: 'mask', directory: true },
    ]);
  });

  test('leaves a proc alone that lies where the caller does not get', () => {
    const files = new FakeFiles();
    files.add('/srv/data/closed/proc', 'dir');
    files.mountTable.push({ path: '/srv/data/closed/proc', type: 'proc' });
    const covering = () => at(unveiled({ '/srv/data': 'r' }, { files }), '/srv/data/closed/proc');
    expect(covering()).toMatchObject([{ kind: 'mask', directory: true }]);
    files.closed.push('/srv/data/closed');
    expect(covering()).toEqual([]);
  });

  test('adds nothing for what every cell has', () => {
    expect(unveiled({ '/proc': 'r', '/proc/cpuinfo': 'r', '/dev/null': 'rw' })).toEqual(unveiled({}));
  });

  test('of a root caller shows files as the caller, unless the host uid stays root', () => {
    const machine = { caller: ROOT, features: { realRoot: true } };
    expect(at(unveiled({ '/srv/data': 'r' }, machine), '/srv/data')).toMatchObject([{ idMapped: true }]);
    const hostRoot = unveiled({ '/srv/data': 'r' }, machine, { user: { hostRoot: true } });
    expect(at(hostRoot, '/srv/data')).toMatchObject([{ idMapped: false }]);
    expect(hostRoot.identity.host).toBe('caller');
    expect(
      thrownBy(() =>
        unveiled({ '/srv/data': 'r' }, { ...machine, features: { realRoot: true, idMappedBinds: false } }),
      ),
    ).toMatchObject({
      code: 'ERR_CLOISTER_UNSUPPORTED',
      hint: expect.stringContaining('hostRoot') as unknown,
    });
  });
});

describe("unveil ''", () => {
  test('hides a file and a directory inside a wider grant', () => {
    const cell = unveiled({ '/srv/data': 'r', '/srv/data/secret': '', '/srv/data/public': '' });
    expect(at(cell, '/srv/data/secret')).toEqual([
      { kind: 'mask', at: { in: 'root', path: '/srv/data/secret' }, directory: false, optional: false },
    ]);
    expect(at(cell, '/srv/data/public')).toMatchObject([{ kind: 'mask', directory: true }]);
  });

  test('can hold a grant again', () => {
    const cell = unveiled({ '/srv/data': 'r', '/srv/data/public': '', '/srv/data/public/index': 'r' });
    expect(at(cell, '/srv/data/public')).toMatchObject([
      { kind: 'tmpfs', mode: 0o111, executable: false },
      { kind: 'seal' },
    ]);
    expect(at(cell, '/srv/data/public/index')).toMatchObject([{ kind: 'bind', writable: false }]);
  });

  test('hides what a link leads to, by either name', () => {
    for (const hidden of ['/opt/current/run', '/opt/tool/run']) {
      for (const shown of ['/opt/current', '/opt/tool']) {
        const cell = unveiled({ [shown]: 'rx', [hidden]: '' });
        expect(at(cell, '/opt/tool/run')).toMatchObject([{ kind: 'mask' }]);
      }
    }
  });

  test('takes two names of one place, and lets neither be a mount', () => {
    const hidden = { '/opt/tool': '', '/opt/current': '' };
    expect(at(unveiled({ ...hidden, '/opt': 'rx' }), '/opt/tool')).toMatchObject([{ kind: 'mask' }]);
    const mounts: Mount[] = [{ type: 'bind', source: '/srv/data', target: '/opt/current' }];
    expect(issuesOf(() => plan({ unveil: hidden, mounts }))).toEqual(['unveil["/opt/current"]: conflict']);
  });

  test('hides parts of /proc', () => {
    expect(at(unveiled({ '/proc/cpuinfo': '' }), '/proc/cpuinfo')).toMatchObject([{ kind: 'mask', directory: false }]);
  });

  test('refuses a name that does not exist in a tree of the host', () => {
    expect(issuesOf(() => unveiled({ '/srv/data': 'r', '/srv/data/nope': '' }))).toEqual([
      'unveil["/srv/data/nope"]: not-there',
    ]);
  });

  test('takes the name in a writable file system of its own, and has nothing to do in a sealed one', () => {
    const cell = unveiled({ '/tmp/x': '', '/nowhere/x': '' });
    expect(at(cell, '/tmp/x')).toMatchObject([{ kind: 'mask' }]);
    expect(created(cell, 'x')).toMatchObject({ kind: 'file' });
    expect(at(cell, '/nowhere/x')).toEqual([]);
  });
});

describe('mounts', () => {
  test('bind shows a source elsewhere, with every option', () => {
    const cell = mounted([{ type: 'bind', source: '/srv/data', target: '/in/put', writable: true, executable: false }]);
    expect(at(cell, '/in/put')).toMatchObject([
      { kind: 'bind', from: { path: '/srv/data' }, writable: true, executable: false, optional: false },
    ]);
    expect(at(mounted([{ type: 'bind', source: '/srv/data' }]), '/srv/data')).toMatchObject([
      { writable: false, executable: true },
    ]);
  });

  test('bind of a missing source is an error, or nothing when optional', () => {
    expect(thrownBy(() => mounted([{ type: 'bind', source: '/nope' }])).code).toBe('ERR_CLOISTER_NOT_FOUND');
    expect(mounted([{ type: 'bind', source: '/nope', optional: true }])).toEqual(mounted([]));
    expect(at(mounted([{ type: 'bind', source: '/srv/data', optional: true }]), '/srv/data')).toMatchObject([
      { optional: true },
    ]);
  });

  test('bind of a link, a socket, a fifo and a harmless device', () => {
    const files = new FakeFiles();
    files.add('/srv/fifo', 'fifo');
    const cell = mounted(
      [
        { type: 'bind', source: '/opt/current', target: '/a' },
        { type: 'bind', source: '/srv/socket', target: '/b' },
        { type: 'bind', source: '/srv/fifo', target: '/c' },
        { type: 'bind', source: '/dev/null', target: '/d' },
      ],
      {},
      { files, caller: ROOT, features: { realRoot: true } },
    );
    expect(at(cell, '/a')).toMatchObject([{ from: { path: '/opt/tool' }, recursive: true }]);
    expect(at(cell, '/b')).toMatchObject([{ from: { path: '/srv/socket' }, recursive: false, idMapped: true }]);
    expect(at(cell, '/c')).toHaveLength(1);
    expect(at(cell, '/d')).toMatchObject([{ devices: true, idMapped: false }]);
    expect(issuesOf(() => mounted([{ type: 'bind', source: '/dev/fuse' }]))).toEqual(['mounts[0]: device']);
  });

  test('tmpfs with size, mode and programs', () => {
    expect(at(mounted([{ type: 'tmpfs', target: '/w' }]), '/w')).toMatchObject([
      { kind: 'tmpfs', size: 64 * 2 ** 20, mode: 0o755, executable: false },
    ]);
    const cell = mounted([{ type: 'tmpfs', target: '/w', size: '8M', mode: 0o700, executable: true }]);
    expect(at(cell, '/w')).toMatchObject([{ size: 2 ** 23, inodes: 2048, mode: 0o700, executable: true }]);
  });

  test('overlay that discards, and one that keeps', () => {
    const cell = mounted([{ type: 'overlay', lower: ['/srv/data', '/opt'], target: '/o' }]);
    const [overlay] = at(cell, '/o');
    expect(overlay).toMatchObject({ kind: 'overlay', upper: '/scratch0/upper' });
    const sources = cell.mounts.flatMap((operation) =>
      operation.kind === 'bind' && operation.at.in === 'stage'
        ? [[operation.at.path, operation.from.path, operation.writable]]
        : [],
    );
    expect(
      overlay?.kind === 'overlay' && overlay.lower.map((layer) => sources.find(([path]) => path === layer)?.[1]),
    ).toEqual(['/srv/data', '/opt']);
    expect(sources.every(([, , writable]) => writable === false)).toBe(true);

    const kept = plan({ mounts: [{ type: 'overlay', lower: '/srv/data', target: '/o', upper: '/home/user/project' }] });
    expect(kept.workDirectories).toEqual(['/home/user/.project.cloister-work']);
    expect(at(kept.plan, '/o')).toMatchObject([
      {
        upper: expect.stringMatching(/\/project$/) as unknown,
        work: expect.stringMatching(/\/\.project\.cloister-work$/) as unknown,
      },
    ]);
  });

  test('overlay whose upper directory is a mount point of its own cannot have a place for its work', () => {
    const files = new FakeFiles();
    files.add('/vol', 'dir', 2);
    expect(
      issuesOf(() => mounted([{ type: 'overlay', lower: '/srv', target: '/o', upper: '/vol' }], {}, { files })),
    ).toEqual(['mounts[0]: no-place']);
  });

  test('overlay without overlayfs, of something missing, of a file', () => {
    const overlay: Mount[] = [{ type: 'overlay', lower: '/srv', target: '/o' }];
    expect(thrownBy(() => mounted(overlay, {}, { features: { overlay: false } })).code).toBe(
      'ERR_CLOISTER_UNSUPPORTED',
    );
    expect(thrownBy(() => mounted([{ type: 'overlay', lower: '/nope', target: '/o' }])).code).toBe(
      'ERR_CLOISTER_NOT_FOUND',
    );
    expect(issuesOf(() => mounted([{ type: 'overlay', lower: '/opt/tool/run', target: '/o' }]))).toEqual([
      'mounts[0]: not-a-directory',
    ]);
  });

  test('file in the sealed root is made there, and anywhere else or writable is bound from the stage', () => {
    const cell = mounted([
      { type: 'tmpfs', target: '/w' },
      { type: 'file', target: '/a/f', content: 'text', mode: 0o600 },
      { type: 'file', target: '/w/f', content: new Uint8Array([1, 2]) },
      { type: 'file', target: '/rw', content: 'x', writable: true },
    ]);
    expect(created(cell, 'a/f')).toMatchObject({ kind: 'file', filesystem: 1, mode: 0o600, content: 'text' });
    expect(at(cell, '/w/f')).toMatchObject([{ kind: 'bind', from: { in: 'stage' }, writable: false }]);
    expect(at(cell, '/rw')).toMatchObject([{ kind: 'bind', from: { in: 'stage' }, writable: true }]);
  });

  test('file replaces one of the cell and covers one of the host', () => {
    const cell = mounted([
      { type: 'file', target: '/etc/passwd', content: 'mine' },
      { type: 'file', target: '/etc/hosts', content: 'mine' },
      { type: 'file', target: '/usr/bin/true', content: 'mine' },
    ]);
    expect(created(cell, 'etc/passwd')).toMatchObject({ content: 'mine' });
    expect(created(cell, 'etc/hosts')).toMatchObject({ content: 'mine' });
    expect(at(cell, '/etc/hosts')).toEqual([]);
    expect(at(cell, '/usr/bin/true')).toMatchObject([{ kind: 'bind', from: { in: 'stage' } }]);
    expect(issuesOf(() => mounted([{ type: 'file', target: '/usr/bin', content: '' }]))).toEqual([
      'mounts[0]: wrong-kind',
    ]);
  });

  test('directory is made where it is missing, and is no mistake where it is not', () => {
    expect(created(mounted([{ type: 'directory', target: '/a/b', mode: 0o700 }]), 'a/b')).toMatchObject({
      kind: 'directory',
      mode: 0o700,
    });
    expect(mounted([{ type: 'directory', target: '/usr/bin' }]).mounts).toEqual(mounted([]).mounts);
    expect(issuesOf(() => mounted([{ type: 'directory', target: '/usr/bin/true' }]))).toEqual([
      'mounts[0]: wrong-kind',
    ]);
  });

  test('symlink is made where nothing is, and leads mounts that are written through it', () => {
    const cell = mounted([
      { type: 'symlink', target: '/l', to: '/real' },
      { type: 'tmpfs', target: '/l/t' },
    ]);
    expect(created(cell, 'l')).toMatchObject({ kind: 'symlink', to: '/real' });
    expect(at(cell, '/real/t')).toMatchObject([{ kind: 'tmpfs' }]);
    expect(issuesOf(() => mounted([{ type: 'symlink', target: '/bin', to: 'elsewhere' }]))).toEqual([
      'mounts[0]: exists',
    ]);
    expect(mounted([{ type: 'symlink', target: '/bin', to: 'usr/bin' }])).toEqual(mounted([]));
  });

  test('proc and dev are the standard ones, or further ones', () => {
    expect(mounted([{ type: 'proc' }, { type: 'dev' }])).toEqual(mounted([]));
    const cell = mounted([
      { type: 'proc', target: '/p' },
      { type: 'dev', target: '/d' },
    ]);
    expect(at(cell, '/p')).toMatchObject([{ kind: 'proc' }]);
    expect(at(cell, '/d')).toMatchObject([{ kind: 'dev' }]);
    expect(at(cell, '/d/shm')).toMatchObject([{ kind: 'tmpfs' }]);
  });

  test('replace the standard ones', () => {
    const cell = mounted([
      { type: 'tmpfs', target: '/tmp', size: '1M' },
      { type: 'bind', source: '/srv', target: '/dev/shm' },
    ]);
    expect(at(cell, '/tmp')).toMatchObject([{ kind: 'tmpfs', size: 2 ** 20, executable: false }]);
    expect(at(cell, '/dev/shm')).toMatchObject([{ kind: 'bind' }]);
  });

  test('in a read-only tree of the host get an overlay with their names', () => {
    const cell = mounted([{ type: 'bind', source: '/opt', target: '/usr/share/new/deep' }]);
    expect(at(cell, '/usr')).toMatchObject([{ kind: 'bind' }]);
    expect(at(cell, '/usr/share')).toMatchObject([{ kind: 'overlay' }]);
    expect(at(cell, '/usr/share/new/deep')).toMatchObject([{ kind: 'bind' }]);
    expect(created(cell, 'names0/new/deep')).toMatchObject({ kind: 'directory' });
    expect(created(cell, 'names0')).toMatchObject({ mode: 0o555 });
    expect(
      thrownBy(() =>
        mounted([{ type: 'bind', source: '/opt', target: '/usr/new' }], {}, { features: { overlay: false } }),
      ).message,
    ).toContain('create it there first');
  });

  test('under a writable bind of the host are not created', () => {
    const act = () => plan({ unveil: { '/srv/data': 'rwc' }, mounts: [{ type: 'tmpfs', target: '/srv/data/new' }] });
    expect(issuesOf(act)).toEqual(['mounts[0]: no-place']);
    expect(
      at(
        plan({ unveil: { '/srv/data': 'rwc' }, mounts: [{ type: 'tmpfs', target: '/srv/data/public' }] }).plan,
        '/srv/data/public',
      ),
    ).toHaveLength(1);
  });

  test.each<[string, Mount[]]>([
    [
      'two of one target',
      [
        { type: 'tmpfs', target: '/a' },
        { type: 'tmpfs', target: '/a/' },
      ],
    ],
    [
      'one that covers another by a link',
      [
        { type: 'symlink', target: '/z', to: '/p/q/r' },
        { type: 'tmpfs', target: '/z/a' },
        { type: 'tmpfs', target: '/p/q/r' },
      ],
    ],
  ])('contradict each other: %s', (_what, mounts) => {
    expect(issuesOf(() => mounted(mounts)).every((issue) => issue.endsWith(': conflict'))).toBe(true);
  });

  test('and unveil contradict each other at one place', () => {
    expect(
      issuesOf(() => plan({ unveil: { '/srv/data': 'r' }, mounts: [{ type: 'tmpfs', target: '/srv/data' }] })),
    ).toEqual(['unveil["/srv/data"]: conflict']);
  });

  test('of a kind that does not fit the target', () => {
    expect(issuesOf(() => mounted([{ type: 'bind', source: '/srv/data', target: '/usr/bin/true' }]))).toEqual([
      'mounts[0]: wrong-kind',
    ]);
    expect(issuesOf(() => mounted([{ type: 'tmpfs', target: '/usr/bin/true' }]))).toEqual(['mounts[0]: wrong-kind']);
    expect(issuesOf(() => mounted([{ type: 'tmpfs', target: '/usr/bin/true/x' }]))).toEqual([
      'mounts[0]: not-a-directory',
    ]);
  });

  test('through links that never end', () => {
    const loop: Mount[] = [
      { type: 'symlink', target: '/a', to: '/b' },
      { type: 'symlink', target: '/b', to: '/a' },
      { type: 'tmpfs', target: '/a/x' },
    ];
    expect(issuesOf(() => mounted(loop))).toEqual(['mounts[2]: loop']);
  });

  test('report every problem of a policy at once', () => {
    expect(
      issuesOf(() =>
        plan({
          unveil: { '/dev/fuse': 'rw', '/srv/data': 'r', '/srv/data/nope': '' },
          mounts: [{ type: 'tmpfs', target: '/usr/bin/true' }],
        }),
      ).sort(),
    ).toEqual(['mounts[0]: wrong-kind', 'unveil["/dev/fuse"]: device', 'unveil["/srv/data/nope"]: not-there']);
  });

  test('need no more file systems than the launcher can hold', () => {
    const many = Array.from({ length: 300 }, (_, index): Mount => ({ type: 'tmpfs', target: `/m${String(index)}` }));
    expect(issuesOf(() => mounted(many))).toEqual(['mounts: too-many']);
    expect(mounted(many.slice(0, 200)).mounts.length).toBeGreaterThan(200);
  });
});

describe('order', () => {
  const grants: [string, string][] = [
    ['/srv', 'r'],
    ['/srv/data', 'rwc'],
    ['/srv/data/secret', ''],
    ['/srv/data/public', ''],
    ['/srv/data/public/index', 'r'],
    ['/opt/current', 'rx'],
    ['/home/user/project', 'rwc'],
  ];
  const mounts: Mount[] = [
    { type: 'tmpfs', target: '/w' },
    { type: 'file', target: '/w/a/f', content: 'x' },
    { type: 'directory', target: '/w/b' },
    { type: 'symlink', target: '/lnk', to: '/w/b' },
    { type: 'bind', source: '/opt', target: '/usr/share/new' },
    { type: 'bind', source: '/usr', target: '/usr/share/other/x' },
    { type: 'overlay', lower: '/srv/data', target: '/o' },
    { type: 'tmpfs', target: '/o/public' },
  ];

  test('of grants does not matter', () => {
    const reference = plan({ unveil: Object.fromEntries(grants), mounts }).plan;
    fc.assert(
      fc.property(
        fc.shuffledSubarray(grants, { minLength: grants.length }),
        fc.shuffledSubarray(mounts, { minLength: mounts.length }),
        (someGrants, someMounts) => {
          expect(plan({ unveil: Object.fromEntries(someGrants), mounts: someMounts }).plan).toEqual(reference);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('of operations has every mount after what it lies in', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(grants), fc.shuffledSubarray(mounts.slice(0, 3)), (someGrants, someMounts) => {
        const places = plan({ unveil: Object.fromEntries(someGrants), mounts: someMounts }).plan.mounts.flatMap(
          (operation) =>
            'at' in operation && operation.at.in === 'root' && operation.kind !== 'seal' ? [operation.at.path] : [],
        );
        for (const [index, place] of places.entries()) {
          expect(places.slice(0, index).some((earlier) => earlier.startsWith(`${place}/`))).toBe(false);
        }
      }),
    );
  });
});
