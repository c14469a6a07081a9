/** Promises about memory, threads, processes and signals. */

import type { SeccompRule } from '../seccomp-types.js';
import type { PledgePromise } from '../types.js';
import { allow, allowValues, bits, is, isNull, without } from './rules.js';

type Held = (promise: PledgePromise) => boolean;

const PROT_EXEC = 0x4;
/** SHM_EXEC of shmat has no promise; MFD_NOEXEC_SEAL (Linux 6.3) makes a memory file that nothing can execute. */
const MFD_NOEXEC_SEAL = 0x8;

function memoryRules(held: Held): SeccompRule[] {
  const rules = held('prot_exec')
    ? [allow('mmap mmap2 mprotect pkey_mprotect')]
    : [allow('mmap mmap2', without(2, PROT_EXEC)), allow('mprotect pkey_mprotect', without(2, PROT_EXEC))];
  if (held('stdio')) {
    // Memory files have no path: with `exec` they would be a program that Landlock never sees.
    rules.push(held('exec') ? allow('memfd_create', bits(1, MFD_NOEXEC_SEAL, MFD_NOEXEC_SEAL)) : allow('memfd_create'));
  }
  return rules;
}

/** linux/sched.h. */
const THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;
const CLONE_PIDFD = 0x1000;
const CLONE_PTRACE = 0x2000;
const CLONE_PARENT = 0x8000;
const CLONE_UNTRACED = 0x80_0000;
const NEW_NAMESPACES = 0x0002_0000 | 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;
const NEVER = NEW_NAMESPACES | CLONE_PTRACE | CLONE_UNTRACED;

function cloneRules(held: Held): SeccompRule[] {
  const rules: SeccompRule[] = [];
  if (held('stdio')) {
    // Threads: everything is shared, nothing is new.
    rules.push(allow('clone', bits(0, THREAD_FLAGS | NEVER | CLONE_PIDFD, THREAD_FLAGS)));
  }
  if (held('proc')) {
    // CLONE_PARENT would make a brother of the caller, which its own parent knows nothing of.
    rules.push(allow('clone', without(0, NEVER | CLONE_PARENT)));
  }
  return rules;
}

/**
 * linux/prctl.h: PR_SET_PDEATHSIG PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_SET_NAME PR_GET_NAME PR_GET_SECCOMP PR_CAPBSET_READ PR_CAPBSET_DROP
 * PR_SET_TIMERSLACK PR_GET_TIMERSLACK PR_SET_NO_NEW_PRIVS PR_GET_NO_NEW_PRIVS PR_GET_TID_ADDRESS PR_GET_SPECULATION_CTRL, and PR_SET_VMA, with which
 * allocators name their memory.
 */
const PRCTL_OPTIONS = [1, 2, 3, 15, 16, 21, 23, 24, 29, 30, 38, 39, 40, 52, 0x5356_4d41];
const PR_SET_SECCOMP = 22;

/** asm/prctl.h: ARCH_SET_GS, SET_FS, GET_FS, GET_GS, CET_STATUS, SHSTK_ENABLE, SHSTK_LOCK, SHSTK_STATUS. Not ARCH_SET_CPUID. */
const ARCH_PRCTL_OPTIONS = [0x1001, 0x1002, 0x1003, 0x1004, 0x3001, 0x5001, 0x5003, 0x5005];

const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_GET_ACTION_AVAIL = 2;
const SECCOMP_GET_NOTIF_SIZES = 3;
const NEW_LISTENER = 0x8;

/** Whom a process without `proc` may send signals: nobody else by its number, or anybody, where it can see nobody else. */
export type SignalTargets = 'any' | { readonly pid: number };

function signalRules(held: Held, targets: SignalTargets): SeccompRule[] {
  if (!held('stdio') || held('proc')) {
    return [];
  }
  const calls = 'kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo';
  return targets === 'any' ? [allow(calls)] : [allow(calls, is(0, targets.pid))];
}

/** Reading limits, one's own; setting them is for `proc` and `id`. */
function limitRules(held: Held, targets: SignalTargets): SeccompRule[] {
  const own = [0, ...(targets === 'any' ? [] : [targets.pid])];
  if (held('proc') || held('id')) {
    return allowValues('prlimit64', 0, own);
  }
  return held('stdio') ? allowValues('prlimit64', 0, own, isNull(2)) : [];
}

export function processRules(held: Held, targets: SignalTargets): SeccompRule[] {
  return [
    ...memoryRules(held),
    ...cloneRules(held),
    ...signalRules(held, targets),
    ...limitRules(held, targets),
    ...allowValues('arch_prctl', 0, ARCH_PRCTL_OPTIONS),
    ...(held('stdio') ? allowValues('prctl', 0, PRCTL_OPTIONS) : []),
    ...(held('unveil')
      ? [
          // Further filters can only narrow. A listener could let calls pass that it answers for.
          allow('seccomp', is(0, SECCOMP_SET_MODE_FILTER), without(1, NEW_LISTENER)),
          ...allowValues('seccomp', 0, [SECCOMP_GET_ACTION_AVAIL, SECCOMP_GET_NOTIF_SIZES]),
          allow('prctl', is(0, PR_SET_SECCOMP)),
        ]
      : []),
  ];
}
