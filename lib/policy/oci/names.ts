/** The words of the OCI runtime specification's seccomp section, and Docker's for architectures. */

import type { ArgCondition, SeccompAction, SeccompArch } from '../seccomp-types.js';

const EPERM = 1;

const ACTIONS: Readonly<Record<string, (data: number | undefined) => SeccompAction>> = {
  SCMP_ACT_ALLOW: () => 'allow',
  SCMP_ACT_LOG: () => 'log',
  SCMP_ACT_NOTIFY: () => 'notify',
  SCMP_ACT_TRAP: () => 'trap',
  // libseccomp's old name: the thread, not the process.
  SCMP_ACT_KILL: () => 'kill-thread',
  SCMP_ACT_KILL_THREAD: () => 'kill-thread',
  SCMP_ACT_KILL_PROCESS: () => 'kill-process',
  SCMP_ACT_ERRNO: (data) => ({ errno: data ?? EPERM }),
  SCMP_ACT_TRACE: (data) => ({ trace: data ?? EPERM }),
};

export const ACTION_NAMES: readonly string[] = Object.keys(ACTIONS);

export function actionNamed(name: string, data: number | undefined): SeccompAction | undefined {
  return Object.hasOwn(ACTIONS, name) ? ACTIONS[name]?.(data) : undefined;
}

const OPERATORS: Readonly<Record<string, ArgCondition['op']>> = {
  SCMP_CMP_NE: '!=',
  SCMP_CMP_LT: '<',
  SCMP_CMP_LE: '<=',
  SCMP_CMP_EQ: '==',
  SCMP_CMP_GE: '>=',
  SCMP_CMP_GT: '>',
  SCMP_CMP_MASKED_EQ: '&==',
};

export const OPERATOR_NAMES: readonly string[] = Object.keys(OPERATORS);

export function operatorNamed(name: string): ArgCondition['op'] | undefined {
  return Object.hasOwn(OPERATORS, name) ? OPERATORS[name] : undefined;
}

/** SCMP_ARCH_* of libseccomp, and what includes and excludes of Docker's profiles call the same machine (runtime.GOARCH, but for x32). */
const ARCHS: readonly (readonly [SeccompArch, string, string])[] = [
  ['x86_64', 'SCMP_ARCH_X86_64', 'amd64'],
  ['x86', 'SCMP_ARCH_X86', 'x86'],
  ['x32', 'SCMP_ARCH_X32', 'x32'],
  ['aarch64', 'SCMP_ARCH_AARCH64', 'arm64'],
  ['arm', 'SCMP_ARCH_ARM', 'arm'],
  ['riscv64', 'SCMP_ARCH_RISCV64', 'riscv64'],
];

export function archNamed(name: string): SeccompArch | undefined {
  return ARCHS.find(([, scmp]) => scmp === name)?.[0];
}

export function scmpName(arch: SeccompArch): string {
  return ARCHS.find(([own]) => own === arch)?.[1] ?? arch;
}

/** What a profile may call the machine in `arches`. */
export function dockerNames(arch: SeccompArch): readonly string[] {
  const names = ARCHS.filter(([own]) => own === arch).map(([, , docker]) => docker);
  return arch === 'x86' ? [...names, '386'] : names;
}
