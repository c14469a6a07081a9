import { describe, expect, test } from 'vitest';

import { compile, compileMerged } from '../../../lib/filter/compile.js';
import type { ArgCondition, SeccompAction, SeccompArch, SeccompPolicy } from '../../../lib/policy/seccomp-types.js';

const EPERM: SeccompAction = { errno: 'EPERM' };
const base: SeccompPolicy = { defaultAction: EPERM, architectures: ['x86_64'], rules: [] };

function withRules(...rules: SeccompPolicy['rules']): SeccompPolicy {
  return { ...base, rules };
}

function actionOf(
  policy: SeccompPolicy,
  syscall: string | number,
  args: (number | bigint)[] = [],
  arch: SeccompArch = 'x86_64',
) {
  return compile(policy).evaluate({ arch, syscall, args }).action;
}

describe('one comparison', () => {
  const cases: [ArgCondition, bigint[], bigint[]][] = [
    [{ index: 0, op: '==', value: 5, width: 64 }, [5n], [4n, 6n, 0x1_0000_0005n, 0xffff_ffff_0000_0005n]],
    [{ index: 0, op: '==', value: 5, width: 32 }, [5n, 0x1_0000_0005n, 0xffff_ffff_0000_0005n], [4n, 6n]],
    [{ index: 0, op: '!=', value: 5, width: 64 }, [4n, 6n, 0x1_0000_0005n], [5n]],
    [
      { index: 0, op: '<', value: 0x1_0000_0005n, width: 64 },
      [0n, 6n, 0xffff_ffffn, 0x1_0000_0004n],
      [0x1_0000_0005n, 0x2_0000_0000n, 2n ** 64n - 1n],
    ],
    [{ index: 0, op: '<=', value: 0x1_0000_0005n, width: 64 }, [0x1_0000_0005n, 0n], [0x1_0000_0006n, 0x2_0000_0001n]],
    [{ index: 0, op: '>', value: 0xffff_ffffn, width: 64 }, [0x1_0000_0000n, 2n ** 63n], [0xffff_ffffn, 0n]],
    [{ index: 0, op: '>=', value: 0x1_0000_0000n, width: 64 }, [0x1_0000_0000n, 2n ** 64n - 1n], [0xffff_ffffn]],
    [{ index: 0, op: '>', value: -1, width: 64 }, [], [0n, 2n ** 64n - 1n]],
    [{ index: 0, op: '<', value: 0, width: 64 }, [], [0n, 2n ** 64n - 1n]],
    [{ index: 0, op: '>=', value: 0, width: 32 }, [0n, 2n ** 64n - 1n], []],
    [{ index: 0, op: '==', value: -1, width: 64 }, [2n ** 64n - 1n], [0xffff_ffffn, 0n]],
    [{ index: 0, op: '==', value: -1, width: 32 }, [2n ** 64n - 1n, 0xffff_ffffn], [0n]],
    [{ index: 0, op: '&==', mask: 0xf0, value: 0x20, width: 64 }, [0x20n, 0x2fn, 0xf_0000_0020n], [0x30n, 0n]],
    [
      { index: 0, op: '&==', mask: 0x1_0000_0001n, value: 0x1_0000_0000n, width: 64 },
      [0x1_0000_0000n, 0x3_0000_0002n],
      [1n, 0x1_0000_0001n],
    ],
    [{ index: 0, op: '&==', mask: 0xf, value: 0x10, width: 64 }, [], [0x10n, 0n]],
    [{ index: 0, op: '&==', mask: 0, value: 0, width: 64 }, [0n, 7n], []],
  ];
  const titled = cases.map(([condition, ...calls]) => {
    const { index, op, value, mask, width } = condition;
    const against = mask === undefined ? String(value) : `${String(mask)} ${String(value)}`;
    return [`argument ${index} ${op} ${against} on ${width ?? 'its'} bits`, condition, ...calls] as const;
  });
  test.each(titled)('%s', (_, condition, inside, outside) => {
    const policy = withRules({ syscalls: 'ptrace', action: 'allow', args: [condition] });
    for (const value of inside) {
      expect(actionOf(policy, 'ptrace', [value]), String(value)).toBe('allow');
    }
    for (const value of outside) {
      expect(actionOf(policy, 'ptrace', [value]), String(value)).toEqual(EPERM);
    }
  });
});

