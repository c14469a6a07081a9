/** Filters as users write them. The compiler is native/seccomp. */

export type SeccompArch = 'x86_64' | 'x86' | 'x32' | 'aarch64' | 'arm' | 'riscv64';

/** What the kernel does at a matching call. See seccomp(2), SECCOMP_RET_*. */
export type SeccompAction =
  | 'allow'
  | 'log'
  | 'notify'
  | { trace: number }
  | 'trap'
  | { errno: number | string }
  | 'kill-thread'
  | 'kill-process';

/** A condition on one argument. Comparisons are unsigned; `'&=='` means (argument & mask) == value. */
export interface ArgCondition {
  index: 0 | 1 | 2 | 3 | 4 | 5;
  op: '==' | '!=' | '<' | '<=' | '>' | '>=' | '&==';
  /** Negative numbers: two's complement of the width. */
  value: number | bigint;
  /** With `'&=='` only. */
  mask?: number | bigint;
  /** 32 compares the low half only. Default: what the kernel itself looks at: 32 for arguments like int, 64 for long, pointers and sizes, and where unknown. */
  width?: 32 | 64;
}

export interface SeccompRule {
  syscalls: string | number | readonly (string | number)[];
  action: SeccompAction;
  /** All must hold. Default: none. */
  args?: readonly ArgCondition[];
}

/** The first rule that matches decides, in the order written; else `defaultAction`. */
export interface SeccompPolicy {
  defaultAction: SeccompAction;
  /** Default: the machine's own. */
  architectures?: readonly SeccompArch[];
  /** Answer to calls of any other architecture. Default `'kill-process'`. */
  foreignArchAction?: SeccompAction;
  /** Answer to numbers that this version has no name for. Default: ENOSYS where `defaultAction` refuses, else `defaultAction`. */
  unknownSyscallAction?: SeccompAction;
  rules: readonly SeccompRule[];
}

/** The profile format of the OCI runtime specification, as Docker ships it. */
export type OciSeccompProfile = {
  defaultAction: string;
  defaultErrnoRet?: number;
  syscalls?: unknown[];
  architectures?: string[];
  archMap?: unknown[];
};

export interface SeccompCall {
  arch: SeccompArch;
  syscall: string | number;
  /** Up to six; those left out are 0. */
  args?: readonly (number | bigint)[];
  /** Default 0. */
  instructionPointer?: number | bigint;
}

/** A compiled filter. */
export interface SeccompProgram {
  /** struct sock_filter[], 8 bytes each, in host byte order. */
  readonly bytes: Uint8Array;
  /** Instructions. */
  readonly length: number;
  disassemble(): string;
  /** Interprets the program as the kernel would. `executed`: instructions run. */
  evaluate(call: SeccompCall): { action: SeccompAction; executed: number };
  /** Whether the kernel's action cache answers this call without running the program (Linux 5.11). */
  isCached(call: Pick<SeccompCall, 'arch' | 'syscall'>): boolean;
}
