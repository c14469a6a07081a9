/** From a policy of the right shape to a valid one: relative paths resolved, defaults filled in, paths that hand out power refused. */

import type { PolicyIssue } from '../errors.js';
import { resolveFrom, tidy } from '../util/paths.js';
import type { Caller } from './caller.js';
import * as defaults from './defaults.js';
import { formatPath } from './path.js';
import { isProvided, refusePath } from './powerful-paths.js';
import type { ParsedLimits, ParsedOptions, ParsedPolicy } from './schema.js';
import type { ParsedMount } from './schema-mounts.js';
import type { OnViolation, StdioEntry } from './types.js';
import type { CellPolicy, TcpPorts, UnveilEntry, ValidLimits, ValidMount, ValidRoot, ValidStdio } from './valid.js';

export interface Normalized {
  readonly policy: CellPolicy;
  readonly issues: readonly PolicyIssue[];
}

/** Only for a policy without unbuilt parts, and with the tree of an image in the place of the image: those have no place in the result. */
export function normalizePolicy(policy: ParsedPolicy, caller: Caller): Normalized {
  const context: Context = { caller, issues: [] };
  const limits = normalizeLimits(policy.limits ?? {});
  return {
    issues: context.issues,
    policy: {
      root: normalizeRoot(context, policy.root ?? 'system'),
      unveil: normalizeUnveil(context, policy.unveil ?? {}),
      mounts: (policy.mounts ?? []).map((mount, index) =>
        normalizeMount(context, mount, `mounts[${String(index)}]`, limits.scratch),
      ),
      net: policy.net === 'host' ? 'host' : 'none',
      hostname: policy.hostname ?? defaults.HOSTNAME,
      user: {
        uid: policy.user?.uid ?? caller.uid,
        gid: policy.user?.gid ?? caller.gid,
        changed: (policy.user?.uid ?? caller.uid) !== caller.uid || (policy.user?.gid ?? caller.gid) !== caller.gid,
        hostRoot: policy.user?.hostRoot ?? false,
      },
      limits,
      environment: normalizeEnvironment(policy.env, caller),
      cwd: tidy(policy.cwd ?? '/'),
      scope: policy.scope,
      capabilities: [...new Set(policy.capabilities ?? [])].sort(),
      pledge: policy.pledge ?? null,
      seccomp: policy.seccomp ?? null,
      tcp: normalizePorts(policy.tcp),
      onViolation: normalizeViolation(policy),
      backend: normalizeBackend(context, policy.backend),
      onUnsupported: policy.onUnsupported ?? 'error',
    },
  };
}

/** The ports of `tcp`; null where it is absent. */
export function normalizePorts(tcp: ParsedPolicy['tcp']): TcpPorts | null {
  return tcp === undefined ? null : { connect: ports(tcp.connect), bind: ports(tcp.bind) };
}

function ports(list: readonly number[] | undefined): number[] {
  return [...new Set(list ?? [])].sort((a, b) => a - b);
}

/** The promise `error` is another way to write it; that both agree has been checked. */
export function normalizeViolation({ pledge, onViolation }: Pick<ParsedPolicy, 'pledge' | 'onViolation'>): OnViolation {
  return onViolation ?? (pledge?.includes('error') === true ? 'error' : 'kill');
}

const BACKEND_VARIABLE = 'CLOISTER_BACKEND';
const BACKENDS: readonly CellPolicy['backend'][] = ['auto', 'namespaces', 'landlock', 'chroot'];

/** The variable stands in for 'auto'. A policy that names its backend means it. */
function normalizeBackend({ caller, issues }: Context, backend: CellPolicy['backend'] = 'auto'): CellPolicy['backend'] {
  const wanted = caller.environment[BACKEND_VARIABLE] ?? '';
  if (wanted === '') {
    return backend;
  }
  const known = BACKENDS.find((name) => name === wanted);
  if (known === undefined) {
    const message = `the environment variable ${BACKEND_VARIABLE} must be one of ${BACKENDS.join(', ')}, not '${wanted}'`;
    issues.push({ code: 'unknown-value', path: 'backend', message });
    return backend;
  }
  return backend === 'auto' ? known : backend;
}

interface Context {
  readonly caller: Caller;
  readonly issues: PolicyIssue[];
}

function hostPath({ caller }: Context, path: string): string {
  return hostPathOf(caller, path);
}

/** Absolute: relative to the caller's working directory, or to his home with `~`. */
export function hostPathOf(caller: Caller, path: string): string {
  return path.startsWith('/') ? resolveFrom('/', '/', path) : resolveFrom(caller.cwd(), caller.home(), path);
}

function normalizeRoot(context: Context, root: NonNullable<ParsedPolicy['root']>): ValidRoot {
  if (typeof root === 'string') {
    return { kind: root };
  }
  if ('image' in root) {
    throw new TypeError('root {image} has no normal form');
  }
  const directory = hostPath(context, root.directory);
  const writable = root.writable ?? false;
  refuse(context, 'root.directory', directory, { writable: writable === true, explicit: true });
  return { kind: 'directory', directory, writable };
}