test('two comparisons of one argument that libseccomp gets wrong', () => {
  // "arg0 < 5" and "arg0 >= 0x1ffffffff": libseccomp allows 5.
  const policy = withRules(
    { syscalls: 'ptrace', action: 'allow', args: [{ index: 0, op: '<', value: 5, width: 64 }] },
    { syscalls: 'ptrace', action: 'allow', args: [{ index: 0, op: '>=', value: 0x1_ffff_ffffn, width: 64 }] },
  );
  expect(actionOf(policy, 'ptrace', [4])).toBe('allow');
  expect(actionOf(policy, 'ptrace', [5])).toEqual(EPERM);
  expect(actionOf(policy, 'ptrace', [0x1_ffff_fffen])).toEqual(EPERM);
  expect(actionOf(policy, 'ptrace', [0x1_ffff_ffffn])).toBe('allow');
});

test('the first rule that matches decides', () => {
  const narrow = { syscalls: 'socket', action: 'log', args: [{ index: 0, op: '==', value: 2 }] } as const;
  const wide = { syscalls: 'socket', action: 'allow' } as const;
  expect(actionOf(withRules(narrow, wide), 'socket', [2])).toBe('log');
  expect(actionOf(withRules(wide, narrow), 'socket', [2])).toBe('allow');
});

test('int arguments compare the half that the kernel reads', () => {
  const vsock: SeccompPolicy = {
    ...base,
    defaultAction: 'allow',
    rules: [{ syscalls: 'socket', action: EPERM, args: [{ index: 0, op: '==', value: 40 }] }],
  };
  expect(actionOf(vsock, 'socket', [40])).toEqual(EPERM);
  expect(actionOf(vsock, 'socket', [2n ** 32n + 40n])).toEqual(EPERM);
  expect(actionOf(vsock, 'socket', [2n ** 32n + 41n])).toBe('allow');
});

describe('numbers that no policy names', () => {
  const strict = withRules({ syscalls: 'read', action: 'allow' });
  const lax: SeccompPolicy = { ...base, defaultAction: 'allow' };
  test('holes and numbers beyond the table get ENOSYS where the policy refuses by default', () => {
    for (const number of [337, 400, 472, 100_000, 0x3fff_ffff]) {
      expect(actionOf(strict, number), String(number)).toEqual({ errno: 'ENOSYS' });
      expect(actionOf(lax, number), String(number)).toBe('allow');
    }
    expect(actionOf(strict, 'write')).toEqual(EPERM);
  });
  test('unknownSyscallAction decides about them', () => {
    expect(actionOf({ ...strict, unknownSyscallAction: 'trap' }, 472)).toBe('trap');
    expect(actionOf({ ...lax, unknownSyscallAction: 'kill-process' }, 472)).toBe('kill-process');
  });
  test('a rule by number holds for a number without a name', () => {
    expect(actionOf(withRules({ syscalls: 4000, action: 'allow' }), 4000)).toBe('allow');
  });
  test('numbers of x32 are of another architecture, in deny-lists too', () => {
    for (const number of [0x4000_0000, 0x4000_0029, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe]) {
      expect(actionOf(lax, number), String(number)).toBe('kill-process');
    }
  });
  test('-1, which a tracer writes to skip the call, is unknown and not killed', () => {
    expect(actionOf(strict, -1)).toEqual({ errno: 'ENOSYS' });
    expect(actionOf(strict, 0xffff_ffff)).toEqual({ errno: 'ENOSYS' });
  });
  test('other architectures get foreignArchAction', () => {
    expect(actionOf(lax, 0, [], 'x86')).toBe('kill-process');
    expect(actionOf({ ...lax, foreignArchAction: { errno: 'ENOSYS' } }, 0, [], 'aarch64')).toEqual({ errno: 'ENOSYS' });
  });
});

