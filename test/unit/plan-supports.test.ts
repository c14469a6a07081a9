import { describe, expect, test } from 'vitest';

import type { HostFeatures, Support } from '../../lib/host/types.js';
import { type Compiled, Planner } from '../../lib/plan/compile.js';
import { explainPlan, planToJson } from '../../lib/plan/explain.js';
import { parseSpawn } from '../../lib/policy/parse.js';
import type { SpawnOptions } from '../../lib/policy/types.js';
import { thrownBy } from '../support/errors.js';
import { FULL_SUPPORT, type FakeMachine, plan, planHost, ROOT, USER } from '../support/fake-host.js';

const without = (...names: (keyof Support['namespaces'])[]): Partial<Support> => ({
  namespaces: { ...FULL_SUPPORT.namespaces, ...Object.fromEntries(names.map((name) => [name, false])) },
});
const landlock = (abi: number): Partial<Support> => ({
  landlock: abi === 0 ? null : { abi, fs: [], net: [], scope: [] },
});

const NEW: FakeMachine = {};
const MACHINES = {
  'Linux 6.18': NEW,
  'Linux 5.10': {
    support: landlock(0),
    features: { overlay: false, idMappedBinds: false, processesPerNamespace: false },
  },
  'Linux 5.10 as root': {
    caller: ROOT,
    support: landlock(0),
    features: { overlay: false, idMappedBinds: false, realRoot: true },
  },
  'Landlock 5': { support: landlock(5) },
  'no network namespaces': { support: without('net') },
  'no user namespaces': { support: { ...without('user', 'mount', 'pid'), namespacesBlockedBy: 'a sysctl' } },
  'masked /proc': { features: { freshProc: false } },
  macOS: { support: { platform: 'darwin', ...without('user', 'mount', 'pid', 'net', 'ipc', 'uts', 'cgroup') } },
} satisfies Record<string, FakeMachine>;

const POLICIES = {
  plain: {},
  network: { net: 'host' },
  'network, no scope': { net: 'host', scope: false },
  'skeleton needed': { mounts: [{ type: 'tmpfs', target: '/usr/new' }] },
  'files of the caller': { unveil: { '/srv/data': 'rwc' } },
  'process limit': { limits: { processes: 10 } },
} satisfies Record<string, SpawnOptions>;

/** Code and first words of the error, or what is missing. */
const EXPECTED: Record<keyof typeof MACHINES, Partial<Record<keyof typeof POLICIES, string>>> = {
  'Linux 6.18': {},
  'Linux 5.10': {
    network: 'UNSUPPORTED scope',
    'skeleton needed': 'POLICY',
    'process limit': 'UNSUPPORTED limits.processes',
  },
  'Linux 5.10 as root': {
    network: 'UNSUPPORTED scope',
    'skeleton needed': 'POLICY',
    'files of the caller': 'UNSUPPORTED files of a root caller',
  },
  'Landlock 5': { network: 'UNSUPPORTED scope' },
  'no network namespaces': {
    plain: "UNSUPPORTED net: 'none'",
    'skeleton needed': "UNSUPPORTED net: 'none'",
    'files of the caller': "UNSUPPORTED net: 'none'",
    'process limit': "UNSUPPORTED net: 'none'",
  },
  'no user namespaces': Object.fromEntries(Object.keys(POLICIES).map((name) => [name, 'UNSUPPORTED a user namespace'])),
  'masked /proc': Object.fromEntries(Object.keys(POLICIES).map((name) => [name, "UNSUPPORTED the cell's own /proc"])),
  macOS: Object.fromEntries(Object.keys(POLICIES).map((name) => [name, 'UNSUPPORTED a cell'])),
};

describe.each(Object.entries(MACHINES))('on %s', (machineName, machine: FakeMachine) => {
  test.each(Object.entries(POLICIES))('a policy with %s is enforced whole or refused', (policyName, policy) => {
    const expected = EXPECTED[machineName as keyof typeof MACHINES][policyName as keyof typeof POLICIES];
    if (expected === undefined) {
      expect(plan(policy, machine).enforcement.missing).toEqual([]);
      return;
    }
    const { code, message, hint } = thrownBy(() => plan(policy, machine));
    const [wanted = '', ...feature] = expected.split(' ');
    expect(code).toBe(`ERR_CLOISTER_${wanted}`);
    expect(message).toContain(feature.join(' '));
    expect(code === 'ERR_CLOISTER_POLICY' || hint !== undefined).toBe(true);
  });
});

