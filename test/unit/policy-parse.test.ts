import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';

import { parsePolicyFile, parseRunCall, parseSpawn } from '../../lib/policy/parse.js';
import { CAPABILITIES as ENCODED } from '../../lib/native/encode.js';
import { CAPABILITIES } from '../../lib/policy/vocabulary.js';
import { issuesOf, thrownBy } from '../support/errors.js';
import { USER } from '../support/fake-host.js';

function parseRun(
  ...call: Parameters<typeof parseRunCall>
): Exclude<ReturnType<typeof parseRunCall>, { image: string }> {
  const request = parseRunCall(...call);
  if ('image' in request) {
    throw new Error('its root is an image');
  }
  return request;
}

const spawn = (options?: unknown, args: unknown = [], command: unknown = 'ls') =>
  parseSpawn(command, args, options, USER);

describe('a call without a policy', () => {
  test('gets every default', () => {
    const request = spawn();
    expect(request).toMatchObject({ command: 'ls', args: [], argv0: 'ls', stdio: ['pipe', 'pipe', 'pipe'], pty: null });
    expect(request.policy).toEqual({
      root: { kind: 'system' },
      unveil: [],
      mounts: [],
      net: 'none',
      hostname: 'cloister',
      user: { uid: 1000, gid: 1000, changed: false, hostRoot: false },
      limits: {
        wallTime: null,
        cpuTime: null,
        memory: null,
        processes: null,
        fileSize: null,
        openFiles: null,
        output: null,
        scratch: 64 * 2 ** 20,
        cpus: null,
        core: null,
        stack: null,
        addressSpace: null,
        asked: [],
      },
      environment: [
        'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'HOME=/tmp',
        'LANG=de_DE.UTF-8',
        'TERM=xterm',
      ],
      cwd: '/',
      scope: undefined,
      capabilities: [],
      pledge: null,
      seccomp: null,
      tcp: null,
      backend: 'auto',
      onViolation: 'kill',
      onUnsupported: 'error',
    });
  });

  test('takes options in place of arguments', () => {
    expect(parseSpawn('ls', { hostname: 'h' }, undefined, USER).policy.hostname).toBe('h');
    expect(parseSpawn('ls', undefined, { hostname: 'h' }, USER).policy.hostname).toBe('h');
    expect(issuesOf(() => parseSpawn('ls', { hostname: 'h' }, {}, USER))).toEqual(['args: wrong-type']);
  });

  test('treats a member that is undefined as absent', () => {
    expect(spawn({ unveil: undefined, limits: { wallTime: undefined }, signal: undefined }).policy).toEqual(
      spawn().policy,
    );
  });
});

