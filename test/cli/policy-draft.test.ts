import { describe, expect, it } from 'vitest';

import { PolicyDraft, type PolicyOptions, type Surroundings } from '../../lib/cli/policy-draft.js';

const bytes = new Uint8Array([1, 2, 3]);

const outside: Surroundings = {
  environment: { A: 'a', LANG: 'de' },
  readBytes: (path) => (path === 'bytes' ? { value: bytes } : { problem: `cannot read ${path}` }),
  readJson: (path) =>
    path === 'filter.json' ? { value: { defaultAction: 'allow', rules: [] } } : { problem: `cannot read ${path}` },
  isImage: (path) => path.endsWith('.tar'),
};

const membersOf = (options: PolicyOptions, file: Record<string, unknown> = {}) =>
  new PolicyDraft(file, options, outside).members;

describe('PolicyDraft', () => {
  it('is empty without options', () => {
    const draft = new PolicyDraft({}, {}, outside);
    expect(draft.members).toEqual({});
    expect(draft.issues).toEqual([]);
  });

  it.each<[PolicyOptions, Record<string, unknown>]>([
    [{ net: 'host' }, { net: 'host' }],
    [{ pledge: 'stdio rpath' }, { pledge: 'stdio rpath' }],
    [{ pledge: '' }, { pledge: '' }],
    [{ seccomp: 'filter.json' }, { seccomp: { defaultAction: 'allow', rules: [] } }],
    [{ cap: ['KILL', 'CHOWN'] }, { capabilities: ['KILL', 'CHOWN'] }],
    [{ scope: true }, { scope: true }],
    [{ scope: false }, { scope: false }],
    [{ onViolation: 'log' }, { onViolation: 'log' }],
    [{ onUnsupported: 'error' }, { onUnsupported: 'error' }],
    [{ degrade: true }, { onUnsupported: 'degrade' }],
    [{ tcpConnect: ['80,443', '8080'] }, { tcp: { connect: [80, 443, 8080] } }],
    [{ tcpConnect: ['none'], tcpBind: ['1024'] }, { tcp: { connect: [], bind: [1024] } }],
    [{ apparmorProfile: 'p' }, { appArmorProfile: 'p' }],
    [{ selinuxLabel: 'l' }, { selinuxLabel: 'l' }],
    [{ backend: 'landlock' }, { backend: 'landlock' }],
    [
      { hostname: 'h', cwd: '/w', argv0: 'a' },
      { hostname: 'h', cwd: '/w', argv0: 'a' },
    ],
    [{ uid: '1', gid: 'x', hostRoot: true }, { user: { uid: 1, gid: 'x', hostRoot: true } }],
    [{ root: '/r:discard' }, { root: { directory: '/r', writable: 'discard' } }],
    [{ unveil: ['/a:r', '/b:', '/a:rw'] }, { unveil: { '/a': 'rw', '/b': '' } }],
    [
      { limit: ['wallTime=5s', 'processes=3', 'cpus=0.5', 'wallTime=6s'] },
      { limits: { wallTime: '6s', processes: 3, cpus: 0.5 } },
    ],
    [{ env: ['A', 'B=b=c', 'NONE', 'C='] }, { env: { A: 'a', B: 'b=c', NONE: undefined, C: '' } }],
    [{ inheritEnv: true }, { env: { A: 'a', LANG: 'de', PATH: undefined, HOME: undefined, TERM: undefined } }],
    [
      {
        bind: ['/a'],
        tmpfs: ['/b'],
        overlay: ['/c:/d'],
        file: ['/e:@bytes'],
        dir: ['/f'],
        symlink: ['/g=h'],
        proc: ['/i'],
        dev: ['/j'],
      },
      {
        mounts: [
          { type: 'bind', source: '/a' },
          { type: 'tmpfs', target: '/b' },
          { type: 'overlay', lower: ['/c'], target: '/d' },
          { type: 'file', target: '/e', content: bytes },
          { type: 'directory', target: '/f' },
          { type: 'symlink', target: '/g', to: 'h' },
          { type: 'proc', target: '/i' },
          { type: 'dev', target: '/j' },
        ],
      },
    ],
  ])('makes of %j the policy %j', (options, members) => {
    expect(membersOf(options)).toEqual(members);
  });

  it('adds to the lists and objects of a file, and wins over the rest', () => {
    const file = {
      hostname: 'file',
      mounts: [{ type: 'dev' }],
      unveil: { '/a': 'r' },
      limits: { wallTime: 1, processes: 2 },
      tcp: { connect: [1], bind: [2] },
      user: { uid: 1 },
      capabilities: ['KILL'],
      env: { A: 'file', B: 'file' },
    };
    const options: PolicyOptions = {
      hostname: 'option',
      dir: ['/d'],
      unveil: ['/b:w'],
      limit: ['wallTime=9'],
      tcpBind: ['none'],
      gid: '5',
      cap: ['CHOWN'],
      env: ['A=option'],
    };
    const before = structuredClone(file);
    expect(membersOf(options, file)).toEqual({
      hostname: 'option',
      mounts: [{ type: 'dev' }, { type: 'directory', target: '/d' }],
      unveil: { '/a': 'r', '/b': 'w' },
      limits: { wallTime: 9, processes: 2 },
      tcp: { connect: [1], bind: [] },
      user: { uid: 1, gid: 5 },
      capabilities: ['CHOWN'],
      env: { A: 'option', B: 'file' },
    });
    expect(file).toEqual(before);
  });

  it("adds to the caller's environment where the file inherits it", () => {
    expect(membersOf({ env: ['B=b'] }, { env: 'inherit' })).toEqual({
      env: { A: 'a', LANG: 'de', B: 'b', PATH: undefined, HOME: undefined, TERM: undefined },
    });
    expect(membersOf({}, { env: 'inherit' })).toEqual({ env: 'inherit' });
    expect(membersOf({ inheritEnv: true }, { env: { A: 'file' } })['env']).toMatchObject({ A: 'file', LANG: 'de' });
  });

  it.each(['__proto__', 'constructor'])(
    'keeps the name %s as a member of its own, for the schema to refuse',
    (name) => {
      const { limits } = membersOf({ limit: [`${name}=1`] });
      expect(Object.hasOwn(limits as object, name)).toBe(true);
      expect(Object.getPrototypeOf(limits)).toBe(Object.prototype);
    },
  );

  it('collects every option that is not written as it should be', () => {
    const draft = new PolicyDraft(
      {},
      { unveil: ['/a'], bind: ['/a:x'], seccomp: 'none', limit: ['x'], root: 'hots' },
      outside,
    );
    expect(draft.issues.map(({ path }) => path)).toEqual([
      '--root hots',
      '--unveil /a',
      '--bind /a:x',
      '--seccomp none',
      '--limit x',
    ]);
  });

  it('knows which option a place in the policy comes from', () => {
    const draft = new PolicyDraft(
      { mounts: [{ type: 'dev' }], hostname: 'file' },
      { tmpfs: ['/t'], unveil: ['/a b:r'], net: 'host', uid: '7', cap: ['KILL'] },
      outside,
    );
    expect(draft.originOf('mounts[0]')).toBeUndefined();
    expect(draft.originOf('mounts[1].size')).toBe('--tmpfs /t');
    expect(draft.originOf('mounts[10]')).toBeUndefined();
    expect(draft.originOf('unveil["/a b"]')).toBe('--unveil /a b:r');
    expect(draft.originOf('net')).toBe('--net host');
    expect(draft.originOf('network')).toBeUndefined();
    expect(draft.originOf('user.uid')).toBe('--uid 7');
    expect(draft.originOf('capabilities[0]')).toBe('--cap KILL');
    expect(draft.originOf('hostname')).toBeUndefined();
  });
});