function normalizeUnveil(context: Context, unveil: Readonly<Record<string, string>>): UnveilEntry[] {
  const entries: UnveilEntry[] = [];
  const seen = new Map<string, UnveilEntry>();
  for (const [written, letters] of Object.entries(unveil)) {
    const path = hostPath(context, written);
    const permissions =
      letters === ''
        ? null
        : {
            read: letters.includes('r'),
            write: letters.includes('w'),
            execute: letters.includes('x'),
            create: letters.includes('c'),
          };
    const entry = { written, path, letters: canonicalLetters(letters), permissions };
    const other = seen.get(path);
    if (other !== undefined && other.letters !== entry.letters) {
      context.issues.push({
        code: 'duplicate',
        path: unveilPath(written),
        message: `is the same path as ${unveilPath(other.written)}, with other letters`,
      });
    }
    if (other === undefined) {
      seen.set(path, entry);
      entries.push(entry);
      refuseGrant(context, entry);
    }
  }
  return entries;
}

function refuseGrant(context: Context, { written, path, permissions }: UnveilEntry): void {
  if (permissions !== null && !isProvided(path, permissions)) {
    refuse(context, unveilPath(written), path, { writable: permissions.write || permissions.create, explicit: false });
  }
}

/** Where an entry stands in the policy. */
export function unveilPath(written: string): string {
  return formatPath(['unveil', written]);
}

function canonicalLetters(letters: string): string {
  return ['r', 'w', 'x', 'c'].filter((letter) => letters.includes(letter)).join('');
}

function refuse({ issues }: Context, at: string, path: string, access: { writable: boolean; explicit: boolean }): void {
  const reason = refusePath(path, access);
  if (reason !== null) {
    issues.push({ code: 'powerful-path', path: at, message: `${path}: ${reason}` });
  }
}

function normalizeMount(context: Context, mount: ParsedMount, at: string, scratch: number): ValidMount {
  const valid = normalizeMountOfType(context, mount, at, scratch);
  if (valid.target === '/') {
    context.issues.push({
      code: 'bad-path',
      path: `${at}.target`,
      message: "is the root itself; 'root' says what that is",
    });
  }
  return valid;
}

function normalizeMountOfType(context: Context, mount: ParsedMount, at: string, scratch: number): ValidMount {
  switch (mount.type) {
    case 'bind': {
      const source = hostPath(context, mount.source);
      const { writable = false, optional = false, executable = true } = mount;
      refuse(context, `${at}.source`, source, { writable, explicit: true });
      return {
        at,
        type: 'bind',
        source,
        target: mount.target === undefined ? source : tidy(mount.target),
        writable,
        optional,
        executable,
      };
    }
    case 'tmpfs':
      return {
        at,
        type: 'tmpfs',
        target: tidy(mount.target),
        size: mount.size ?? scratch,
        mode: mount.mode ?? 0o755,
        executable: mount.executable ?? false,
      };
    case 'overlay': {
      const lower = (typeof mount.lower === 'string' ? [mount.lower] : mount.lower).map((path) =>
        hostPath(context, path),
      );
      const upper = mount.upper === undefined ? null : hostPath(context, mount.upper);
      for (const path of lower) {
        refuse(context, `${at}.lower`, path, { writable: false, explicit: true });
      }
      if (upper !== null) {
        refuse(context, `${at}.upper`, upper, { writable: true, explicit: true });
      }
      return { at, type: 'overlay', lower, target: tidy(mount.target), upper };
    }
    case 'file':
      return {
        at,
        type: 'file',
        target: tidy(mount.target),
        content: mount.content,
        mode: mount.mode ?? 0o644,
        writable: mount.writable ?? false,
      };
    case 'directory':
      return { at, type: 'directory', target: tidy(mount.target), mode: mount.mode ?? 0o755 };
    case 'symlink':
      return { at, type: 'symlink', target: tidy(mount.target), to: mount.to };
    case 'proc':
      return { at, type: 'proc', target: tidy(mount.target ?? '/proc') };
    case 'dev':
      return { at, type: 'dev', target: tidy(mount.target ?? '/dev') };
  }
}

function normalizeLimits(limits: ParsedLimits): ValidLimits {
  return {
    wallTime: limits.wallTime ?? null,
    cpuTime: limits.cpuTime ?? null,
    memory: limits.memory ?? null,
    processes: limits.processes ?? null,
    fileSize: limits.fileSize ?? null,
    openFiles: limits.openFiles ?? null,
    output: limits.output ?? null,
    scratch: limits.scratch ?? defaults.SCRATCH,
    cpus: limits.cpus ?? null,
    core: limits.core ?? null,
    stack: limits.stack ?? null,
    addressSpace: limits.addressSpace ?? null,
    asked: Object.entries(limits)
      .filter(([, value]) => value !== undefined)
      .map(([name]) => name),
  };
}

function normalizeEnvironment(env: ParsedPolicy['env'], caller: Caller): string[] {
  if (env === 'inherit') {
    return lines(caller.environment);
  }
  const { LANG, TERM } = caller.environment;
  return lines({
    PATH: defaults.PATH,
    HOME: defaults.HOME,
    LANG: LANG ?? defaults.LANG,
    TERM: TERM ?? defaults.TERM,
    ...env,
  });
}

function lines(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(environment)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${value ?? ''}`);
}

/** As child_process.spawn reads it: three pipes at least, later gaps ignored. */
export function normalizeStdio(stdio: ParsedOptions['stdio']): ValidStdio[] {
  const entries: readonly StdioEntry[] = typeof stdio === 'string' ? [stdio, stdio, stdio] : (stdio ?? []);
  return Array.from(
    { length: Math.max(3, entries.length) },
    (_, index) => entries[index] ?? (index < 3 ? 'pipe' : 'ignore'),
  );
}