describe('every member', () => {
  test('is read', () => {
    const { signal } = new AbortController();
    const stream = new PassThrough();
    const request = parseRun(
      'sh',
      ['-c', 'x'],
      {
        unveil: { src: 'rx', '~/x/../y': 'rwc', '/abs/': '' },
        root: { directory: 'tree', writable: 'discard' },
        net: 'host',
        hostname: 'box-1',
        user: { uid: 7, gid: 8, hostRoot: true },
        limits: {
          wallTime: '5s',
          processes: 4,
          fileSize: '1k',
          openFiles: 9,
          scratch: '1MiB',
          core: 0,
          stack: '8M',
          addressSpace: '12G',
        },
        env: { A: 'b=c', TERM: undefined },
        cwd: '/work//x/',
        scope: false,
        capabilities: ['net_bind_service', 'CAP_KILL', 'Cap_Kill'],
        onViolation: 'error',
        onUnsupported: 'degrade',
        backend: 'namespaces',
        stdio: ['pipe', stream, 2, null, 'ignore'],
        signal,
        argv0: '-sh',
        input: 'text\0text',
        encoding: 'buffer',
      },
      USER,
    );
    expect(request).toMatchObject({
      argv0: '-sh',
      stdio: ['pipe', stream, 2, 'ignore', 'ignore'],
      input: 'text\0text',
      encoding: 'buffer',
    });
    expect(request.signal).toBe(signal);
    expect(request.policy).toMatchObject({
      root: { kind: 'directory', directory: '/home/user/project/tree', writable: 'discard' },
      net: 'host',
      hostname: 'box-1',
      user: { uid: 7, gid: 8, hostRoot: true },
      cwd: '/work/x',
      scope: false,
      capabilities: ['CAP_KILL', 'CAP_NET_BIND_SERVICE'],
      onViolation: 'error',
      onUnsupported: 'degrade',
    });
    expect(request.policy.unveil.map(({ written, path, letters }) => [written, path, letters])).toEqual([
      ['src', '/home/user/project/src', 'rx'],
      ['~/x/../y', '/home/user/y', 'rwc'],
      ['/abs/', '/abs', ''],
    ]);
    expect(request.policy.limits).toMatchObject({
      wallTime: 5000,
      fileSize: 1024,
      stack: 8 * 2 ** 20,
      addressSpace: 12 * 2 ** 30,
    });
    expect(request.policy.environment).toEqual([
      expect.stringMatching(/^PATH=/),
      'HOME=/tmp',
      'LANG=de_DE.UTF-8',
      'A=b=c',
    ]);
  });

  test('of every mount is read and has its default', () => {
    const { policy } = spawn({
      mounts: [
        { type: 'bind', source: 'x' },
        { type: 'tmpfs', target: '/t', size: '1M' },
        { type: 'overlay', lower: ['a', '/b'], target: '/o', upper: '~/u' },
        { type: 'file', target: '/f', content: new Uint8Array([1]) },
        { type: 'directory', target: '/d' },
        { type: 'symlink', target: '/s', to: '../x' },
        { type: 'proc' },
        { type: 'dev' },
      ],
    });
    const x = '/home/user/project/x';
    expect(policy.mounts).toMatchObject([
      { type: 'bind', source: x, target: x, writable: false, optional: false, executable: true },
      { type: 'tmpfs', target: '/t', size: 2 ** 20, mode: 0o755, executable: false },
      { type: 'overlay', lower: ['/home/user/project/a', '/b'], target: '/o', upper: '/home/user/u' },
      { type: 'file', target: '/f', content: new Uint8Array([1]), mode: 0o644, writable: false },
      { type: 'directory', target: '/d', mode: 0o755 },
      { type: 'symlink', target: '/s', to: '../x' },
      { type: 'proc', target: '/proc' },
      { type: 'dev', target: '/dev' },
    ]);
  });

  test("inherits the caller's environment only when told so", () => {
    expect(spawn({ env: 'inherit' }).policy.environment).toEqual(['TERM=xterm', 'LANG=de_DE.UTF-8', 'SECRET=caller']);
    expect(spawn().policy.environment.join()).not.toContain('SECRET');
    expect(spawn({ env: process.env }).policy.environment.length).toBeGreaterThan(3);
  });
});