describe('degraded', () => {
  test.each<[string, SpawnOptions, FakeMachine, string[]]>([
    ['abstract sockets', { net: 'host' }, MACHINES['Landlock 5'], ['scope']],
    ['the network', {}, MACHINES['no network namespaces'], ["net: 'none'"]],
    [
      'the network and abstract sockets',
      {},
      { support: { ...without('net'), ...landlock(5) } },
      ["net: 'none'", 'scope'],
    ],
    ['/proc', {}, MACHINES['masked /proc'], ["the cell's own /proc"]],
    ['ports', { tcp: { connect: [80] } }, { support: landlock(3) }, ['tcp']],
    ['reading', { pledge: 'stdio exec' }, { support: landlock(1) }, ["pledge without 'rpath'"]],
    [
      'what takes a listener',
      { pledge: 'stdio', onViolation: 'log' },
      { features: { listener: false } },
      [
        'pledge: one program only, without exec',
        "onViolation: 'log' tells what was refused",
        'violations in the outcome',
      ],
    ],
    ['the process limit', { limits: { processes: 5 } }, MACHINES['Linux 5.10'], ['limits.processes']],
    [
      'host name and System V IPC',
      {},
      { support: without('uts', 'ipc', 'cgroup') },
      ['System V IPC of its own', 'hostname', 'a cgroup namespace'],
    ],
  ])('names %s', (_what, options, machine, features) => {
    const { enforcement } = plan({ ...options, onUnsupported: 'degrade' }, machine);
    expect(enforcement.missing.map(({ feature }) => feature)).toEqual(features);
    expect(enforcement.missing.every(({ reason }) => reason.length > 10)).toBe(true);
    expect(thrownBy(() => plan(options, machine)).code).toBe('ERR_CLOISTER_UNSUPPORTED');
  });

  test('does not go without the namespaces that a cell is made of', () => {
    expect(thrownBy(() => plan({ onUnsupported: 'degrade' }, MACHINES['no user namespaces']))).toMatchObject({
      code: 'ERR_CLOISTER_UNSUPPORTED',
      message: 'cannot enforce a user namespace: a sysctl',
    });
  });

  test('hides the /proc that it cannot replace', () => {
    const { plan: cell } = plan({ onUnsupported: 'degrade' }, MACHINES['masked /proc']);
    expect(cell.mounts.filter((operation) => 'at' in operation && operation.at.path === '/proc')).toMatchObject([
      { kind: 'mask', directory: true },
    ]);
  });

  test('brings no missing part over to the next plan', () => {
    const planner = new Planner(planHost(MACHINES['Landlock 5']));
    const compile = (options: SpawnOptions) =>
      planner.compile(parseSpawn('x', [], options, USER), () => null).enforcement.missing;
    expect(compile({ net: 'host', onUnsupported: 'degrade' })).toHaveLength(1);
    expect(compile({})).toEqual([]);
  });
});

