import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { compile } from '../../../lib/filter/compile.js';
import { fromOci, type OciOptions } from '../../../lib/policy/oci.js';
import type { OciSeccompProfile, SeccompArch } from '../../../lib/policy/seccomp-types.js';

const docker = JSON.parse(
  readFileSync(new URL('../../data/docker-default.json', import.meta.url), 'utf8'),
) as OciSeccompProfile;

const target: OciOptions = { arch: 'x86_64', kernel: '6.1' };
const EPERM = { errno: 1 };

function profile(...syscalls: object[]): OciSeccompProfile {
  return { defaultAction: 'SCMP_ACT_ERRNO', syscalls };
}

function entry(names: string[], action: string, args: object[] = [], more: object = {}): object {
  return { names, action, args, ...more };
}

function compare(index: number, op: string, value: number | bigint, valueTwo?: number | bigint): object {
  return { index, op: `SCMP_CMP_${op}`, value, ...(valueTwo === undefined ? {} : { valueTwo }) };
}

function answers(source: OciSeccompProfile, options: OciOptions = target) {
  const program = compile(fromOci(source, options));
  return (syscall: string | number, args: (number | bigint)[] = [], arch: SeccompArch = options.arch ?? 'x86_64') =>
    program.evaluate({ arch, syscall, args }).action;
}

describe("Docker's default profile", () => {
  const answer = answers(docker);
  test('allows what containers use and refuses the rest', () => {
    for (const name of ['read', 'openat', 'execve', 'ptrace', 'futex']) {
      expect(answer(name), name).toBe('allow');
    }
    for (const name of ['mount', 'bpf', 'unshare', 'kexec_load', 'keyctl', 'reboot']) {
      expect(answer(name), name).toEqual(EPERM);
    }
  });
  test('answers clone3 with the error of its own', () => {
    expect(answer('clone3')).toEqual({ errno: 38 });
  });
  test('refuses AF_VSOCK and AF_ALG, also with a bit in the half that the kernel does not read', () => {
    for (const family of [38n, 40n]) {
      expect(answer('socket', [family])).toEqual(EPERM);
      expect(answer('socket', [family + 2n ** 32n])).toEqual(EPERM);
    }
    expect(answer('socket', [2])).toBe('allow');
    expect(answer('socket', [39])).toBe('allow');
  });
  test("compares whole registers with argumentWidths '64', as libseccomp does", () => {
    const whole = answers(docker, { ...target, argumentWidths: '64' });
    expect(whole('socket', [40])).toEqual(EPERM);
    expect(whole('socket', [2n ** 32n + 40n])).toBe('allow');
  });
  test('refuses clone with any flag of a new namespace', () => {
    expect(answer('clone', [0x11])).toBe('allow');
    for (const bit of [17, 25, 26, 27, 28, 29, 30]) {
      expect(answer('clone', [2 ** bit + 0x11]), `bit ${bit}`).toEqual(EPERM);
    }
  });
  test('allows more to those who hold capabilities', () => {
    const privileged = answers(docker, { ...target, capabilities: ['sys_admin', 'CAP_SYS_BOOT'] });
    expect(privileged('mount')).toBe('allow');
    expect(privileged('reboot')).toBe('allow');
    expect(privileged('clone', [2 ** 28])).toBe('allow');
    expect(privileged('clone3')).toBe('allow');
    expect(privileged('bpf')).toBe('allow');
  });
  test('refuses ptrace below the kernel it asks for', () => {
    expect(answers(docker, { ...target, kernel: '4.7' })('ptrace')).toEqual(EPERM);
    expect(answers(docker, { ...target, kernel: '4.8.0-11-generic' })('ptrace')).toBe('allow');
  });
  test('takes calls of one machine on that machine alone', () => {
    expect(answer('arch_prctl')).toBe('allow');
    expect(answers(docker, { ...target, arch: 'x86' })('modify_ldt')).toBe('allow');
    expect(answers(docker, { ...target, arch: 'aarch64' })('sync_file_range2', [], 'arm')).toBe('allow');
    expect(answers(docker, { ...target, arch: 'riscv64' })('riscv_flush_icache')).toBe('allow');
  });
  test('covers the architectures that archMap names, and no other', () => {
    expect(answer('read', [], 'x86')).toBe('allow');
    expect(answer('read', [], 'x32')).toBe('allow');
    expect(answer('read', [], 'aarch64')).toBe('kill-process');
  });
  test('gives unknown numbers its default action, or what the caller says', () => {
    expect(answer(4000)).toEqual(EPERM);
    expect(answers(docker, { ...target, unknownSyscallAction: 'trap' })(4000)).toBe('trap');
  });
  test('caches exactly the calls that it always allows', () => {
    const program = compile(fromOci(docker, target));
    const cached = (arch: SeccompArch) =>
      Array.from({ length: 471 }, (_, number) => number).filter((number) => program.isCached({ arch, syscall: number }))
        .length;
    expect(cached('x86_64')).toBe(305);
    expect(cached('x86')).toBe(356);
  });
});

