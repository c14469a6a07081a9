/** Sections 1 and 4: the policy, what is in force, what a machine can enforce. Shapes are written out here, apart from the sources. */

import { type CloisterError, type CloisterErrorCode, probe } from 'cloister';
import type {
  Bytes,
  CapabilityName,
  Duration,
  Enforcement,
  IsolationPolicy,
  Limits,
  Mount,
  OciSeccompProfile,
  OnUnsupported,
  OnViolation,
  PledgePromise,
  RestrictionPolicy,
  SeccompPolicy,
  Support,
  UnveilPermissions,
} from 'cloister';
import { describe, expectTypeOf, it } from 'vitest';

type OneOf<T extends readonly string[]> = T[number];

type Promises = OneOf<
  [
    'stdio',
    'rpath',
    'wpath',
    'cpath',
    'dpath',
    'tmppath',
    'fattr',
    'chown',
    'flock',
    'unix',
    'inet',
    'mcast',
    'dns',
    'recvfd',
    'sendfd',
    'tty',
    'proc',
    'exec',
    'id',
    'settime',
    'ps',
    'vminfo',
    'getpw',
    'unveil',
    'error',
    'prot_exec',
    'anet',
  ]
>;

interface Restriction {
  pledge?: string | readonly Promises[];
  unveil?: Readonly<Record<string, string>>;
  tcp?: { connect?: readonly number[]; bind?: readonly number[] };
  scope?: boolean;
  seccomp?: SeccompPolicy | OciSeccompProfile;
  capabilities?: readonly string[];
  onViolation?: 'kill' | 'error' | 'log';
  onUnsupported?: 'error' | 'degrade';
}

type Size = number | string;

interface AllLimits {
  wallTime?: Size;
  cpuTime?: Size;
  memory?: Size;
  processes?: number;
  fileSize?: Size;
  openFiles?: number;
  output?: Size;
  scratch?: Size;
  cpus?: number;
  core?: Size;
  stack?: Size;
  addressSpace?: Size;
}

interface NetRequest {
  host?: string;
  address: string;
  port: number;
  protocol: 'tcp' | 'udp';
}

interface Isolation extends Restriction {
  root?:
    | 'system'
    | 'host'
    | 'empty'
    | { directory: string; writable?: boolean | 'discard' }
    | { image: string; reference?: string };
  mounts?: readonly Mount[];
  net?:
    | 'none'
    | 'host'
    | { allow: readonly string[]; deny?: readonly string[]; ask?: (request: NetRequest) => boolean | Promise<boolean> };
  hostname?: string;
  user?: { uid?: number; gid?: number; hostRoot?: boolean };
  limits?: AllLimits;
  env?: Readonly<Record<string, string | undefined>> | 'inherit';
  cwd?: string;
  appArmorProfile?: string;
  selinuxLabel?: string;
  backend?: 'auto' | 'namespaces' | 'landlock' | 'chroot';
}

type AnyMount =
  | { type: 'bind'; source: string; target?: string; writable?: boolean; optional?: boolean; executable?: boolean }
  | { type: 'tmpfs'; target: string; size?: Size; mode?: number; executable?: boolean }
  | { type: 'overlay'; lower: string | readonly string[]; target: string; upper?: string }
  | { type: 'file'; target: string; content: string | Uint8Array; mode?: number; writable?: boolean }
  | { type: 'directory'; target: string; mode?: number }
  | { type: 'symlink'; target: string; to: string }
  | { type: 'proc'; target?: string }
  | { type: 'dev'; target?: string };

type Mechanism = 'cgroup-v2' | 'cgroup-v1' | 'rlimit' | 'tmpfs' | 'sampling' | 'launcher' | 'node';

interface InForce {
  noNewPrivileges: boolean;
  landlock: { abi: number; handledFs: string[]; handledNet: string[]; scoped: string[] } | null;
  seccomp: { filters: number; instructions: number } | null;
  namespaces: string[];
  rootFileSystem: 'pivot_root' | 'chroot' | 'landlock' | 'unrestricted';
  cgroup: 'v2' | 'v1' | null;
  capabilities: string[];
  threads?: number;
  limits?: Record<string, Mechanism>;
  missing: { feature: string; reason: string }[];
}