describe('issues', () => {
  test('are all reported at once, each with its path', () => {
    const error = thrownBy(() =>
      parseSpawn(
        '',
        ['ok', 3],
        { unvail: {}, limits: { wallTime: '5 parsecs', proceses: 1 }, mounts: [{ type: 'bind' }] },
        USER,
      ),
    );
    expect(error.code).toBe('ERR_CLOISTER_POLICY');
    expect(error.issues).toEqual([
      { code: 'out-of-range', path: 'command', message: 'is empty' },
      { code: 'wrong-type', path: 'args[1]', message: 'must be a string, not 3' },
      { code: 'missing', path: 'mounts[0].source', message: 'is missing' },
      { code: 'bad-quantity', path: 'limits.wallTime', message: expect.stringContaining('parsecs') as unknown },
      { code: 'unknown-key', path: 'limits.proceses', message: 'did you mean processes?' },
      { code: 'unknown-key', path: 'unvail', message: 'did you mean unveil?' },
    ]);
    expect(error.message).toContain('unvail: did you mean unveil?');
  });

  test.each<[string, unknown, string]>([
    ['unveil', { unveil: { '/a': 'rq' } }, 'unveil["/a"]: unknown-letter'],
    ['unveil', { unveil: { '/a': 7 } }, 'unveil["/a"]: unknown-letter'],
    ['unveil', { unveil: { '': 'r' } }, 'unveil[""]: bad-name'],
    ['unveil', { unveil: ['/a'] }, 'unveil: wrong-type'],
    ['unveil', { unveil: { a: 'r', './a': 'rw' } }, 'unveil["./a"]: duplicate'],
    ['pledge', { pledge: 'stdio rpat' }, 'pledge: unknown-promise'],
    ['pledge', { pledge: ['stdio', 'inte'] }, 'pledge[1]: unknown-promise'],
    ['capabilities', { capabilities: ['NET_ADMN'] }, 'capabilities[0]: unknown-capability'],
    ['tcp', { tcp: { connect: [65536] } }, 'tcp.connect[0]: out-of-range'],
    ['tcp', { tcp: { bind: [1.5] } }, 'tcp.bind[0]: out-of-range'],
    ['scope', { scope: 1 }, 'scope: wrong-type'],
    ['onViolation', { onViolation: 'die' }, 'onViolation: unknown-value'],
    ['onUnsupported', { onUnsupported: 'ignore' }, 'onUnsupported: unknown-value'],
    ['root', { root: 'nothing' }, 'root: unknown-value'],
    ['root', { root: 7 }, 'root: wrong-type'],
    ['root', { root: { directory: '' } }, 'root.directory: bad-path'],
    ['root', { root: { directory: '/a', writable: 'yes' } }, 'root.writable: wrong-type'],
    ['net', { net: 'nune' }, 'net: unknown-value'],
    ['net', { net: { allow: 'x' } }, 'net.allow: wrong-type'],
    ['hostname', { hostname: 'a b' }, 'hostname: bad-hostname'],
    ['hostname', { hostname: 'a'.repeat(65) }, 'hostname: bad-hostname'],
    ['user', { user: { uid: -1 } }, 'user.uid: out-of-range'],
    ['user', { user: { gid: 4294967295 } }, 'user.gid: out-of-range'],
    ['user', { user: { uid: Number.NaN } }, 'user.uid: out-of-range'],
    ['limits', { limits: { wallTime: Number.NaN } }, 'limits.wallTime: bad-quantity'],
    ['limits', { limits: { wallTime: 0 } }, 'limits.wallTime: bad-quantity'],
    ['limits', { limits: { processes: 0 } }, 'limits.processes: out-of-range'],
    ['limits', { limits: { processes: 1.5 } }, 'limits.processes: out-of-range'],
    ['limits', { limits: { openFiles: -1 } }, 'limits.openFiles: out-of-range'],
    ['limits', { limits: { scratch: 0 } }, 'limits.scratch: bad-quantity'],
    ['limits', { limits: { fileSize: 2 ** 53 } }, 'limits.fileSize: bad-quantity'],
    ['limits', { limits: { memory: -5 } }, 'limits.memory: bad-quantity'],
    ['limits', { limits: { cpus: 0 } }, 'limits.cpus: out-of-range'],
    ['limits', { limits: { cpus: Number.POSITIVE_INFINITY } }, 'limits.cpus: out-of-range'],
    ['limits', { limits: null }, 'limits: wrong-type'],
    ['env', { env: { 'A=B': 'x' } }, 'env["A=B"]: bad-name'],
    ['env', { env: { '': 'x' } }, 'env[""]: bad-name'],
    ['env', { env: { A: 1 } }, 'env.A: wrong-type'],
    ['env', { env: 'all' }, 'env: unknown-value'],
    ['cwd', { cwd: 'relative' }, 'cwd: bad-path'],
    ['cwd', { cwd: '/a/../b' }, 'cwd: bad-path'],
    ['backend', { backend: 'docker' }, 'backend: unknown-value'],
    ['stdio', { stdio: 'pip' }, 'stdio: unknown-value'],
    ['stdio', { stdio: ['pipe', 'ipc'] }, 'stdio[1]: bad-stdio'],
    ['stdio', { stdio: [-1] }, 'stdio[0]: bad-stdio'],
    ['stdio', { stdio: [{}] }, 'stdio[0]: bad-stdio'],
    ['stdio', { stdio: Array.from({ length: 251 }, () => 'pipe') }, 'stdio: out-of-range'],
    ['signal', { signal: {} }, 'signal: wrong-type'],
    ['argv0', { argv0: 1 }, 'argv0: wrong-type'],
    ['pty', { pty: { columns: 80 } }, 'pty.rows: missing'],
    ['pty', { pty: { columns: 0, rows: 1 } }, 'pty.columns: out-of-range'],
    ['pty', { pty: { columns: 70_000, rows: 1 } }, 'pty.columns: out-of-range'],
    ['input', { input: 'x' }, 'input: unknown-key'],
    ['mounts', { mounts: {} }, 'mounts: wrong-type'],
    ['mounts', { mounts: [{ type: 'bnd' }] }, 'mounts[0].type: unknown-value'],
    ['mounts', { mounts: [{}] }, 'mounts[0].type: missing'],
    ['mounts', { mounts: ['x'] }, 'mounts[0]: wrong-type'],
    ['mounts', { mounts: [{ type: 'bind', source: '' }] }, 'mounts[0].source: bad-path'],
    ['mounts', { mounts: [{ type: 'bind', source: '/a', target: 'b' }] }, 'mounts[0].target: bad-path'],
    ['mounts', { mounts: [{ type: 'bind', source: '/a', writeable: true }] }, 'mounts[0].writeable: unknown-key'],
    ['mounts', { mounts: [{ type: 'bind', source: '/a', target: '/' }] }, 'mounts[0].target: bad-path'],
    ['mounts', { mounts: [{ type: 'tmpfs', target: '/a', size: 0 }] }, 'mounts[0].size: bad-quantity'],
    ['mounts', { mounts: [{ type: 'tmpfs', target: '/a', mode: 0o4755 }] }, 'mounts[0].mode: out-of-range'],
    ['mounts', { mounts: [{ type: 'overlay', lower: [], target: '/a' }] }, 'mounts[0].lower: out-of-range'],
    ['mounts', { mounts: [{ type: 'file', target: '/a', content: 1 }] }, 'mounts[0].content: wrong-type'],
    ['mounts', { mounts: [{ type: 'symlink', target: '/a', to: '' }] }, 'mounts[0].to: bad-path'],
    ['mounts', { mounts: [{ type: 'directory', target: '/a/../b' }] }, 'mounts[0].target: bad-path'],
    ['seccomp', { seccomp: { defaultAction: 'alow', rules: [] } }, 'seccomp.defaultAction: unknown-value'],
    ['seccomp', { seccomp: { defaultAction: 'SCMP_ACT_ALLOW', syscalls: 1 } }, 'seccomp.syscalls: wrong-type'],
    [
      'seccomp',
      { seccomp: { defaultAction: 'allow', rules: [{ syscalls: 'x', action: { errno: 5000 } }] } },
      'seccomp.rules[0].action.errno: out-of-range',
    ],
    [
      'seccomp',
      {
        seccomp: {
          defaultAction: 'allow',
          rules: [{ syscalls: 'x', action: 'allow', args: [{ index: 6, op: '==', value: 1 }] }],
        },
      },
      'seccomp.rules[0].args[0].index: out-of-range',
    ],
    [
      'seccomp',
      {
        seccomp: {
          defaultAction: 'allow',
          rules: [{ syscalls: 'x', action: 'allow', args: [{ index: 0, op: '==', value: 2 ** 60 }] }],
        },
      },
      'seccomp.rules[0].args[0].value: out-of-range',
    ],
  ])('name what is wrong with %s: %j', (_member, options, issue) => {
    expect(issuesOf(() => spawn(options))).toEqual([issue]);
  });

  test.each<[string, unknown, string[]]>([
    ['a terminal and other descriptors', { pty: { columns: 80, rows: 24 }, stdio: 'inherit' }, ['stdio: conflict']],
    [
      'output that nobody can count',
      { limits: { output: 1 }, stdio: ['pipe', 'inherit', 'pipe'] },
      ['limits.output: conflict'],
    ],
    ['output and a terminal', { limits: { output: 1 }, pty: { columns: 1, rows: 1 } }, ['limits.output: conflict']],
    [
      "the promise 'error' and another answer",
      { pledge: 'stdio error', onViolation: 'kill' },
      ['onViolation: conflict'],
    ],
    ['a filter that asks', { seccomp: { defaultAction: 'notify', rules: [] } }, ['seccomp.defaultAction: conflict']],
    [
      'a rule that traces',
      { seccomp: { defaultAction: 'allow', rules: [{ syscalls: 'read', action: { trace: 1 } }] } },
      ['seccomp.rules[0].action: conflict'],
    ],
    [
      'a conflict beside another issue',
      { pty: { columns: 1, rows: 1 }, stdio: 'ignore', x: 1 },
      ['x: unknown-key', 'stdio: conflict'],
    ],
  ])('tell of %s', (_what, options, issues) => {
    expect(issuesOf(() => spawn(options))).toEqual(issues);
  });

  test('tell of input without a pipe, and allow it with one', () => {
    expect(issuesOf(() => parseRun('x', [], { input: 'a', stdio: 'ignore' }, USER))).toEqual(['input: conflict']);
    expect(parseRun('x', [], { input: 'a', stdio: ['pipe', 'ignore'] }, USER).input).toBe('a');
    expect(parseRun('x', [], { input: 'a', pty: { columns: 1, rows: 1 } }, USER).input).toBe('a');
  });

  test.each([[null], [3], ['x'], [[]]])('tell that %j is no policy', (options) => {
    expect(issuesOf(() => parseSpawn('x', [], options, USER))).toHaveLength(1);
  });

  test.each([[undefined], [null], [3], [{}]])('tell that %j is no command', (command) => {
    expect(issuesOf(() => parseSpawn(command, [], {}, USER))).toEqual(['command: wrong-type']);
  });
});

