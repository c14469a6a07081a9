/** What this machine can enforce: asked once of the launcher, which tries it, since versions and settings alone do not tell. */

import { setupError } from '../errors.js';
import { isSupportedPlatform, loadNative } from '../native/binding.js';
import type { CloisterAddon, NativeFailure } from '../native/functions.js';
import { explainBlocked } from './advice.js';
import type { ControllerName, HostFeatures, Support } from './types.js';

export interface HostInfo {
  readonly support: Support;
  readonly features: HostFeatures;
}

interface Look {
  readonly info: HostInfo;
  /** False: something was short while it was tried, and may not be the next time. */
  readonly lasting: boolean;
}

let cached: { readonly uid: number | undefined; readonly info: HostInfo } | undefined;

/**
 * Says what this machine can enforce and, where namespaces are blocked, why and the mend. Found by trying, once per process, unless
 * processes, memory or descriptors were short; a few milliseconds.
 * Elsewhere than on Linux nothing can be enforced, and the result says so.
 *
 * @throws ERR_CLOISTER_SETUP where the native parts are missing.
 * @example
 * ```ts
 * if (!probe().backends.includes('namespaces')) console.error(probe().namespacesBlockedBy);
 * ```
 */
export function probe(): Support {
  // The caller may change what it gets.
  return structuredClone(hostInfo().support);
}

/** The same, with what only plans and hints need. */
export function hostInfo(): HostInfo {
  // A process that has changed its user is asked anew: much depends on who one is.
  const uid = process.geteuid?.();
  if (cached !== undefined && cached.uid === uid) {
    return cached.info;
  }
  const { info, lasting } = look();
  cached = lasting ? { uid, info } : undefined;
  return info;
}

function look(): Look {
  const machine = { platform: process.platform, arch: process.arch };
  if (!isSupportedPlatform()) {
    return { info: parseProbe('', machine), lasting: true };
  }
  const { addon, launcherPath } = loadNative();
  const text = runProbe(addon, launcherPath);
  return { info: parseProbe(text, machine), lasting: isLasting(text) };
}

/** Whether no try failed for want of processes, memory or descriptors: else a moment's shortage would be the answer for as long as this process lives. */
export function isLasting(text: string): boolean {
  return !/=(EAGAIN|ENOMEM|EMFILE|ENFILE)(:|$)/mu.test(text);
}

function runProbe(addon: CloisterAddon, launcherPath: string): string {
  try {
    return addon.probe(launcherPath);
  } catch (error) {
    const { errno, syscall } = error as Partial<NativeFailure>;
    if (errno === undefined || syscall === undefined) {
      throw error;
    }
    const operation = `cannot find out what this machine can enforce: ${syscall} of ${launcherPath} probe`;
    throw setupError({ operation, stage: 'clone', errno, syscall, path: launcherPath, cause: error });
  }
}

/** Rights of Landlock by the ABI that brought them (landlock(7)). Later ABIs (7: audit, 8: thread sync) brought no right that is used here. */
const LANDLOCK_RIGHTS: readonly {
  readonly abi: number;
  readonly kind: 'fs' | 'net' | 'scope';
  readonly names: readonly string[];
}[] = [
  {
    abi: 1,
    kind: 'fs',
    names: [
      'execute',
      'write-file',
      'read-file',
      'read-dir',
      'remove-dir',
      'remove-file',
      'make-char',
      'make-dir',
      'make-reg',
      'make-sock',
      'make-fifo',
      'make-block',
      'make-sym',
    ],
  },
  { abi: 2, kind: 'fs', names: ['refer'] },
  { abi: 3, kind: 'fs', names: ['truncate'] },
  { abi: 4, kind: 'net', names: ['bind-tcp', 'connect-tcp'] },
  { abi: 5, kind: 'fs', names: ['ioctl-dev'] },
  { abi: 6, kind: 'scope', names: ['abstract-unix-socket', 'signal'] },
];

/** The launcher's lines of `key=value`. A key that is missing counts as "no". */
export function parseProbe(text: string, machine: { platform: string; arch: string }): HostInfo {
  const values = new Map(
    text
      .split('\n')
      .flatMap((line) =>
        line.includes('=') ? [[line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)] as const] : [],
      ),
  );
  const features = parseFeatures(values);
  const support: Support = {
    ...machine,
    kernel: values.get('kernel') ?? '',
    landlock: parseLandlock(Number(values.get('landlock_abi') ?? 0)),
    seccomp: values.has('seccomp_filter') ? parseSeccomp(values) : null,
    namespaces: {
      user: works(values, 'userns'),
      mount: works(values, 'mountns'),
      pid: works(values, 'pidns'),
      net: works(values, 'netns'),
      ipc: works(values, 'ipcns'),
      uts: works(values, 'utsns'),
      cgroup: works(values, 'cgroupns'),
      time: works(values, 'timens'),
    },
    cgroup: parseCgroup(values),
    backends: [],
  };
  const { user, mount, pid } = support.namespaces;
  if (user && mount && pid && works(values, 'tmpfsmount') && features.freshProc) {
    support.backends.push('namespaces');
  } else {
    support.namespacesBlockedBy = explainBlocked(features, machine.platform);
  }
  const { asRoot, realRoot } = features;
  if (asRoot?.namespaces.includes('mount') === true && asRoot.namespaces.includes('pid')) {
    support.backends.push('chroot');
  }
  if (
    landlockHolds(support.landlock, realRoot) &&
    works(values, 'landlock_domain') &&
    support.seccomp?.filter === true
  ) {
    support.backends.push('landlock');
  }
  return { support, features };
}

