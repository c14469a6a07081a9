/** Compiled filters, asked by the kernel: each refusal beside the same call without a filter. */

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { compile, compileMerged } from '../../lib/filter/compile.js';
import { syscallNumber } from '../../lib/filter/names.js';
import { hardeningPolicy } from '../../lib/policy/hardening.js';
import { pledgePolicy } from '../../lib/policy/promises.js';
import type { SeccompPolicy } from '../../lib/policy/seccomp-types.js';
import { separationPolicy } from '../../lib/policy/separation.js';

const EPERM = 'errno 1';
const ENOSYS = 'errno 38';
const KILLED = 'SIGSYS';

let folder = '';
let filtered = '';
let programs = 0;

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'cloister-seccomp-'));
  filtered = path.join(folder, 'filtered');
  execFileSync('cc', ['-O1', '-o', filtered, fileURLToPath(new URL('../sandboxee/filtered.c', import.meta.url))]);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function install(...policies: SeccompPolicy[]): string {
  const file = path.join(folder, `program-${programs++}`);
  writeFileSync(file, compileMerged(policies).bytes);
  return file;
}

type Call = readonly [string | number, ...(number | bigint)[]];

/** What came of a call in a fresh process: "ok", "errno NUMBER", or the signal that ended it. */
function result(program: string, [syscall, ...args]: Call, how: 'call' | 'call32' = 'call'): string {
  const number = typeof syscall === 'string' ? syscallNumber(syscall) : syscall;
  const { stdout, signal } = spawnSync(filtered, [program, how, ...[number, ...args].map(String)], {
    encoding: 'utf8',
  });
  return signal ?? (stdout.startsWith('ok') ? 'ok' : stdout.trim());
}

function run(program: string, command: string, ...args: string[]) {
  return spawnSync(filtered, [program, 'exec', command, ...args], {
    encoding: 'utf8',
    cwd: folder,
    env: { ...process.env, HOME: folder },
  });
}

/** A call as text: numbers of 64 bits have no JSON. */
const written = ([syscall, ...args]: Call): string => `${syscall}(${args.map(String).join(', ')})`;

const only = (...rules: SeccompPolicy['rules']): SeccompPolicy => ({
  defaultAction: 'allow',
  rules,
});

describe('answers of the kernel', () => {
  it.each([
    ['an errno', { errno: 'EACCES' }, 'errno 13'],
    ['a killed process', 'kill-process', KILLED],
    ['a trap', 'trap', KILLED],
    ['a log entry', 'log', 'ok'],
    ['a notification without a listener', 'notify', ENOSYS],
    ['a trace without a tracer', { trace: 1 }, ENOSYS],
  ] as const)('%s is what the policy says', (_, action, expected) => {
    const program = install(only({ syscalls: 'getpid', action }));
    expect(result(program, ['getpid'])).toBe(expected);
    expect(result('-', ['getpid'])).toBe('ok');
    expect(result(program, ['getuid'])).toBe('ok');
  });

  it('compares both halves of a wide argument', () => {
    // A pointer with zero in the lower half is not NULL: the kernel finds nothing there.
    const program = install(
      only({ syscalls: 'uname', action: { errno: 'EACCES' }, args: [{ index: 0, op: '!=', value: 0 }] }),
    );
    expect(result(program, ['uname', 0])).toBe('errno 14');
    expect(result(program, ['uname', 0x7_0000_0000n])).toBe('errno 13');
    expect(result('-', ['uname', 0x7_0000_0000n])).toBe('errno 14');
  });
});

describe('the half of an int that the kernel does not read', () => {
  const AF_VSOCK = 40n;
  it('does not let a refused socket family pass', () => {
    const program = install(
      only({ syscalls: 'socket', action: { errno: 'EPERM' }, args: [{ index: 0, op: '==', value: AF_VSOCK }] }),
    );
    for (const family of [AF_VSOCK, AF_VSOCK + 2n ** 32n, AF_VSOCK + 2n ** 63n]) {
      expect(result(program, ['socket', family, 1, 0]), String(family)).toBe(EPERM);
      // Without a filter the kernel takes all of them for the same family: made, or not built into this kernel.
      expect(result('-', ['socket', family, 1, 0]), String(family)).toBe(result('-', ['socket', AF_VSOCK, 1, 0]));
    }
    expect(result(program, ['socket', 1, 1, 0])).toBe('ok');
  });
  it('would, were the whole register compared', () => {
    const whole = install(
      only({ syscalls: 'socket', action: { errno: 'EPERM' }, args: [{ index: 0, op: '==', value: 2, width: 64 }] }),
    );
    expect(result(whole, ['socket', 2, 1, 0])).toBe(EPERM);
    expect(result(whole, ['socket', 2n ** 32n + 2n, 1, 0])).toBe('ok');
  });
});