describe('paths that hand out power', () => {
  test.each([
    ['/', 'r'],
    ['/proc', 'rw'],
    ['/proc/self/mem', 'rwc'],
    ['/sys', 'r'],
    ['/sys/fs/cgroup', 'rwc'],
    ['/dev', 'rw'],
    ['/dev/pts', 'rw'],
    ['/run', 'r'],
    ['/run/docker.sock', 'rw'],
    ['/run/user/1000', 'r'],
    ['/run/user/1000/bus', 'rw'],
    ['/run/containerd', 'r'],
    ['/var/lib/incus', 'r'],
  ])('are refused: %s', (path, letters) => {
    expect(issuesOf(() => spawn({ unveil: { [path]: letters } }))).toEqual([`unveil["${path}"]: powerful-path`]);
  });

  test.each([
    ['/proc', 'r'],
    ['/proc/self/status', 'r'],
    ['/dev/null', 'rw'],
    ['/run/user/1000/app', 'r'],
    ['/run/resolve', 'r'],
    ['/var', 'r'],
    ['/sysroot', 'r'],
    ['/process', 'rwc'],
    ['/sys/x', ''],
  ])('are not confused with %s', (path, letters) => {
    expect(spawn({ unveil: { [path]: letters } }).policy.unveil).toHaveLength(1);
  });

  test('may be mounted by name where that is not writable power over the host', () => {
    const bind = (source: string, writable = false) =>
      spawn({ mounts: [{ type: 'bind', source, target: '/x', writable }] });
    expect(bind('/run/docker.sock').policy.mounts).toHaveLength(1);
    expect(bind('/sys').policy.mounts).toHaveLength(1);
    expect(issuesOf(() => bind('/sys', true))).toEqual(['mounts[0].source: powerful-path']);
    expect(issuesOf(() => bind('/proc'))).toEqual(['mounts[0].source: powerful-path']);
    expect(issuesOf(() => bind('/'))).toEqual(['mounts[0].source: powerful-path']);
  });
});

