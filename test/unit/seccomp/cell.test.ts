/** The filter of a cell: what becomes of its layers, and which answer wins where they disagree. */

import { describe, expect, test } from 'vitest';

import { cellFiltering, compileFiltering } from '../../../lib/filter/cell.js';
import { programFromBytes } from '../../../lib/filter/program.js';
import { parseSpawn } from '../../../lib/policy/parse.js';
import type { SpawnOptions } from '../../../lib/policy/types.js';
import { issuesOf, thrownBy } from '../../support/errors.js';

const CALLER = { cwd: () => '/', home: () => '/root', uid: 1000, gid: 1000, environment: {} };

function filtering(options: SpawnOptions, listener = true) {
  const { policy } = parseSpawn('x', [], options, CALLER);
  const shared = {
    network: false,
    unixSockets: false,
    ipc: false,
    processes: false,
    fileOwner: false,
    unseenMemory: false,
  };
  return cellFiltering(policy, ['/usr/bin/x'], { listener, shared });
}

const answers = (options: SpawnOptions, listener = true) => {
  const program = programFromBytes(compileFiltering(filtering(options, listener)), ['x86_64']);
  return (syscall: string | number, ...args: number[]) => program.evaluate({ arch: 'x86_64', syscall, args }).action;
};

const EPERM = { errno: 'EPERM' };
const ENOSYS = { errno: 'ENOSYS' };
const RDWR_CREATE = 0o102;

describe.runIf(process.arch === 'x64')('the answer to a call', () => {
  test('without pledge and seccomp is the hardening’s, and never a question', () => {
    const answer = answers({});
    expect(answer('ptrace')).toEqual(EPERM);
    expect(answer('clone3')).toEqual(ENOSYS);
    expect(answer('mkdir')).toBe('allow');
    expect(filtering({}).violations).toBeNull();
  });

  test.each([
    ['kill', true, 'notify'],
    ['error', true, 'notify'],
    ['kill', false, 'kill-process'],
    ['error', false, EPERM],
  ] as const)('that no promise allows, %s with a listener %s', (onViolation, listener, expected) => {
    const answer = answers({ pledge: 'stdio exec', onViolation }, listener);
    expect(answer('mkdir')).toEqual(expected);
    // The hardening's error would win against a question: it must not.
    expect(answer('ptrace')).toEqual(expected);
    expect(answer('write')).toBe('allow');
    expect(answer('clone3')).toEqual(ENOSYS);
  });

  test('leaves no way past the rules for TCP ports, and Fast Open where there are none', () => {
    const [limited, free] = [answers({ net: 'host', tcp: { connect: [443] } }), answers({ net: 'host' })];
    const MSG_FASTOPEN = 0x2000_0000;
    expect(limited('sendto', 3, 0, 1, MSG_FASTOPEN, 1, 16)).toEqual({ errno: 'EOPNOTSUPP' });
    expect(limited('sendmsg', 3, 0, MSG_FASTOPEN)).toEqual({ errno: 'EOPNOTSUPP' });
    expect(limited('sendmmsg', 3, 0, 1, MSG_FASTOPEN)).toEqual({ errno: 'EOPNOTSUPP' });
    expect(limited('sendto', 3, 0, 1, 0, 0, 0)).toBe('allow');
    expect(limited('socket', 2, 1, 262)).toEqual({ errno: 'EPROTONOSUPPORT' });
    expect(free('sendto', 3, 0, 1, MSG_FASTOPEN, 1, 16)).toBe('allow');
  });

  test('under log passes what the hardening does not refuse', () => {
    const answer = answers({ pledge: 'stdio', onViolation: 'log' });
    expect(answer('mkdir')).toBe('notify');
    expect(answer('ptrace')).toEqual(EPERM);
  });

  test('is the stricter of pledge and seccomp', () => {
    const answer = answers({
      pledge: 'stdio rpath cpath wpath exec',
      seccomp: {
        defaultAction: 'allow',
        rules: [
          { syscalls: 'mkdir', action: { errno: 'EROFS' } },
          { syscalls: 'rmdir', action: 'kill-process' },
          { syscalls: 'unlink', action: 'kill-thread' },
          { syscalls: 'symlink', action: 'trap' },
          { syscalls: 'socket', action: { errno: 'EACCES' } },
        ],
      },
    });
    expect(answer('mkdir')).toEqual({ errno: 'EROFS' });
    expect(answer('rmdir')).toBe('notify');
    expect(answer('unlink')).toBe('notify');
    // The program's own signal: it may have a handler.
    expect(answer('symlink')).toBe('trap');
    // Not promised either, and that is the violation.
    expect(answer('socket', 1, 1)).toBe('notify');
  });

  test('to a default that ends the process is a question, numbers without a name ENOSYS', () => {
    const answer = answers({
      seccomp: { defaultAction: 'kill-process', rules: [{ syscalls: 'read', action: 'allow' }] },
    });
    expect(answer('read')).toBe('allow');
    expect(answer('write')).toBe('notify');
    expect(answer(1000)).toEqual(ENOSYS);
  });

  test('lets a loader map code from files, and nothing else become code', () => {
    const answer = answers({ pledge: 'stdio' });
    expect(answer('mmap', 0, 4096, 5, 0x802)).toBe('allow');
    expect(answer('mmap', 0, 4096, 7, 0x2)).toBe('notify');
    expect(answer('mmap', 0, 4096, 5, 0x22)).toBe('notify');
    expect(answer('mprotect', 0, 4096, 4)).toBe('notify');
    expect(answer('memfd_create', 0, 0)).toEqual(ENOSYS);
    const jit = answers({ pledge: 'stdio prot_exec' });
    expect(jit('mmap', 0, 4096, 7, 0x22)).toBe('allow');
    expect(jit('mprotect', 0, 4096, 4)).toBe('allow');
    expect(jit('memfd_create', 0, 0)).toBe('allow');
  });

  test('asks about reading without rpath, and about executing without exec', () => {
    const without = answers({ pledge: 'stdio' });
    expect(without('openat', -100, 1, 0)).toBe('notify');
    expect(without('execve')).toBe('notify');
    const held = answers({ pledge: 'stdio rpath exec' });
    expect(held('openat', -100, 1, 0)).toBe('allow');
    expect(held('openat', -100, 1, RDWR_CREATE)).toBe('notify');
    expect(held('execve')).toBe('allow');
  });
});