/**
 * Whether files, signals and tracing outside are out of reach without any namespace. Signals take ABI 6 where the cell has the caller's own uid;
 * a root caller's has another one. Truncating is a right since ABI 3.
 */
function landlockHolds(landlock: Support['landlock'], realRoot: boolean): boolean {
  return landlock !== null && landlock.abi >= (realRoot ? 3 : 6);
}

function works(values: ReadonlyMap<string, string>, key: string): boolean {
  return values.get(key) === 'ok';
}

function parseFeatures(values: ReadonlyMap<string, string>): HostFeatures {
  return {
    realRoot: values.get('real_root') === '1',
    overlay: works(values, 'overlay'),
    idMappedBinds: works(values, 'idmap'),
    freshProc: works(values, 'procmount'),
    listener: works(values, 'seccomp_listener'),
    processesPerNamespace: values.get('nproc_per_namespace') === '1',
    asRoot: parseRootFeatures(values),
    controllers: parseControllers(values.get('cgroup_usable')),
    settings: {
      maxUserNamespaces: setting(values.get('max_user_namespaces')),
      unprivilegedUserNamespaces: flag(values.get('unprivileged_userns_clone')),
      appArmorRestrictsUserNamespaces: flag(values.get('apparmor_restrict_userns')),
    },
    failure:
      ['userns', 'mountns', 'pidns', 'tmpfsmount', 'procmount']
        .map((key) => failureOf(key, values.get(key)))
        .find((failure) => failure !== null) ?? null,
  };
}

/** Null where it may not mount in them either. */
function parseRootFeatures(values: ReadonlyMap<string, string>): HostFeatures['asRoot'] {
  const given = words(values.get('rootns'));
  return works(values, 'rootmounts')
    ? { namespaces: ROOT_NAMESPACES.filter((name) => given.includes(name)), overlay: works(values, 'rootoverlay') }
    : null;
}

const ROOT_NAMESPACES = ['mount', 'pid', 'net', 'ipc', 'uts', 'cgroup'] as const;

/** `EPERM:ids` of a namespace, `EPERM` of a mount. */
function failureOf(key: string, value: string | undefined): HostFeatures['failure'] {
  if (value === undefined || value === 'ok') {
    return null;
  }
  const [errno = value, stage = key] = value.split(':');
  return { errno, stage };
}

function setting(value: string | undefined): number | null {
  return value !== undefined && /^\d+$/.test(value) ? Number(value) : null;
}

function flag(value: string | undefined): boolean | null {
  const number = setting(value);
  return number === null ? null : number !== 0;
}

function parseLandlock(abi: number): Support['landlock'] {
  if (!Number.isInteger(abi) || abi < 1) {
    return null;
  }
  const names = (kind: 'fs' | 'net' | 'scope'): string[] =>
    LANDLOCK_RIGHTS.filter((step) => step.kind === kind && step.abi <= abi).flatMap((step) => step.names);
  return { abi, fs: names('fs'), net: names('net'), scope: names('scope') };
}

function parseSeccomp(values: ReadonlyMap<string, string>): Support['seccomp'] {
  return {
    filter: values.get('seccomp_filter') === '1',
    userNotification: values.get('seccomp_user_notification') === '1',
    threadSync: values.get('seccomp_tsync') === '1',
    actions: words(values.get('seccomp_actions')),
  };
}

function parseCgroup(values: ReadonlyMap<string, string>): Support['cgroup'] {
  const version = values.get('cgroup');
  return version === 'v2' || version === 'v1'
    ? { version, writable: values.get('cgroup_writable') === '1', controllers: words(values.get('cgroup_controllers')) }
    : null;
}

/** `memory:v2,pids:v2`. */
function parseControllers(list: string | undefined): HostFeatures['controllers'] {
  const controllers: Partial<Record<ControllerName, 'v2' | 'v1'>> = {};
  for (const word of words(list)) {
    const [name, version] = word.split(':');
    if (CONTROLLERS.has(name ?? '') && (version === 'v2' || version === 'v1')) {
      controllers[name as ControllerName] = version;
    }
  }
  return controllers;
}

const CONTROLLERS: ReadonlySet<string> = new Set<ControllerName>(['memory', 'pids', 'cpu', 'cpuacct']);

function words(list: string | undefined): string[] {
  return (list ?? '').split(',').filter((word) => word !== '');
}