describe('multiplexers of 32-bit x86', () => {
  const x86: SeccompPolicy = { ...base, architectures: ['x86'] };
  const onFamily = [{ index: 0, op: '==', value: 1 }] as const;
  const socketcall = (policy: SeccompPolicy, call: number) => actionOf(policy, 'socketcall', [call, 0x1000], 'x86');

  test('an allow with conditions does not open them', () => {
    const policy = { ...x86, rules: [{ syscalls: 'socket', action: 'allow', args: onFamily }] } as const;
    expect(actionOf(policy, 'socket', [1], 'x86')).toBe('allow');
    expect(socketcall(policy, 1)).toEqual(EPERM);
  });
  test('an allow without conditions opens the one sub-call', () => {
    const policy = { ...x86, rules: [{ syscalls: 'socket', action: 'allow' }] } as const;
    expect(socketcall(policy, 1)).toBe('allow');
    expect(socketcall(policy, 2)).toEqual(EPERM);
  });
  test('a refusal with conditions closes the sub-call, and no other', () => {
    const policy: SeccompPolicy = {
      ...x86,
      defaultAction: 'allow',
      rules: [{ syscalls: 'socket', action: EPERM, args: onFamily }],
    };
    expect(actionOf(policy, 'socket', [2], 'x86')).toBe('allow');
    expect(socketcall(policy, 1)).toEqual(EPERM);
    expect(socketcall(policy, 2)).toBe('allow');
  });
  test('the version in the upper half of ipc does not hide the sub-call', () => {
    const policy: SeccompPolicy = { ...x86, defaultAction: 'allow', rules: [{ syscalls: 'shmat', action: EPERM }] };
    expect(actionOf(policy, 'ipc', [21], 'x86')).toEqual(EPERM);
    expect(actionOf(policy, 'ipc', [0x1_0015], 'x86')).toEqual(EPERM);
    expect(actionOf(policy, 'ipc', [22], 'x86')).toBe('allow');
  });
  test('calls that exist only through them can be named', () => {
    const policy = { ...x86, rules: [{ syscalls: 'semop', action: 'allow' }] } as const;
    expect(actionOf(policy, 'ipc', [1], 'x86')).toBe('allow');
    expect(actionOf(policy, 'ipc', [2], 'x86')).toEqual(EPERM);
  });
});

describe('caching', () => {
  const policy = withRules(
    { syscalls: ['read', 'write'], action: 'allow' },
    { syscalls: 'socket', action: 'allow', args: [{ index: 0, op: '==', value: 1 }] },
  );
  const program = compile(policy);
  test('calls that are always allowed are cached, all others are not', () => {
    expect(program.isCached({ arch: 'x86_64', syscall: 'read' })).toBe(true);
    expect(program.isCached({ arch: 'x86_64', syscall: 'socket' })).toBe(false);
    expect(program.isCached({ arch: 'x86_64', syscall: 'close' })).toBe(false);
  });
  test('conditions that together cover everything are no conditions', () => {
    const covering = withRules(
      { syscalls: 'read', action: 'allow', args: [{ index: 2, op: '<', value: 77 }] },
      { syscalls: 'read', action: 'allow', args: [{ index: 2, op: '>=', value: 77 }] },
    );
    expect(compile(covering).isCached({ arch: 'x86_64', syscall: 'read' })).toBe(true);
  });
  test('x32 and numbers beyond the kernel table are never cached', () => {
    const all = compile({ ...base, defaultAction: 'allow', architectures: ['x86_64', 'x32'] });
    expect(all.evaluate({ arch: 'x32', syscall: 'read' }).action).toBe('allow');
    expect(all.isCached({ arch: 'x32', syscall: 'read' })).toBe(false);
    expect(all.isCached({ arch: 'x86_64', syscall: 4000 })).toBe(false);
    expect(all.isCached({ arch: 'x86_64', syscall: 'read' })).toBe(true);
  });
});

describe('merging', () => {
  const first: SeccompPolicy = {
    ...base,
    defaultAction: 'allow',
    rules: [{ syscalls: 'ptrace', action: { errno: 'EPERM' } }],
  };
  const second: SeccompPolicy = {
    ...base,
    defaultAction: 'kill-process',
    rules: [{ syscalls: ['read', 'ptrace'], action: 'allow' }],
  };
  const answer = (policies: SeccompPolicy[], syscall: string | number, arch: SeccompArch = 'x86_64') =>
    compileMerged(policies).evaluate({ arch, syscall }).action;
  test('the strictest action wins, in either order', () => {
    for (const policies of [
      [first, second],
      [second, first],
    ]) {
      expect(answer(policies, 'read')).toBe('allow');
      expect(answer(policies, 'ptrace')).toEqual(EPERM);
      expect(answer(policies, 'write')).toBe('kill-process');
    }
  });
  test('of equal actions the earliest policy decides', () => {
    const other: SeccompPolicy = {
      ...base,
      defaultAction: 'allow',
      rules: [{ syscalls: 'ptrace', action: { errno: 'EACCES' } }],
    };
    expect(answer([first, other], 'ptrace')).toEqual(EPERM);
    expect(answer([other, first], 'ptrace')).toEqual({ errno: 'EACCES' });
  });
  test('an architecture that one of them does not name is foreign to that one', () => {
    const wide: SeccompPolicy = { ...first, architectures: ['x86_64', 'x86'] };
    expect(answer([wide, { ...second, foreignArchAction: { errno: 'ENOSYS' } }], 'read', 'x86')).toEqual({
      errno: 'ENOSYS',
    });
  });
});

