import { describe, expect, test } from 'vitest';

import type { Support } from '../../lib/host/types.js';
import { explainPlan } from '../../lib/plan/explain.js';
import type { SpawnOptions } from '../../lib/policy/types.js';
import { thrownBy } from '../support/errors.js';
import { FakeFiles, type FakeMachine, plan, ROOT } from '../support/fake-host.js';

const abi = (number: number): Partial<Support> => ({ landlock: { abi: number, fs: [], net: [], scope: [] } });
const NO_NAMESPACES = {
  user: false,
  mount: false,
  pid: false,
  net: false,
  ipc: false,
  uts: false,
  cgroup: false,
  time: false,
};
const BLOCKED: Partial<Support> = { namespaces: NO_NAMESPACES, namespacesBlockedBy: 'a sysctl' };

/** A machine where only Landlock works. */
const CONTAINER: FakeMachine = { support: { ...BLOCKED, ...abi(7), backends: ['landlock'] } };
/** Root of a machine without user namespaces. */
const OLD_ROOT: FakeMachine = {
  caller: ROOT,
  support: { ...BLOCKED, backends: ['chroot', 'landlock'] },
  features: { realRoot: true, asRoot: { namespaces: ['mount', 'pid', 'net', 'ipc', 'uts', 'cgroup'], overlay: true } },
};
const without = (machine: FakeMachine, support: Partial<Support>): FakeMachine => ({
  ...machine,
  support: { ...machine.support, ...support },
});

const rules = (options: SpawnOptions, machine: FakeMachine = CONTAINER) =>
  new Map(plan(options, machine).plan.landlock?.rules?.map(({ path, rights }) => [path, rights]));

describe('the choice of a backend', () => {
  test.each<[string, FakeMachine, SpawnOptions, string]>([
    ['namespaces where they work', {}, {}, 'namespaces'],
    ['Landlock where nothing else does', CONTAINER, {}, 'landlock'],
    ['a root directory where root has no user namespaces', OLD_ROOT, {}, 'chroot'],
    [
      'the one that is asked for',
      { support: { backends: ['namespaces', 'landlock'] } },
      { backend: 'landlock' },
      'landlock',
    ],
    [
      'namespaces without /proc rather than none, where less is accepted',
      {
        support: { backends: ['landlock'] },
        features: { freshProc: false, failure: { errno: 'EPERM', stage: 'procmount' } },
      },
      { onUnsupported: 'degrade' },
      'namespaces',
    ],
    [
      'Landlock where a cell takes more than there is, and less is accepted',
      without(CONTAINER, { ...abi(2), backends: [] }),
      { onUnsupported: 'degrade' },
      'landlock',
    ],
  ])('takes %s', (_what, machine, options, backend) => {
    expect(plan(options, machine).plan.backend).toBe(backend);
  });

  test.each<[SpawnOptions, FakeMachine, RegExp]>([
    [{ backend: 'chroot' }, {}, /root of the host/],
    [{ backend: 'landlock' }, without(CONTAINER, { landlock: null, backends: [] }), /no Landlock/],
    [{ backend: 'landlock' }, without(CONTAINER, { ...abi(5), backends: [] }), /ABI 5/],
    [{ backend: 'namespaces' }, CONTAINER, /a sysctl/],
    [{}, without(CONTAINER, { landlock: null, backends: [] }), /a sysctl/],
  ])('%j is refused where it cannot be had', (options, machine, message) => {
    const error = thrownBy(() => plan(options, machine));
    expect(error.code).toBe('ERR_CLOISTER_UNSUPPORTED');
    expect(error.message).toMatch(message);
  });

  test('an old Landlock is refused with the word that accepts less', () => {
    const machine = without(CONTAINER, { ...abi(2), backends: [] });
    expect(thrownBy(() => plan({ backend: 'landlock' }, machine)).hint).toContain("'degrade'");
    expect(thrownBy(() => plan({}, machine)).hint).toContain("'degrade'");
    const { enforcement } = plan({ onUnsupported: 'degrade' }, machine);
    expect(enforcement.missing.map(({ feature }) => feature)).toEqual([
      'scope',
      'unveil: files that may not be written are not truncated',
    ]);
    expect(enforcement.rootFileSystem).toBe('landlock');
  });
});