describe('rules that match the same call', () => {
  test('the narrower one wins, in either order', () => {
    const narrow = entry(['socket'], 'SCMP_ACT_LOG', [compare(0, 'EQ', 2)]);
    const wide = entry(['socket'], 'SCMP_ACT_ALLOW', [compare(0, 'LT', 10)]);
    const widest = entry(['socket'], 'SCMP_ACT_TRAP', [compare(0, 'LT', 100)]);
    for (const list of [
      [narrow, wide, widest],
      [widest, wide, narrow],
      [wide, narrow, widest],
    ]) {
      const answer = answers(profile(...list));
      expect(answer('socket', [2])).toBe('log');
      expect(answer('socket', [3])).toBe('allow');
      expect(answer('socket', [10])).toBe('trap');
      expect(answer('socket', [100])).toEqual(EPERM);
    }
  });
  test('a stricter one with fewer conditions covers what adds to them, as with libseccomp', () => {
    const refused = entry(['socket'], 'SCMP_ACT_TRAP');
    const some = entry(['socket'], 'SCMP_ACT_ALLOW', [compare(0, 'EQ', 2)]);
    const more = entry(['socket'], 'SCMP_ACT_LOG', [compare(0, 'EQ', 2), compare(1, 'EQ', 1)]);
    for (const list of [
      [refused, some],
      [some, refused],
    ]) {
      const policy = fromOci(profile(...list), target);
      expect(compile(policy).evaluate({ arch: 'x86_64', syscall: 'socket', args: [2] }).action).toBe('trap');
      expect(policy.skipped).toEqual([expect.stringMatching(/^syscalls\[\d] on socket: syscalls\[\d] is stricter/)]);
    }
    const apart = answers(profile(entry(['socket'], 'SCMP_ACT_TRAP', [compare(0, 'EQ', 1)]), some, more));
    expect(apart('socket', [1])).toBe('trap');
    expect(apart('socket', [2, 1])).toBe('log');
    expect(apart('socket', [2, 2])).toBe('allow');
    const covered = answers(profile(entry(['socket'], 'SCMP_ACT_TRAP', [compare(0, 'EQ', 2)]), more));
    expect(covered('socket', [2, 1])).toBe('trap');
  });
  test.each([
    ['unequal', [compare(0, 'NE', 3)], [compare(0, 'GT', 5)]],
    ['a mask', [compare(0, 'MASKED_EQ', 0xff, 3)], [compare(0, 'EQ', 3)]],
    ['the same constant', [compare(0, 'GE', 3)], [compare(0, 'GT', 3)]],
    ['two arguments', [compare(0, 'GE', 2), compare(1, 'EQ', 1)], [compare(0, 'GE', 128), compare(1, 'EQ', 1)]],
  ])('of %s the stricter wins where the wider is the stricter', (_, wide, narrow) => {
    const list = [entry(['kcmp'], 'SCMP_ACT_TRAP', wide), entry(['kcmp'], 'SCMP_ACT_ALLOW', narrow)];
    for (const order of [list, [...list].reverse()]) {
      const answer = answers(profile(...order));
      expect([3, 6, 200].map((value) => answer('kcmp', [value, 1]))).not.toContain('allow');
    }
    const other = [entry(['kcmp'], 'SCMP_ACT_ALLOW', wide), entry(['kcmp'], 'SCMP_ACT_TRAP', narrow)];
    expect([3, 6, 200].map((value) => answers(profile(...other))('kcmp', [value, 1]))).toContain('trap');
  });
  test('an exception that repeats a default of allow is none', () => {
    const open: OciSeccompProfile = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [
        entry(['kcmp'], 'SCMP_ACT_ERRNO', [compare(0, 'GT', 8)]),
        entry(['kcmp'], 'SCMP_ACT_ALLOW', [compare(0, 'GE', 255)]),
      ],
    };
    expect(answers(open)('kcmp', [300])).toEqual(EPERM);
    expect(answers(open)('kcmp', [8])).toBe('allow');
  });
  test('one that repeats the default action covers nothing: runtimes leave it out', () => {
    const answer = answers(
      profile(entry(['socket'], 'SCMP_ACT_ERRNO'), entry(['socket'], 'SCMP_ACT_ALLOW', [compare(0, 'EQ', 2)])),
    );
    expect(answer('socket', [2])).toBe('allow');
    expect(answer('socket', [3])).toEqual(EPERM);
  });
  test('an exception with the default action holds', () => {
    const answer = answers(
      profile(entry(['socket'], 'SCMP_ACT_ALLOW'), entry(['socket'], 'SCMP_ACT_ERRNO', [compare(0, 'EQ', 16)])),
    );
    expect(answer('socket', [16])).toEqual(EPERM);
    expect(answer('socket', [1])).toBe('allow');
  });
  test('two that cross with different actions are refused, naming both', () => {
    const crossing = profile(
      entry(['read'], 'SCMP_ACT_ALLOW'),
      entry(['socket'], 'SCMP_ACT_ALLOW', [compare(0, 'EQ', 2)]),
      entry(['socket'], 'SCMP_ACT_LOG', [compare(1, 'EQ', 1)]),
    );
    expect(() => fromOci(crossing, target)).toThrow(/syscalls\[1\] and syscalls\[2\].*socket/s);
  });
  test('the same conditions with different actions are refused', () => {
    const same = profile(
      entry(['socket'], 'SCMP_ACT_ALLOW', [compare(0, 'EQ', 2)]),
      entry(['socket'], 'SCMP_ACT_LOG', [compare(0, 'EQ', 2)]),
    );
    expect(() => fromOci(same, target)).toThrow(expect.objectContaining({ code: 'ERR_CLOISTER_POLICY' }));
  });
  test('ones that have nothing in common may differ', () => {
    const answer = answers(
      profile(
        entry(['clone'], 'SCMP_ACT_ALLOW', [compare(0, 'MASKED_EQ', 0x100, 0x100)]),
        entry(['clone'], 'SCMP_ACT_LOG', [compare(0, 'MASKED_EQ', 0x300, 0x200)]),
      ),
    );
    expect(answer('clone', [0x300])).toBe('allow');
    expect(answer('clone', [0x200])).toBe('log');
  });
  test('a repeated index means that both must hold', () => {
    const answer = answers(profile(entry(['socket'], 'SCMP_ACT_ALLOW', [compare(0, 'GE', 3), compare(0, 'LE', 5)])));
    expect([2, 3, 5, 6].map((family) => answer('socket', [family]))).toEqual([EPERM, 'allow', 'allow', EPERM]);
  });
});

