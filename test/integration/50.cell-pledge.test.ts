/** `pledge` in a cell: in force from the first instruction, whatever the program is linked with. */

import { chmodSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { inCells, shell } from '../support/cells.js';
import { USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const python = (code: string) => ({ command: '/usr/bin/python3', args: ['-c', code] });

describe.each(USERS)('pledge of a cell, as %s', (user) => {
  it('starts dynamic, static and interpreted programs, without a violation', async () => {
    const folder = scratch(user, { hello: '#!/usr/bin/awk -f\nBEGIN { print "hello" }\n' });
    chmodSync(path.join(folder, 'hello'), 0o755);
    const script = { type: 'bind', source: folder, target: '/opt' } as const;
    const results = await inCells(user, [
      { command: 'true', options: { pledge: '' } },
      { command: 'echo', args: ['hello'], options: { pledge: 'stdio' } },
      { args: ['ids'], options: { pledge: 'stdio' } },
      { command: '/opt/hello', options: { pledge: 'stdio', mounts: [script] } },
      { ...python('print("hello")'), options: { pledge: 'stdio rpath' } },
    ]);
    expect(results.map(({ reason, exitCode, violationCount }) => [reason, exitCode, violationCount])).toEqual(
      results.map(() => ['exited', 0, 0]),
    );
    expect(results.map(({ stdout }) => stdout.includes('hello'))).toEqual([false, true, false, true, true]);
    expect(results[0]?.enforcement.seccomp?.instructions).toBeGreaterThan(50);
  });

  it('reads nothing but libraries and the command without rpath', async () => {
    const unveil = { '/etc/passwd': 'r' };
    const [refused, allowed, library, around] = await inCells(user, [
      { command: 'cat', args: ['/etc/passwd'], options: { pledge: 'stdio', onViolation: 'error', unveil } },
      { command: 'cat', args: ['/etc/passwd'], options: { pledge: 'stdio rpath', onViolation: 'error', unveil } },
      { command: 'cat', args: ['/etc/ld.so.cache'], options: { pledge: 'stdio' } },
      { command: 'cat', args: ['/usr/lib/../../etc/passwd'], options: { pledge: 'stdio', onViolation: 'error' } },
    ]);
    expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
    expect(refused?.stderr).toContain('Operation not permitted');
    expect(refused?.violations).toMatchObject([{ syscall: 'openat', path: '/etc/passwd', promise: 'rpath' }]);
    expect(allowed?.stdout).toContain('root:');
    expect(library).toMatchObject({ exitCode: 0, violationCount: 0 });
    expect(around?.stderr).toContain('Operation not permitted');
  });

  it('is held by Landlock where a link leads out of the libraries', async () => {
    // What the path says is believed by nobody: the kernel looks at where it leads.
    const link = { type: 'symlink', target: '/usr/local/lib/out', to: '/etc/passwd' } as const;
    const make = (pledge: string) => ({
      command: 'cat',
      args: ['/usr/local/lib/out'],
      options: { pledge, mounts: [{ type: 'tmpfs', target: '/usr/local/lib' } as const, link] },
    });
    const [closed, open] = await inCells(user, [make('stdio'), make('stdio rpath')]);
    expect(closed).toMatchObject({ exitCode: 1, violationCount: 0 });
    expect(closed?.stderr).toContain('Permission denied');
    expect(open?.stdout).toContain('root:');
  });

  it('executes one program without exec, by any call and any name', async () => {
    const code = [
      'import ctypes, os',
      'libc = ctypes.CDLL(None, use_errno=True)',
      'argv = (ctypes.c_char_p * 2)(b"id", None)',
      'env = (ctypes.c_char_p * 1)(None)',
      // An absolute path makes execveat forget its descriptor.
      'for name, call in (("execve", lambda: libc.syscall(59 if os.uname().machine == "x86_64" else 221, b"/usr/bin/id", argv, env)),',
      '                   ("execveat", lambda: libc.syscall(322 if os.uname().machine == "x86_64" else 281, 987654, b"/usr/bin/id", argv, env, 0x1000))):',
      '  pid = os.fork()',
      '  if pid == 0:',
      '    call()',
      '    os._exit(100 + ctypes.get_errno())',
      '  print(name, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)',
    ].join('\n');
    const promises = 'stdio rpath proc prot_exec';
    const [refused, allowed] = await inCells(user, [
      { ...python(code), options: { pledge: promises, onViolation: 'error' } },
      { ...python(code), options: { pledge: `${promises} exec getpw`, onViolation: 'error' } },
    ]);
    expect(refused?.stdout).toBe('execve 101\nexecveat 101\n');
    expect(refused?.violations).toMatchObject([
      { syscall: 'execve', path: '/usr/bin/id', promise: 'exec' },
      { syscall: 'execveat', path: '/usr/bin/id', promise: 'exec' },
    ]);
    expect(allowed?.stdout).toMatch(/uid=.*execve 0.*uid=.*execveat 0/s);
    expect(allowed?.violationCount).toBe(0);
  });

  it('does not count looking for a command along PATH as executing', async () => {
    const [result] = await inCells(user, [
      {
        command: 'true',
        options: { pledge: 'stdio', env: { PATH: '/nowhere:/etc:/etc/passwd:/usr/share:/usr/bin' } },
      },
    ]);
    expect(result).toMatchObject({ reason: 'exited', exitCode: 0, violationCount: 0 });
  });

  it('keeps memory from becoming code without prot_exec', async () => {
    const code = [
      'import mmap',
      'def attempt(prot):',
      '  try:',
      '    mmap.mmap(-1, 4096, prot=prot); return "OK"',
      '  except OSError as error:',
      '    return error.errno',
      'print(attempt(3), attempt(7))',
    ].join('\n');
    const [refused, allowed] = await inCells(user, [
      { ...python(code), options: { pledge: 'stdio rpath', onViolation: 'error' } },
      { ...python(code), options: { pledge: 'stdio rpath prot_exec', onViolation: 'error' } },
    ]);
    expect(refused?.stdout).toBe('OK 1\n');
    expect(refused?.violations).toMatchObject([{ syscall: 'mmap', promise: 'prot_exec' }]);
    expect(allowed?.stdout).toBe('OK OK\n');
  });

  it('makes the promise error mean onViolation error', async () => {
    const [result] = await inCells(user, [shell('mkdir /tmp/x; echo $?', { pledge: 'stdio rpath proc exec error' })]);
    expect(result).toMatchObject({ reason: 'exited', stdout: '1\n' });
    expect(result?.violations).toMatchObject([{ syscall: 'mkdir', path: '/tmp/x', promise: 'cpath' }]);
  });
});