describe('what 32-bit x86 hides behind a pointer', () => {
  const x86 = (defaultAction: SeccompAction, ...rules: SeccompPolicy['rules']): SeccompPolicy => ({
    defaultAction,
    architectures: ['x86'],
    rules,
  });
  const closed: SeccompPolicy['rules'][number] = {
    syscalls: 'socket',
    action: EPERM,
    args: [{ index: 0, op: '==', value: 40 }],
  };
  const opened: SeccompPolicy['rules'][number] = { syscalls: ['socketcall', 'socket'], action: 'allow' };

  test('a refusal with conditions closes the sub-call, wherever it stands', () => {
    for (const policy of [x86(EPERM, opened, closed), x86(EPERM, closed, opened), x86('allow', closed)]) {
      expect(actionOf(policy, 'socketcall', [1], 'x86')).toEqual(EPERM);
      expect(actionOf(policy, 'socketcall', [2], 'x86')).toBe('allow');
    }
    expect(actionOf(x86(EPERM, opened), 'socketcall', [1], 'x86')).toBe('allow');
  });

  test('a refusal without conditions closes the sub-call behind a rule that allows the multiplexer', () => {
    const whole: SeccompPolicy['rules'][number] = { syscalls: 'socketcall', action: 'allow' };
    const refused: SeccompPolicy['rules'][number] = { syscalls: 'socket', action: 'trap' };
    expect(actionOf(x86('allow', whole, refused), 'socketcall', [1], 'x86')).toBe('trap');
    expect(actionOf(x86('allow', whole, refused), 'socketcall', [2], 'x86')).toBe('allow');
    expect(actionOf(x86('kill-process', refused), 'socketcall', [1], 'x86')).toBe('trap');
    // Where the call itself is open, so is the sub-call.
    expect(actionOf(x86('allow', opened, refused), 'socketcall', [1], 'x86')).toBe('allow');
    expect(actionOf(x86('allow', opened, refused), 'socket', [1], 'x86')).toBe('allow');
  });

  test('rules with conditions bound old_mmap and old_select as a whole', () => {
    const executable = [{ index: 2, op: '&==', mask: 4, value: 4 }] as const;
    const refusing = x86('allow', { syscalls: ['mmap', 'mmap2'], action: EPERM, args: executable });
    expect(actionOf(refusing, 'mmap', [0, 4096, 1], 'x86')).toEqual(EPERM);
    expect(actionOf(refusing, 'mmap2', [0, 4096, 1], 'x86')).toBe('allow');
    expect(actionOf(refusing, 'mmap2', [0, 4096, 5], 'x86')).toEqual(EPERM);
    const allowing = x86(EPERM, { syscalls: ['mmap', 'select'], action: 'allow', args: executable });
    expect(actionOf(allowing, 'mmap', [0, 4096, 4], 'x86')).toEqual(EPERM);
    expect(actionOf(allowing, 'select', [0, 0, 4], 'x86')).toEqual(EPERM);
    expect(actionOf(x86(EPERM, { syscalls: 'mmap', action: 'allow' }), 'mmap', [0], 'x86')).toBe('allow');
  });

  test.each(['x86', 'arm'] as const)('negative numbers are those of its registers, on %s', (arch) => {
    const policy: SeccompPolicy = {
      defaultAction: 'allow',
      architectures: [arch],
      rules: [
        {
          syscalls: 'prctl',
          action: EPERM,
          args: [
            { index: 0, op: '==', value: 36 },
            { index: 1, op: '==', value: -1 },
          ],
        },
      ],
    };
    expect(actionOf(policy, 'prctl', [36, 0xffff_ffff], arch)).toEqual(EPERM);
    expect(actionOf(policy, 'prctl', [36, -1], arch)).toEqual(EPERM);
    expect(actionOf(policy, 'prctl', [36, 1], arch)).toBe('allow');
  });
});