describe('names and words', () => {
  test('unknown names are left out and listed', () => {
    const policy = fromOci(profile(entry(['read', 'no_such_call', 'neither'], 'SCMP_ACT_ALLOW')), target);
    expect(policy.skipped).toEqual(['no_such_call', 'neither']);
    expect(compile(policy).evaluate({ arch: 'x86_64', syscall: 'read' }).action).toBe('allow');
  });
  test('what is about installing the filter is listed', () => {
    const source = { ...profile(entry(['read'], 'SCMP_ACT_ALLOW')), flags: ['SECCOMP_FILTER_FLAG_LOG'] };
    const { skipped } = fromOci({ ...source, listenerPath: '/run/agent', listenerMetadata: 'x' } as never, target);
    expect(skipped).toEqual(['flags: SECCOMP_FILTER_FLAG_LOG', 'listenerPath', 'listenerMetadata']);
    expect(fromOci({ ...source, flags: [], listenerPath: '' } as never, target).skipped).toBeUndefined();
  });
  test('name together with names is refused, name alone is a name', () => {
    const both = profile(entry(['read'], 'SCMP_ACT_ALLOW', [], { name: 'write' }));
    expect(() => fromOci(both, target)).toThrow(expect.objectContaining({ code: 'ERR_CLOISTER_POLICY' }));
    expect(answers(profile({ name: 'write', names: null, action: 'SCMP_ACT_ALLOW' }))('write')).toBe('allow');
  });
  test('errnoRet and defaultErrnoRet say which error', () => {
    const answer = answers({
      ...profile(entry(['read'], 'SCMP_ACT_ERRNO', [], { errnoRet: 5 }), entry(['write'], 'SCMP_ACT_ERRNO')),
      defaultErrnoRet: 38,
    });
    expect(answer('read')).toEqual({ errno: 5 });
    expect(answer('write')).toEqual(EPERM);
    expect(answer('close')).toEqual({ errno: 38 });
  });
  test.each([
    ['an unknown action', profile(entry(['read'], 'SCMP_ACT_MAYBE'))],
    ['an unknown operator', profile(entry(['read'], 'SCMP_ACT_ALLOW', [compare(0, 'ABOUT', 1)]))],
    ['an unknown key of an entry', profile(entry(['read'], 'SCMP_ACT_ALLOW', [], { unless: {} }))],
    ['an unknown key of includes', profile(entry(['read'], 'SCMP_ACT_ALLOW', [], { includes: { maxKernel: '5.0' } }))],
    ['an argument that does not exist', profile(entry(['read'], 'SCMP_ACT_ALLOW', [compare(6, 'EQ', 1)]))],
    ['a number that has lost digits', profile(entry(['read'], 'SCMP_ACT_ALLOW', [compare(0, 'EQ', 2 ** 60)]))],
    ['an entry without names', profile(entry([], 'SCMP_ACT_ALLOW'))],
    ['an error of zero', profile(entry(['read'], 'SCMP_ACT_ERRNO', [], { errnoRet: 0 }))],
    ['both ways to name architectures', { ...docker, architectures: ['SCMP_ARCH_X86'] }],
  ])('%s is refused', (_, wrong) => {
    expect(() => fromOci(wrong, target)).toThrow(expect.objectContaining({ code: 'ERR_CLOISTER_POLICY' }));
  });
  test('unknown options are refused', () => {
    expect(() => fromOci(docker, { ...target, arch: 'vax' as never })).toThrow(/vax/);
    expect(() => fromOci(docker, { ...target, capabilities: ['CAP_FLY'] })).toThrow(/CAP_FLY/);
    expect(() => fromOci(docker, { ...target, kernel: 'new' })).toThrow(/release/);
  });
});
