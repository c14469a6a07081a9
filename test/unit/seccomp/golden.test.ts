/** Disassembly of compiled policies, word for word: whoever changes the compiler sees in the diff what became of programs. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

import { compile } from '../../../lib/filter/compile.js';
import { hardeningPolicy } from '../../../lib/policy/hardening.js';
import { fromOci } from '../../../lib/policy/oci.js';
import { pledgePolicy } from '../../../lib/policy/promises.js';
import type { OciSeccompProfile, SeccompArch, SeccompPolicy } from '../../../lib/policy/seccomp-types.js';

const docker = JSON.parse(
  readFileSync(new URL('../../data/docker-default.json', import.meta.url), 'utf8'),
) as OciSeccompProfile;

const small: SeccompPolicy = {
  defaultAction: { errno: 'EPERM' },
  rules: [
    { syscalls: ['read', 'write', 'close', 'exit_group', 'rt_sigreturn'], action: 'allow' },
    { syscalls: 'socket', action: 'allow', args: [{ index: 0, op: '==', value: 1 }] },
    {
      syscalls: 'socket',
      action: 'log',
      args: [
        { index: 0, op: '==', value: 2 },
        { index: 1, op: '&==', mask: 0xf, value: 1 },
      ],
    },
    { syscalls: 'personality', action: 'allow', args: [{ index: 0, op: '&==', mask: 0xfffdfff7, value: 0 }] },
    { syscalls: 'ftruncate', action: 'allow', args: [{ index: 1, op: '<', value: 0x1_0000_0001 }] },
    { syscalls: 'ptrace', action: 'kill-process' },
  ],
};

function policies(arch: 'x86_64' | 'aarch64'): Record<string, SeccompPolicy> {
  return {
    small: { ...small, architectures: [arch] },
    docker: { ...fromOci(docker, { arch, kernel: '6.1' }), architectures: [arch] },
    hardening: hardeningPolicy({ architectures: [arch] }),
    'pledge-stdio-rpath': pledgePolicy('stdio rpath', { arch, signals: 'any' }),
  };
}

describe.each(['x86_64', 'aarch64'] as const)('on %s', (arch) => {
  test.each(Object.entries(policies(arch)))('%s compiles to the recorded program', async (name, policy) => {
    await expect(compile(policy).disassemble()).toMatchFileSnapshot(`../../golden/seccomp/${name}.${arch}.txt`);
  });
});

test('Docker with all of its architectures compiles to the recorded program', async () => {
  await expect(compile(fromOci(docker, { arch: 'x86_64', kernel: '6.1' })).disassemble()).toMatchFileSnapshot(
    '../../golden/seccomp/docker-with-x86-and-x32.x86_64.txt',
  );
});

test('the same policy gives the same bytes on every machine', () => {
  const archs: SeccompArch[] = ['x86_64', 'x86', 'x32', 'aarch64', 'arm', 'riscv64'];
  const program = compile({ ...small, architectures: archs });
  expect(createHash('sha256').update(program.bytes).digest('hex')).toMatchInlineSnapshot(
    `"9bd21aa5a646b3f9f48965df9bce480b129caf16161e2fd66e958ec3855ebf2c"`,
  );
  expect(compile({ ...small, architectures: archs }).bytes).toEqual(program.bytes);
});
