/** `seccomp` and `tcp` in a cell. */

import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import type { OciSeccompProfile, SeccompPolicy } from '../../lib/policy/types.js';
import { inCells, refusal } from '../support/cells.js';
import { USERS } from '../support/in-subprocess.js';

const DOCKER = JSON.parse(
  readFileSync(new URL('../data/docker-default.json', import.meta.url), 'utf8'),
) as OciSeccompProfile;

const mkdirRule = (action: SeccompPolicy['defaultAction']): SeccompPolicy => ({
  defaultAction: 'allow',
  rules: [{ syscalls: ['mkdir', 'mkdirat'], action }],
});
const makeDirectory = (seccomp: SeccompPolicy | OciSeccompProfile | undefined, onViolation?: 'error' | 'log') => ({
  command: 'mkdir',
  args: ['/tmp/made'],
  options: { ...(seccomp === undefined ? {} : { seccomp }), ...(onViolation === undefined ? {} : { onViolation }) },
});

describe.each(USERS)('seccomp of a cell, as %s', (user) => {
  it('answers with its own error numbers, which are no violations', async () => {
    const [refused, allowed] = await inCells(user, [
      makeDirectory(mkdirRule({ errno: 'EROFS' })),
      makeDirectory(undefined),
    ]);
    expect(refused).toMatchObject({ reason: 'exited', exitCode: 1, violationCount: 0 });
    expect(refused?.stderr).toContain('Read-only file system');
    expect(allowed).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('ends the cell where it ends a process, or as onViolation says', async () => {
    const [killed, failed, logged] = await inCells(user, [
      makeDirectory(mkdirRule('kill-process')),
      makeDirectory(mkdirRule('kill-thread'), 'error'),
      makeDirectory(mkdirRule('kill-process'), 'log'),
    ]);
    expect(killed).toMatchObject({ reason: 'violation', signal: 'SIGSYS', exitCode: null, violationCount: 1 });
    expect(killed?.violations[0]).toMatchObject({ syscall: 'mkdir', path: '/tmp/made' });
    expect(killed?.violations[0]).not.toHaveProperty('promise');
    expect(failed?.stderr).toContain('Operation not permitted');
    expect(logged).toMatchObject({ reason: 'exited', exitCode: 0, violationCount: 1 });
  });

  it('takes a profile of Docker, and what runs under Docker runs', async () => {
    const [shellRun, pythonRun] = await inCells(user, [
      { command: 'sh', args: ['-c', 'ls / > /dev/null && echo ok'], options: { seccomp: DOCKER } },
      { command: '/usr/bin/python3', args: ['-c', 'import threading; print("ok")'], options: { seccomp: DOCKER } },
    ]);
    expect(shellRun).toMatchObject({ stdout: 'ok\n', violationCount: 0 });
    expect(pythonRun).toMatchObject({ stdout: 'ok\n', violationCount: 0 });
  });

  it('starts a command that it does not list', async () => {
    const listed: SeccompPolicy = {
      defaultAction: 'kill-process',
      rules: [
        {
          syscalls: [
            ...[
              'read',
              'write',
              'close',
              'openat',
              'fstat',
              'newfstatat',
              'mmap',
              'mprotect',
              'munmap',
              'brk',
              'access',
            ],
            ...['pread64', 'arch_prctl', 'set_tid_address', 'set_robust_list', 'rseq', 'prlimit64', 'getrandom'],
            ...['exit_group', 'exit'],
          ],
          action: 'allow',
        },
      ],
    };
    const [result] = await inCells(user, [{ command: 'true', options: { seccomp: listed } }]);
    expect(result).toMatchObject({ reason: 'exited', exitCode: 0, violationCount: 0 });
  });

  it('has its issues named by their place', async () => {
    const wrong = { defaultAction: 'allow', rules: [{ syscalls: 'mkdirr', action: 'allow' }] } as const;
    expect((await refusal(user, { seccomp: wrong })).message).toContain('seccomp.rules[0].syscalls');
  });
});

describe.each(USERS)('tcp of a cell, as %s', (user) => {
  const attempt = (port: number) =>
    [
      'import socket',
      's = socket.socket()',
      'def errno(act):',
      '  try: act(); return 0',
      '  except OSError as error: return error.errno',
      `print(errno(lambda: s.bind(("127.0.0.1", ${String(port)}))), errno(lambda: socket.socket().connect(("127.0.0.1", ${String(port)}))))`,
    ].join('\n');
  const run = (port: number, tcp?: { connect?: number[]; bind?: number[] }) => ({
    command: '/usr/bin/python3',
    args: ['-c', attempt(port)],
    options: tcp === undefined ? {} : { tcp },
  });
  // EACCES 13; ECONNREFUSED 111: nobody listens, but the kernel was asked.
  it('allows the ports that it names, and no others', async () => {
    const results = await inCells(user, [
      run(4000, { bind: [4000], connect: [4001] }),
      run(4001, { bind: [4000], connect: [4001] }),
      run(4000, {}),
      run(4000),
    ]);
    expect(results.map(({ stdout }) => stdout.trim())).toEqual(['0 13', '13 111', '13 13', '0 111']);
    expect(results.map(({ enforcement }) => enforcement.landlock?.handledNet)).toEqual([
      ['bind-tcp', 'connect-tcp'],
      ['bind-tcp', 'connect-tcp'],
      ['bind-tcp', 'connect-tcp'],
      [],
    ]);
  });
});