describe.runIf(process.arch === 'x64')('other ways into the kernel', () => {
  const X32_GETPID = 0x4000_0000 + 39;
  it('int 0x80 is a call of another architecture', () => {
    const getpid32 = 20;
    const program = install(only({ syscalls: 'ptrace', action: { errno: 'EPERM' } }));
    expect(result(program, [getpid32], 'call32')).toBe(KILLED);
    const both = install({ ...only(), architectures: ['x86_64', 'x86'] });
    expect(result(both, [getpid32], 'call32')).toBe(result('-', [getpid32], 'call32'));
  });
  it('numbers of x32 do not pass a deny-list', () => {
    const program = install(only({ syscalls: 'getpid', action: { errno: 'EPERM' } }));
    expect(result(program, ['getpid'])).toBe(EPERM);
    expect(result(program, [X32_GETPID])).toBe(KILLED);
    expect([ENOSYS, 'ok']).toContain(result('-', [X32_GETPID]));
  });
});

describe('the hardening filter', () => {
  let hardened = '';
  beforeAll(() => {
    hardened = install(hardeningPolicy());
  });

  const NEW_USER_NAMESPACE = 0x1000_0011;
  const refused: [Call, string][] = [
    [['socket', 17, 3, 0], EPERM],
    [['socket', 2n ** 32n + 17n, 3, 0], EPERM],
    [['socket', 2, 3, 1], EPERM],
    [['socket', 2, 3n + 2n ** 32n, 1], EPERM],
    [['socket', 16, 3, 12], EPERM],
    [['ioctl', 0, 0x5412, 0], EPERM],
    [['ioctl', 0, 0x1_0000_5412n, 0], EPERM],
    [['unshare', 0x1000_0000], EPERM],
    [['clone', NEW_USER_NAMESPACE, 0, 0, 0, 0], EPERM],
    [['clone', 2n ** 32n + BigInt(NEW_USER_NAMESPACE), 0, 0, 0, 0], EPERM],
    [['ptrace', 0, 0, 0, 0], EPERM],
    [['personality', 0x4_0000], EPERM],
    [['personality', 2n ** 32n + 0x4_0000n], EPERM],
    [['seccomp', 1, 8, 0], EPERM],
    [['clone3', 0, 0], ENOSYS],
    [['io_uring_setup', 1, 0], ENOSYS],
    [[100_000], ENOSYS],
  ];
  it.each(refused.map(([call, expected]) => [written(call), call, expected] as const))(
    'refuses %s',
    (_, call, expected) => {
      expect(result(hardened, call)).toBe(expected);
      const free = result('-', call);
      expect(typeof call[0] === 'number' || free !== expected || process.getuid?.() !== 0, free).toBe(true);
    },
  );

  const passing: Call[] = [
    ['socket', 2, 1, 0],
    ['socket', 10, 2, 17],
    ['socket', 16, 3, 0],
    ['socket', 1, 0x8_0801, 0],
    ['personality', 0xffff_ffff],
    ['unshare', 0x400],
  ];
  it.each(passing.map((call) => [written(call), call] as const))('lets %s pass', (_, call) => {
    expect(result(hardened, call)).toBe('ok');
  });

  it.each<[string, string[], RegExp]>([
    ['node', ['-e', 'new (require("worker_threads").Worker)("console.log(6 * 7)", { eval: true })'], /^42$/m],
    ['node', ['-p', 'require("child_process").execSync("echo child", { encoding: "utf8" })'], /^child$/m],
    ['bash', ['-c', 'echo $(cat <<< piped) | cat'], /^piped$/m],
    [
      'python3',
      ['-c', 'import threading; t = threading.Thread(target=lambda: print("thread")); t.start(); t.join()'],
      /^thread$/m,
    ],
    ['git', ['init', '--quiet', 'repository'], /^$/],
    ['gcc', ['-x', 'c', '-o', 'a.out', '/dev/null', '-Wl,--unresolved-symbols=ignore-all', '-nostartfiles'], /^$/],
    ['perl', ['-e', 'print fork ? "parent" : ""; wait'], /parent/],
    ['java', ['-version'], /^$/],
    ['go', ['version'], /^go version/],
  ])('%s %j runs under it', (command, args, output) => {
    const found = process.env['PATH']?.split(':').some((directory) => existsSync(path.join(directory, command)));
    if (found !== true) {
      return;
    }
    const { status, stdout, stderr, signal } = run(hardened, command, ...args);
    expect({ status, signal, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, signal: null, stderr: '' });
    expect(stdout).toMatch(output);
  });

  it('can be narrowed to cells without network and without IPC', () => {
    const shared = {
      network: true,
      ipc: true,
      unixSockets: false,
      processes: false,
      fileOwner: false,
      unseenMemory: false,
    };
    const narrow = install(hardeningPolicy(), separationPolicy(shared));
    expect(result(narrow, ['socket', 2, 1, 0])).toBe(EPERM);
    expect(result(narrow, ['socket', 1, 1, 0])).toBe('ok');
    expect(result(narrow, ['shmget', 0, 4096, 0o1600])).toBe(EPERM);
    expect(result(hardened, ['socket', 2, 1, 0])).toBe('ok');
    expect(result(hardened, ['shmget', 0, 4096, 0o1600])).toBe('ok');
  });
});