describe('many rules for one call', () => {
  const onCommand = (value: number): SeccompPolicy['rules'][number] => ({
    syscalls: 'ioctl',
    action: 'allow',
    args: [{ index: 1, op: '==', value }],
  });
  const most = (policy: SeccompPolicy, values: readonly number[]): number => {
    const program = compile(policy);
    return Math.max(
      ...values.map((value) => program.evaluate({ arch: 'x86_64', syscall: 'ioctl', args: [0, value] }).executed),
    );
  };

  test.each([400, 1000])('%i scattered values of one argument are searched, not gone through', (count) => {
    const values = Array.from({ length: count }, (_, index) => index * 3);
    expect(most(withRules(...values.map(onCommand)), [...values, 1, 2 ** 31])).toBeLessThan(32);
  });
  test('values that follow each other are one range', () => {
    const program = compile(withRules(...Array.from({ length: 3000 }, (_, index) => onCommand(index))));
    expect(program.length).toBeLessThan(20);
    expect(program.evaluate({ arch: 'x86_64', syscall: 'ioctl', args: [0, 2999] }).action).toBe('allow');
    expect(program.evaluate({ arch: 'x86_64', syscall: 'ioctl', args: [0, 3000] }).action).toEqual(EPERM);
  });
  const crossing = (call: number, rules: number, args: number): SeccompPolicy['rules'][number][] =>
    Array.from({ length: rules }, (_, i) => ({
      syscalls: call,
      action: i % 2 === 1 ? 'allow' : { errno: 1 + i },
      args: Array.from({ length: args }, (__, index): ArgCondition => {
        const value = BigInt(i * 977 + index * 131 + call) * 0x1234567n;
        const op = (['>', '<', '&==', '!='] as const)[(i + index) % 4] ?? '>';
        return {
          index: index as ArgCondition['index'],
          op,
          width: 64,
          value,
          ...(op === '&==' ? { mask: value | 0xff00ff00ffn } : {}),
        };
      }),
    }));
  // What libseccomp 2.5.4 takes for the same rules, and the few instructions that tell architecture and x32.
  test.each([
    [1, 4, 3, 70],
    [1, 8, 3, 131],
    [1, 8, 6, 251],
    [2, 8, 6, 493],
  ])('%i calls with %i rules on %i arguments take no more than the rules', (calls, rules, args, theirs) => {
    const policy = withRules(...Array.from({ length: calls }, (_, call) => crossing(call, rules, args)).flat());
    expect(compile(policy).length).toBeLessThanOrEqual(theirs + 5);
  });
  test('calls with the same rules share them', () => {
    const rules = crossing(0, 8, 6);
    const many = rules.map((rule) => ({ ...rule, syscalls: Array.from({ length: 40 }, (_, call) => call) }));
    expect(compile(withRules(...many)).length).toBeLessThanOrEqual(compile(withRules(...rules)).length + 1);
  });
});

describe('a call that rules allow whatever its arguments', () => {
  const all: [string, ArgCondition[][]][] = [
    ['below and from a number on', [[{ index: 1, op: '<', value: 5 }], [{ index: 1, op: '>=', value: 5 }]]],
    ['every value of two bits', [0, 1, 2, 3].map((value) => [{ index: 1, op: '&==', mask: 3, value }])],
    [
      'a mask, and a range that has what it leaves',
      [[{ index: 2, op: '&==', mask: 2n ** 63n, value: 0 }], [{ index: 2, op: '>=', value: 2n ** 63n, width: 64 }]],
    ],
    [
      'two arguments in turn',
      [
        [{ index: 0, op: '==', value: 1 }],
        [
          { index: 0, op: '!=', value: 1 },
          { index: 1, op: '!=', value: 7 },
        ],
        [{ index: 1, op: '==', value: 7 }],
      ],
    ],
  ];
  test.each(all)('is cached: %s', (_, conditions) => {
    const filler = Array.from({ length: 300 }, (__, index): ArgCondition[] => [
      { index: 1, op: '==', value: index * 3 },
    ]);
    for (const list of [conditions, [...filler, ...conditions]]) {
      const rules = list.map((args) => ({ syscalls: 'ioctl', action: 'allow', args }) as const);
      expect(compile(withRules(...rules)).isCached({ arch: 'x86_64', syscall: 'ioctl' })).toBe(true);
      const fewer = rules.slice(0, -1);
      expect(compile(withRules(...fewer)).isCached({ arch: 'x86_64', syscall: 'ioctl' })).toBe(false);
    }
  });
});