describe('what may be read without rpath', () => {
  test('is the libraries, the command, and what promises name', () => {
    expect(filtering({ pledge: 'stdio dns' }).violations?.readable).toEqual(
      expect.arrayContaining(['/usr/lib', '/etc/ld.so.cache', '/usr/bin/x', '/etc/resolv.conf']),
    );
    // What the kernel opens to execute it.
    expect(filtering({ pledge: 'stdio', env: { PATH: '/opt/bin' } }).violations?.runnable).toEqual(
      expect.arrayContaining(['/usr/bin', '/opt/bin']),
    );
    expect(filtering({ pledge: 'stdio rpath' }).violations?.readable).toBeNull();
    expect(filtering({ seccomp: { defaultAction: 'allow', rules: [] } }).violations?.readable).toBeNull();
  });

  test('is nothing where the filter of the policy has a word to say about opening', () => {
    const readable = (rules: NonNullable<SpawnOptions['seccomp']>) =>
      filtering({ pledge: 'stdio', seccomp: rules }).violations?.readable;
    expect(readable({ defaultAction: 'allow', rules: [] })).not.toBeNull();
    expect(
      readable({ defaultAction: 'kill-process', rules: [{ syscalls: ['open', 'openat'], action: 'allow' }] }),
    ).not.toBeNull();
    expect(readable({ defaultAction: 'kill-process', rules: [] })).toBeNull();
    expect(
      readable({ defaultAction: 'allow', rules: [{ syscalls: 'openat', action: { errno: 'EPERM' } }] }),
    ).toBeNull();
    expect(
      readable({
        defaultAction: 'allow',
        rules: [{ syscalls: 'openat', action: 'allow', args: [{ index: 2, op: '==', value: 0 }] }],
      }),
    ).toBeNull();
  });
});

describe('a machine without a listener', () => {
  test('cannot tell one program from the next, nor what was let pass', () => {
    expect(thrownBy(() => filtering({ pledge: 'stdio' }, false)).message).toContain('without exec');
    expect(thrownBy(() => filtering({ pledge: 'stdio exec', onViolation: 'log' }, false)).message).toContain("'log'");
    const { missing, violations } = filtering({ pledge: 'stdio', onUnsupported: 'degrade' }, false);
    expect(violations?.reported).toBe(false);
    expect(missing.map(({ feature }) => feature)).toEqual([
      'pledge: one program only, without exec',
      'violations in the outcome',
    ]);
  });

  test('needs none for the default', () => {
    expect(filtering({}, false)).toEqual(filtering({}));
  });
});

describe('issues of seccomp', () => {
  test('are named by their place in the policy, in both forms', () => {
    expect(
      issuesOf(() =>
        filtering({ seccomp: { defaultAction: 'allow', rules: [{ syscalls: 'opeat', action: 'allow' }] } }),
      ),
    ).toEqual(['seccomp.rules[0].syscalls: unknown-value']);
    expect(issuesOf(() => filtering({ seccomp: { defaultAction: 'SCMP_ACT_WHAT' } }))).toEqual([
      'seccomp.defaultAction: unknown-value',
    ]);
  });
});