describe("a cell in the host's tree", () => {
  test('is granted the system, harmless devices, itself, and its scratch directory', () => {
    const { plan: cell, enforcement } = plan({}, CONTAINER);
    const granted = rules({});
    expect([...granted.keys()].sort()).toEqual([
      '/dev/full',
      '/dev/null',
      '/dev/random',
      '/dev/tty',
      '/dev/urandom',
      '/dev/zero',
      '/etc/hosts',
      '/etc/ld.so.cache',
      '/etc/passwd',
      '/etc/ssl/certs',
      '/proc/self',
      '/tmp/cloister-scratch-0',
      '/usr',
    ]);
    expect(granted.get('/usr')).toEqual(['read-file', 'read-dir', 'execute']);
    expect(granted.get('/proc/self')).toEqual(['read-file', 'read-dir']);
    expect(cell).toMatchObject({ namespaces: [], mounts: [], loopback: false, hostname: '' });
    expect(cell.scratch).toBe('/tmp/cloister-scratch-0');
    expect(cell.landlock?.scoped).toEqual(['abstract-unix-socket', 'signal']);
    expect(cell.landlock?.handledNet).toEqual(['bind-tcp', 'connect-tcp']);
    expect(enforcement).toMatchObject({ rootFileSystem: 'landlock', namespaces: [], missing: [] });
  });

  test('has its scratch directory wherever /tmp is meant', () => {
    const { command } = plan({ cwd: '/tmp', env: { TMP: '/tmp', OTHER: '/tmp' } }, CONTAINER).plan;
    expect(command.cwd).toBe('/tmp/cloister-scratch-0');
    expect(command.environment).toEqual(
      expect.arrayContaining([
        'HOME=/tmp/cloister-scratch-0',
        'TMP=/tmp/cloister-scratch-0',
        'TMPDIR=/tmp/cloister-scratch-0',
        'OTHER=/tmp',
      ]),
    );
    expect(plan({ env: { TMPDIR: '/srv' } }, CONTAINER).plan.command.environment).toContain('TMPDIR=/srv');
  });

  test('has what it unveils under its real name, by the letters', () => {
    const granted = rules({ unveil: { '/srv/data': 'rwc', '/opt/current': 'rx', '/srv/socket': 'r' } });
    expect(granted.get('/srv/data')).toEqual(expect.arrayContaining(['read-file', 'write-file', 'make-reg', 'refer']));
    expect(granted.get('/srv/data')).not.toContain('execute');
    expect(granted.get('/opt/tool')).toEqual(['read-file', 'read-dir', 'execute']);
    expect(granted.has('/opt/current')).toBe(false);
    expect(rules({ mounts: [{ type: 'bind', source: '/srv/data', target: '/srv/data' }] }).get('/srv/data')).toEqual([
      'read-file',
      'read-dir',
      'execute',
    ]);
  });

  test('has nothing but that with root empty, and no covered part with root host', () => {
    expect([...rules({ root: 'empty' }).keys()].filter((path) => !/^\/(dev|proc|tmp)\//.test(path))).toEqual([]);
    const tops = [...rules({ root: 'host' }).keys()].filter((path) => /^\/[^/]+$/.test(path));
    expect(tops.sort()).toEqual(['/etc', '/home', '/opt', '/srv', '/usr', '/var']);
  });

  test('may work in what it has, and on the way to it', () => {
    const at = (cwd: string) => plan({ cwd, unveil: { '/srv/data/public': 'r' } }, CONTAINER).plan.command.cwd;
    expect([at('/srv/data/public'), at('/srv'), at('/lib')]).toEqual(['/srv/data/public', '/srv', '/usr/lib']);
    expect(thrownBy(() => at('/home/user')).code).toBe('ERR_CLOISTER_NOT_FOUND');
    expect(thrownBy(() => at('/srv/none')).code).toBe('ERR_CLOISTER_NOT_FOUND');
  });

  test.each<[string, SpawnOptions]>([
    ['mounts', { mounts: [{ type: 'tmpfs', target: '/work' }] }],
    ['mounts', { mounts: [{ type: 'bind', source: '/srv/data', target: '/data' }] }],
    ['hostname', { hostname: 'other' }],
    ['user: {uid, gid}', { user: { uid: 0 } }],
    ['capabilities', { capabilities: ['CAP_NET_RAW'] }],
    ['limits.scratch', { limits: { scratch: '1MiB' } }],
    ['unveil["/usr/lib"]: \'\'', { unveil: { '/usr/lib': '' } }],
    ['unveil["/srv/data/public"]: \'r\'', { unveil: { '/srv/data': 'rw', '/srv/data/public': 'r' } }],
    ['unveil["/srv/socket"]: \'rw\'', { unveil: { '/srv/socket': 'rw' } }],
  ])('is refused %s, or named as without it', (feature, options) => {
    const error = thrownBy(() => plan(options, CONTAINER));
    expect(error.code).toBe('ERR_CLOISTER_UNSUPPORTED');
    expect(error.message).toContain(feature);
    expect(error.hint).toContain("'degrade'");
    const { enforcement } = plan({ ...options, onUnsupported: 'degrade' }, CONTAINER);
    expect(enforcement.missing.map(({ feature: name }) => name)).toEqual([feature]);
  });

  test('tells why it is in the way when something takes namespaces', () => {
    expect(thrownBy(() => plan({ hostname: 'other' }, CONTAINER)).message).toContain('a sysctl');
  });

  test('has no other root directory, whatever is accepted', () => {
    for (const onUnsupported of ['error', 'degrade'] as const) {
      const error = thrownBy(() => plan({ root: { directory: '/srv/data' }, onUnsupported }, CONTAINER));
      expect(error.code).toBe('ERR_CLOISTER_UNSUPPORTED');
    }
  });

  test('is not granted what a mount below hands out', () => {
    const files = new FakeFiles();
    files.add('/srv/data/proc', 'dir');
    files.mountTable.push({ path: '/srv/data/proc', type: 'proc' });
    const error = thrownBy(() => plan({ unveil: { '/srv/data': 'r' } }, { ...CONTAINER, files }));
    expect(error.message).toContain('/srv/data/proc');
    // Where the caller does not get, nothing is taken away.
    files.closed.push('/srv/data');
    expect(plan({ unveil: { '/srv/data': 'r' } }, { ...CONTAINER, files }).enforcement.missing).toEqual([]);
  });

  test('may connect to an unveiled socket where Landlock tells sockets apart', () => {
    const granted = rules({ unveil: { '/srv/socket': 'rw' } }, without(CONTAINER, abi(9)));
    expect(granted.get('/srv/socket')).toContain('resolve-unix');
  });

  test('is explained', () => {
    const text = explainPlan(plan({}, CONTAINER).plan);
    expect(text).toContain('backend\n  landlock\n');
    expect(text).toContain('make /tmp/cloister-scratch-0, and remove it afterwards');
    expect(text).toContain('grant /usr: read-file, read-dir, execute');
  });
});

describe("root's cell without a user namespace", () => {
  test('has every other namespace, a tree of its own, and an unprivileged id', () => {
    const { plan: cell, enforcement } = plan({}, OLD_ROOT);
    expect(cell.namespaces).toEqual(['mount', 'pid', 'net', 'ipc', 'uts', 'cgroup']);
    expect(cell.identity.host).toBe('unprivileged');
    expect(cell.mounts.length).toBeGreaterThan(10);
    expect(cell.scratch).toBeNull();
    expect(enforcement).toMatchObject({ rootFileSystem: 'pivot_root', missing: [] });
  });

  test.each<[string, SpawnOptions, string]>([
    ['chroot', { unveil: { '/srv/data': 'r' } }, 'r'],
    ['landlock', { unveil: { '/srv/data': 'r' } }, 'r'],
  ])('sees files by their modes: backend %s', (backend, options) => {
    const as = (more: SpawnOptions) => plan({ ...options, ...more, backend: backend as 'chroot' }, OLD_ROOT);
    expect(as({}).enforcement.missing).toEqual([]);
    const writing = { unveil: { '/srv/data': 'rwc' } };
    const error = thrownBy(() => as(writing));
    expect(error.message).toContain('/srv/data');
    expect(error.hint).toContain('hostRoot: true');
    expect(as({ ...writing, user: { hostRoot: true } }).plan.identity.host).toBe('caller');
    expect(as({ ...writing, onUnsupported: 'degrade' }).enforcement.missing).toHaveLength(1);
  });
});
