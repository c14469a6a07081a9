/** What native/binding/seccomp_binding.cc exports. Used by lib/filter alone. */

/** Why there is no program: the numbers of ErrorKind in native/seccomp/policy.h. */
export const CompileFailure = { request: 0, tooLong: 1, internal: 2 } as const;

export interface SeccompFunctions {
  /** A checked program for an encoded request (lib/filter/encode.ts), or why there is none. */
  seccompCompile(request: Uint8Array): Uint8Array | { kind: number; detail: string };
  /** Interprets a program for one struct seccomp_data (64 bytes). */
  seccompEvaluate(program: Uint8Array, call: Uint8Array): { answer: number; executed: number };
  /** Whether the kernel would answer from its cache. `arch`: a value of seccomp_data.arch. */
  seccompIsConstantAllow(program: Uint8Array, number: number, arch: number): boolean;
}