describe('the expected enforcement', () => {
  test('of a plain cell', () => {
    expect(plan().enforcement).toEqual({
      noNewPrivileges: true,
      landlock: {
        abi: 7,
        handledFs: expect.arrayContaining(['execute', 'write-file', 'make-reg', 'refer', 'ioctl-dev']) as unknown,
        handledNet: [],
        scoped: ['abstract-unix-socket', 'signal'],
      },
      seccomp: null,
      namespaces: ['user', 'mount', 'pid', 'net', 'ipc', 'uts', 'cgroup'],
      rootFileSystem: 'pivot_root',
      cgroup: null,
      capabilities: [],
      limits: {},
      missing: [],
    });
  });

  test('has the filter of every cell, where there is one', () => {
    const policies = [{ defaultAction: 'allow', rules: [] }] as const;
    const filtering = { policies, violations: null, missing: [] };
    const { plan: cell, enforcement } = new Planner(planHost()).compile(parseSpawn('x', [], {}, USER), () => filtering);
    expect(cell.filter).toBe(policies);
    expect(enforcement.seccomp).toEqual({ filters: 1, instructions: 0 });
  });

  test('has the ports of tcp, sorted', () => {
    const { plan: cell, enforcement } = plan({ tcp: { connect: [443, 80, 443], bind: [8080] } });
    expect(cell.landlock).toMatchObject({
      handledNet: ['bind-tcp', 'connect-tcp'],
      ports: [
        { port: 80, rights: ['connect-tcp'] },
        { port: 443, rights: ['connect-tcp'] },
        { port: 8080, rights: ['bind-tcp'] },
      ],
    });
    expect(enforcement.landlock?.handledNet).toEqual(['bind-tcp', 'connect-tcp']);
    expect(plan({ tcp: {} }).plan.landlock).toMatchObject({ handledNet: ['bind-tcp', 'connect-tcp'], ports: [] });
    expect(plan().plan.landlock?.handledNet).toBeUndefined();
  });

  test('names the mechanism of each limit that was asked for', () => {
    const limits = {
      wallTime: '1s',
      processes: 5,
      fileSize: 1,
      openFiles: 5,
      scratch: '1M',
      core: 0,
      stack: '8M',
      addressSpace: '1G',
    };
    expect(plan({ limits }).enforcement.limits).toEqual({
      wallTime: 'launcher',
      processes: 'rlimit',
      fileSize: 'rlimit',
      openFiles: 'rlimit',
      scratch: 'tmpfs',
      core: 'rlimit',
      stack: 'rlimit',
      addressSpace: 'rlimit',
    });
  });

  test('chooses the mechanism of a limit on the whole cell by controller', () => {
    const limits = { memory: '1M', cpuTime: '2s', processes: 5, cpus: 0.5, output: 9 };
    const on = (controllers: HostFeatures['controllers']): Compiled =>
      plan({ limits, onUnsupported: 'degrade' }, { features: { controllers } });
    const unified = on({ memory: 'v2', pids: 'v2', cpu: 'v2', cpuacct: 'v2' });
    expect(unified.enforcement).toMatchObject({
      cgroup: 'v2',
      limits: { memory: 'cgroup-v2', cpuTime: 'cgroup-v2', processes: 'cgroup-v2', cpus: 'cgroup-v2', output: 'node' },
      missing: [],
    });
    expect(unified.plan.cell).toEqual({
      memory: { bytes: 2 ** 20, by: 'group' },
      cpuTime: { milliseconds: 2000, by: 'group' },
      processes: 6,
      cpus: 0.5,
    });
    const mixed = on({ memory: 'v1', cpuacct: 'v2' });
    expect(mixed.enforcement).toMatchObject({
      cgroup: 'v2',
      limits: { memory: 'cgroup-v1', cpuTime: 'cgroup-v2', processes: 'rlimit' },
      missing: [{ feature: 'limits.cpus' }],
    });
    const none = on({});
    expect(none.enforcement).toMatchObject({
      cgroup: null,
      limits: { memory: 'sampling', cpuTime: 'sampling', processes: 'rlimit', output: 'node' },
      missing: [{ feature: 'limits.cpus' }],
    });
    expect(none.plan.cell).toEqual({
      memory: { bytes: 2 ** 20, by: 'sampling' },
      cpuTime: { milliseconds: 2000, by: 'sampling' },
      processes: null,
      cpus: null,
    });
    expect(none.plan.limits).toContainEqual({ resource: 'RLIMIT_DATA', value: 2 ** 20 + 2 ** 30 });
    expect(none.plan.limits).toContainEqual({ resource: 'RLIMIT_CPU', value: 3 });
  });

  test('is no limit on processors without a control group', () => {
    expect(thrownBy(() => plan({ limits: { cpus: 1 } }))).toMatchObject({
      code: 'ERR_CLOISTER_UNSUPPORTED',
      message: expect.stringContaining('limits.cpus') as string,
    });
  });
});

describe('limits', () => {
  const limitsOf = (options: SpawnOptions, machine: FakeMachine = {}): Record<string, number> =>
    Object.fromEntries(plan(options, machine).plan.limits.map(({ resource, value }) => [resource, value]));

  test('have defaults', () => {
    expect(limitsOf({})).toEqual({ RLIMIT_NOFILE: 1024, RLIMIT_CORE: 0, RLIMIT_NPROC: 257 });
    expect(plan().plan.wallTime).toBeNull();
  });

  test('are all carried over', () => {
    expect(
      limitsOf({ limits: { processes: 5, fileSize: '1k', openFiles: 9, core: '1M', stack: '8M', addressSpace: '1G' } }),
    ).toEqual({
      RLIMIT_NOFILE: 9,
      RLIMIT_CORE: 2 ** 20,
      RLIMIT_NPROC: 6,
      RLIMIT_FSIZE: 1024,
      RLIMIT_STACK: 2 ** 23,
      RLIMIT_AS: 2 ** 30,
    });
    expect(plan({ limits: { wallTime: '1.5s' } }).plan.wallTime).toBe(1500);
  });

  test.each<[string, Partial<HostFeatures>, boolean, boolean]>([
    ['a user, counted per namespace', {}, false, true],
    ['a user, counted per host uid', { processesPerNamespace: false }, false, false],
    ['root with a uid of its own', { realRoot: true, processesPerNamespace: false }, false, true],
    ["the host's root", { realRoot: true }, true, false],
  ])('on processes bind %s: %#', (_who, features, hostRoot, bound) => {
    const machine = { features, caller: features.realRoot === true ? ROOT : USER };
    expect('RLIMIT_NPROC' in limitsOf({ user: { hostRoot } }, machine)).toBe(bound);
  });
});