describe('filters of promises', () => {
  const node = (promises: string, script: string) =>
    run(install(pledgePolicy(`${promises} exec`, { signals: 'any' })), process.execPath, '-e', script);

  it.each<[string, string, string]>([
    ['stdio rpath prot_exec', 'wpath cpath', 'require("fs").writeFileSync("file", "x")'],
    ['stdio rpath prot_exec', 'inet', 'require("net").createServer().listen(0, function () { this.close() })'],
    [
      'stdio rpath prot_exec',
      'unix cpath',
      'require("net").createServer().listen("socket", function () { this.close() })',
    ],
    ['stdio rpath prot_exec', 'proc', 'require("child_process").execFileSync("true")'],
    [
      'stdio rpath prot_exec wpath cpath',
      'fattr',
      'require("fs").writeFileSync("f", ""); require("fs").chmodSync("f", 0o600)',
    ],
  ])('"%s" ends a process that does what "%s" is for', (held, missing, script) => {
    expect(node(held, script).signal).toBe('SIGSYS');
    const allowed = node(`${held} ${missing}`, script);
    expect({ status: allowed.status, signal: allowed.signal, stderr: allowed.stderr }).toEqual({
      status: 0,
      signal: null,
      stderr: '',
    });
  });

  it('set-user-id bits cannot be set with any of them', () => {
    const program = install(pledgePolicy('stdio rpath wpath cpath fattr', { onViolation: 'error' }));
    const AT_FDCWD = -100n;
    // An address that nothing is mapped at: the kernel would answer EFAULT.
    expect(result(program, ['fchmodat', AT_FDCWD & 0xffff_ffff_ffff_ffffn, 1, 0o4755])).toBe(EPERM);
    expect(result(program, ['fchmodat', AT_FDCWD & 0xffff_ffff_ffff_ffffn, 1, 0o755])).toBe('errno 14');
    expect(result('-', ['fchmodat', AT_FDCWD & 0xffff_ffff_ffff_ffffn, 1, 0o4755])).toBe('errno 14');
  });

  it('a filter may be as long as the kernel takes, and no longer', () => {
    const rules = (count: number): SeccompPolicy => ({
      defaultAction: 'allow',
      rules: Array.from({ length: count }, (_, index) => ({
        syscalls: 'ptrace',
        action: { errno: 1 + (index % 2) },
        args: [{ index: 1, op: '==', value: index * 3, width: 32 }],
      })),
    });
    const long = rules(2000);
    expect(compile(long).length).toBeGreaterThan(2000);
    expect(result(install(long), ['ptrace', 99, 3, 0, 0])).toBe('errno 2');
    expect(() => compile(rules(5000))).toThrow(/4096/);
  });
});