describe('the backend', () => {
  const under = (variable: string, options: object = {}) =>
    parseSpawn('ls', [], options, { ...USER, environment: { ...USER.environment, CLOISTER_BACKEND: variable } });

  test.each<[string, object, string]>([
    ['landlock', {}, 'landlock'],
    ['chroot', { backend: 'auto' }, 'chroot'],
    ['landlock', { backend: 'namespaces' }, 'namespaces'],
    ['auto', { backend: 'landlock' }, 'landlock'],
    ['', {}, 'auto'],
  ])('CLOISTER_BACKEND=%s with %j is %s', (variable, options, backend) => {
    expect(under(variable, options).policy.backend).toBe(backend);
  });

  test('CLOISTER_BACKEND with any other value is refused, whatever the policy says', () => {
    expect(issuesOf(() => under('docker'))).toEqual(['backend: unknown-value']);
    expect(issuesOf(() => under('Landlock', { backend: 'namespaces' }))).toEqual(['backend: unknown-value']);
  });
});

describe('parts that are not built', () => {
  test.each<[string, unknown]>([
    ['net: {allow}', { net: { allow: ['a'], ask: () => true } }],
    ['appArmorProfile', { appArmorProfile: 'x' }],
    ['selinuxLabel', { selinuxLabel: 'x' }],
  ])('are named: %s', (feature, options) => {
    for (const onUnsupported of ['error', 'degrade'] as const) {
      const error = thrownBy(() => spawn({ ...(options as object), onUnsupported }));
      expect(error.code).toBe('ERR_CLOISTER_UNSUPPORTED');
      expect(error.message).toContain(feature);
    }
  });

  test('are named together, and only after the policy is right', () => {
    expect(thrownBy(() => spawn({ appArmorProfile: 'y', selinuxLabel: 'x' })).message).toContain(
      'appArmorProfile, selinuxLabel',
    );
    expect(thrownBy(() => spawn({ selinuxLabel: 'x', x: 1 })).code).toBe('ERR_CLOISTER_POLICY');
  });
});

describe('a policy file', () => {
  test('is returned as written, without its $schema', () => {
    expect({
      ...parsePolicyFile({ $schema: './policy.schema.json', unveil: { x: 'r' }, limits: { wallTime: '1s' } }),
    }).toEqual({
      unveil: { x: 'r' },
      limits: { wallTime: '1s' },
    });
  });

  test.each<[unknown, string[]]>([
    [[], [': wrong-type']],
    [{ unvail: {} }, ['unvail: unknown-key']],
    [{ stdio: 'pipe' }, ['stdio: unknown-key']],
    [{ net: { allow: [], ask: 'x' } }, ['net.ask: unknown-key']],
  ])('is refused: %j', (json, issues) => {
    expect(issuesOf(() => parsePolicyFile(json))).toEqual(issues);
  });
});

test('knows the capabilities that the launcher is told', () => {
  expect(CAPABILITIES).toEqual(ENCODED);
});