describe('the command', () => {
  const candidatesOf = (command: string, env?: Record<string, string | undefined>): readonly string[] =>
    plan(env === undefined ? {} : { env }, {}, command).plan.command.candidates;

  test('is looked for along the PATH of the cell', () => {
    expect(candidatesOf('x')[0]).toBe('/usr/local/sbin/x');
    expect(candidatesOf('x', { PATH: '/a:/b/::/a' })).toEqual(['/a/x', '/b//x', './x']);
    expect(candidatesOf('x', { PATH: undefined })).toContain('/usr/bin/x');
  });

  test('with a slash is itself', () => {
    expect(candidatesOf('/bin/x')).toEqual(['/bin/x']);
    expect(candidatesOf('./x')).toEqual(['./x']);
  });

  test('gets its arguments, its name, its directory and its terminal', () => {
    const { plan: cell } = new Planner(planHost()).compile(
      parseSpawn('x', ['a', ''], { argv0: '-x', cwd: '/tmp', pty: { columns: 80, rows: 24 } }, USER),
      () => null,
    );
    expect(cell.command).toMatchObject({ name: 'x', argv: ['-x', 'a', ''], cwd: '/tmp' });
    expect(cell.terminal).toEqual({ columns: 80, rows: 24 });
  });

  test('has a working directory that is there', () => {
    expect(thrownBy(() => plan({ cwd: '/nowhere' }))).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
      path: '/nowhere',
    });
    expect(plan({ cwd: '/nowhere', mounts: [{ type: 'directory', target: '/nowhere' }] }).plan.command.cwd).toBe(
      '/nowhere',
    );
    expect(plan({ cwd: '/bin' }).plan.command.cwd).toBe('/bin');
  });
});

describe('a plan', () => {
  test('is the same when it is made twice, and is not changed by another', () => {
    const planner = new Planner(planHost());
    const compile = (options: SpawnOptions) => planner.compile(parseSpawn('x', [], options, USER), () => null).plan;
    const first = structuredClone(compile({}));
    compile({
      unveil: { '/srv': 'rwc', '/usr/share': '' },
      mounts: [
        { type: 'file', target: '/etc/passwd', content: 'x' },
        { type: 'tmpfs', target: '/tmp' },
      ],
    });
    expect(compile({})).toEqual(first);
  });

  test('keeps apart cells of different users', () => {
    const planner = new Planner(planHost());
    const passwd = (uid: number): unknown =>
      planner
        .compile(parseSpawn('x', [], { user: { uid } }, USER), () => null)
        .plan.mounts.find((operation) => 'path' in operation && operation.path === 'etc/passwd');
    expect(passwd(5)).toMatchObject({ content: expect.stringContaining(':5:') as unknown });
    expect(passwd(6)).toMatchObject({ content: expect.stringContaining(':6:') as unknown });
  });

  test('is JSON, with bytes as their size', () => {
    const { plan: cell } = plan({
      mounts: [{ type: 'file', target: '/w', content: new Uint8Array(5), writable: true }],
    });
    expect(planToJson(cell)).toContain('"5 bytes"');
    expect((JSON.parse(planToJson(cell)) as typeof cell).hostname).toBe('cloister');
  });

  test('is explained line by line, with nothing that a terminal would obey', () => {
    const { plan: cell } = plan({
      net: 'host',
      env: { A: '\u001b[2J' },
      limits: { wallTime: 5 },
      capabilities: ['kill'],
      mounts: [{ type: 'overlay', lower: '/srv', target: '/o' }],
    });
    const text = explainPlan(cell);
    expect(text).toContain('show /usr at /usr, read-only, with what is mounted below');
    expect(text).toContain('wall time 5 ms');
    expect(text).toContain('CAP_KILL');
    expect(text).toContain('A=\\u001b[2J');
    // eslint-disable-next-line no-control-regex -- this is what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
  });
});
