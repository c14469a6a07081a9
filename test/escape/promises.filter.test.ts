/**
 * Around the promises of a cell: memory that changes between the launcher's look and the kernel's (seccomp_unotify(2), "Design goals; use of
 * SECCOMP_USER_NOTIF_FLAG_CONTINUE"), a listener of one's own, which could let calls pass, and the descriptors of the process that answers.
 */

import { describe, expect, it } from 'vitest';

import { inCells } from '../support/cells.js';
import { USERS } from '../support/in-subprocess.js';

const LIBRARY = '/usr/lib/sandboxee';

describe.each(USERS)('the promises of a cell, as %s', (user) => {
  it('a path that changes after it was judged opens nothing but libraries', async () => {
    const deed = `race,${LIBRARY},/etc/passwd,20000`;
    const options = (pledge: string) => ({
      pledge,
      onViolation: 'error' as const,
      root: 'empty' as const,
      mounts: [
        { type: 'bind', source: '/bin/true', target: LIBRARY } as const,
        { type: 'file', target: '/etc/passwd', content: 'root:x:0:0::/:/bin/sh' } as const,
      ],
    });
    const [closed, open] = await inCells(user, [
      { args: [deed], options: options('stdio') },
      { args: [deed], options: options('stdio rpath') },
    ]);
    expect(closed?.deeds).toEqual({ [deed]: 'OK:opened 0' });
    expect(open?.deeds[deed]).toMatch(/^OK:opened [1-9]/);
  });

  it('no listener can be made inside, and none is left open there', async () => {
    const code = [
      'import ctypes, os',
      'class Program(ctypes.Structure): _fields_ = [("size", ctypes.c_ushort), ("code", ctypes.c_void_p)]',
      'allow = (ctypes.c_uint64 * 1)(0x7fff000000000006)',
      'program = Program(1, ctypes.cast(allow, ctypes.c_void_p))',
      'libc = ctypes.CDLL(None, use_errno=True)',
      'libc.prctl(38, 1, 0, 0, 0)',
      'number = 317 if os.uname().machine == "x86_64" else 277',
      'print(libc.syscall(number, 1, 8, ctypes.byref(program)), ctypes.get_errno())',
      'print(libc.syscall(number, 1, 0, ctypes.byref(program)))',
      'print([os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if int(n) > 2 and os.path.exists(f"/proc/self/fd/{n}")])',
    ].join('\n');
    const python = (pledge: string) => ({
      command: '/usr/bin/python3',
      args: ['-c', code],
      options: { pledge, onViolation: 'error' as const },
    });
    const [plain, restricting] = await inCells(user, [
      python('stdio rpath prot_exec'),
      python('stdio rpath prot_exec unveil'),
    ]);
    expect(plain?.stdout).toBe('-1 1\n-1\n[]\n');
    expect(restricting?.stdout).toBe('-1 1\n0\n[]\n');
  });
});