type NamespaceKind = 'user' | 'mount' | 'pid' | 'net' | 'ipc' | 'uts' | 'cgroup' | 'time';

interface Machine {
  platform: string;
  kernel: string;
  arch: string;
  landlock: { abi: number; fs: string[]; net: string[]; scope: string[] } | null;
  seccomp: { filter: boolean; userNotification: boolean; threadSync: boolean; actions: string[] } | null;
  namespaces: Record<NamespaceKind, boolean>;
  namespacesBlockedBy?: string;
  cgroup: { version: 'v2' | 'v1'; writable: boolean; controllers: string[] } | null;
  backends: ('namespaces' | 'landlock' | 'chroot')[];
}

type Codes =
  | 'ERR_CLOISTER_POLICY'
  | 'ERR_CLOISTER_UNSUPPORTED'
  | 'ERR_CLOISTER_SETUP'
  | 'ERR_CLOISTER_NOT_FOUND'
  | 'ERR_CLOISTER_RPC'
  | 'ERR_CLOISTER_ARCHIVE';

/** Either may stand where the other is expected. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

describe('policy', () => {
  it('has the promises, letters, units and words of the contract', () => {
    expectTypeOf<PledgePromise>().toEqualTypeOf<Promises>();
    expectTypeOf<UnveilPermissions>().toEqualTypeOf<string>();
    expectTypeOf<CapabilityName>().toEqualTypeOf<string>();
    expectTypeOf<Bytes>().toEqualTypeOf<Size>();
    expectTypeOf<Duration>().toEqualTypeOf<Size>();
    expectTypeOf<OnViolation>().toEqualTypeOf<'kill' | 'error' | 'log'>();
    expectTypeOf<OnUnsupported>().toEqualTypeOf<'error' | 'degrade'>();
  });

  it('takes and is what the contract says', () => {
    expectTypeOf<Same<RestrictionPolicy, Restriction>>().toEqualTypeOf<true>();
    expectTypeOf<Same<IsolationPolicy, Isolation>>().toEqualTypeOf<true>();
    expectTypeOf<Same<Limits, AllLimits>>().toEqualTypeOf<true>();
    expectTypeOf<Same<Mount, AnyMount>>().toEqualTypeOf<true>();
  });

  it('refuses misspelt keys and unknown words at compile time', () => {
    // @ts-expect-error unknown key
    const misspelt: IsolationPolicy = { unvail: {} };
    // @ts-expect-error unknown promise
    const unknown: IsolationPolicy = { pledge: ['stdoi'] };
    // @ts-expect-error unknown root
    const rootless: IsolationPolicy = { root: 'nothing' };
    expectTypeOf([misspelt, unknown, rootless]).toBeArray();
  });
});

describe('reports', () => {
  it('have the shape of the contract', () => {
    expectTypeOf<Same<Enforcement, InForce>>().toEqualTypeOf<true>();
    expectTypeOf<Same<Support, Machine>>().toEqualTypeOf<true>();
    expectTypeOf(probe).toEqualTypeOf<() => Support>();
  });
});

describe('errors', () => {
  it('are told apart by code', () => {
    expectTypeOf<CloisterErrorCode>().toEqualTypeOf<Codes>();
    expectTypeOf<CloisterError>().toExtend<Error>();
    expectTypeOf<CloisterError['code']>().toEqualTypeOf<Codes>();
    expectTypeOf<CloisterError['errno']>().toEqualTypeOf<number | undefined>();
    expectTypeOf<CloisterError['stage']>().toEqualTypeOf<string | undefined>();
    expectTypeOf<CloisterError['hint']>().toEqualTypeOf<string | undefined>();
    expectTypeOf<NonNullable<CloisterError['issues']>[number]>().toExtend<{
      code: string;
      path: string;
      message: string;
    }>();
  });
});
