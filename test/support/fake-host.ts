/** A machine that exists only in a test: files, mounts, sockets and what the kernel can do. */

import type { HostFeatures, HostFile, HostFiles, Support } from '../../lib/host/types.js';
import { cellFiltering } from '../../lib/filter/cell.js';
import { commandPaths } from '../../lib/plan/command.js';
import type { PlanHost } from '../../lib/plan/context.js';
import { Planner, type Compiled } from '../../lib/plan/compile.js';
import type { Caller } from '../../lib/policy/caller.js';
import { parseSpawn } from '../../lib/policy/parse.js';
import type { SpawnOptions } from '../../lib/policy/types.js';

/** Path to what is there: `dir`, `file`, `socket`, `device`, `fifo`, or `-> target` for a link. Parents are directories. */
export type Listing = Readonly<Record<string, string>>;

const KINDS: Readonly<Record<string, HostFile['kind']>> = {
  dir: 'directory',
  file: 'file',
  socket: 'socket',
  device: 'device',
  fifo: 'fifo',
};

const MERGED_USR: Listing = {
  '/usr/bin/true': 'file',
  '/usr/lib/libc.so': 'file',
  '/usr/share/zoneinfo/UTC': 'file',
  '/usr/local/lib': 'dir',
  '/bin': '-> usr/bin',
  '/sbin': '-> usr/sbin',
  '/lib': '-> usr/lib',
  '/lib64': '-> usr/lib64',
  '/etc/passwd': 'file',
  '/etc/shadow': 'file',
  '/etc/hosts': 'file',
  '/etc/ld.so.cache': 'file',
  '/etc/localtime': '-> /usr/share/zoneinfo/UTC',
  '/etc/resolv.conf': '-> ../run/resolve/stub.conf',
  '/etc/ssl/certs/ca.pem': 'file',
  '/etc/ssl/private/key.pem': 'file',
  '/run/resolve/stub.conf': 'file',
  '/run/docker.sock': 'socket',
  '/var/run': '-> /run',
  '/var/lib/app/data': 'file',
  '/home/user/project/src': 'dir',
  '/home/user/.ssh/id': 'file',
  '/proc/self/status': 'file',
  '/proc/cpuinfo': 'file',
  '/sys/kernel': 'dir',
  '/dev/null': 'device',
  '/dev/fuse': 'device',
  '/dev/shm': 'dir',
  '/tmp': 'dir',
  '/srv/data/public/index': 'file',
  '/srv/data/secret': 'file',
  '/srv/socket': 'socket',
  '/opt/tool/run': 'file',
  '/opt/current': '-> tool',
};

export class FakeFiles implements HostFiles {
  readonly #entries = new Map<string, { kind: HostFile['kind']; to: string; device: number }>();
  mountTable: { path: string; type: string }[] = [
    { path: '/', type: 'ext4' },
    { path: '/proc', type: 'proc' },
    { path: '/sys', type: 'sysfs' },
  ];
  boundSockets: string[] = [];
  /** Directories that the caller may not look into. */
  closed: string[] = [];

  constructor(listing: Listing = MERGED_USR) {
    this.#entries.set('/', { kind: 'directory', to: '', device: 1 });
    for (const [path, what] of Object.entries(listing)) {
      this.add(path, what);
    }
  }

  add(path: string, what: string, device = 1): void {
    const names = path.split('/').slice(1);
    for (let count = 1; count < names.length; count++) {
      const parent = `/${names.slice(0, count).join('/')}`;
      if (!this.#entries.has(parent)) {
        this.#entries.set(parent, { kind: 'directory', to: '', device });
      }
    }
    const link = what.startsWith('-> ');
    const kind = link ? 'symlink' : KINDS[what];
    if (kind === undefined) {
      throw new Error(`no kind ${what}`);
    }
    this.#entries.set(path, { kind, to: link ? what.slice(3) : '', device });
  }

  inspect(path: string): HostFile | null {
    const entry = this.#entries.get(path);
    return entry === undefined
      ? null
      : { kind: entry.kind, mode: entry.kind === 'directory' ? 0o755 : 0o644, uid: 0, device: entry.device };
  }

  readLink(path: string): string {
    return this.#entries.get(path)?.to ?? '';
  }

  list(path: string): readonly string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.#entries.keys()]
      .filter((key) => key !== '/' && key.startsWith(prefix) && !key.slice(prefix.length).includes('/'))
      .map((key) => key.slice(prefix.length));
  }

  realPath(path: string): string | null {
    const queue = path.split('/').filter((name) => name !== '');
    let at: string[] = [];
    for (let steps = 0, name = queue.shift(); name !== undefined; name = queue.shift()) {
      if (++steps > 200) {
        return null;
      }
      if (name === '..') {
        at.pop();
        continue;
      }
      const entry = this.#entries.get(`/${[...at, name].join('/')}`);
      if (entry === undefined) {
        return null;
      }
      if (entry.kind === 'symlink') {
        queue.unshift(...entry.to.split('/').filter((part) => part !== '' && part !== '.'));
        at = entry.to.startsWith('/') ? [] : at;
      } else {
        at.push(name);
      }
    }
    return `/${at.join('/')}`;
  }

  mounts(): readonly { path: string; type: string }[] {
    return this.mountTable;
  }

  isInReach(path: string): boolean {
    return this.inspect(path) !== null && !this.closed.some((directory) => path.startsWith(`${directory}/`));
  }

  sockets(): readonly string[] {
    return this.boundSockets;
  }
}

export const FULL_SUPPORT: Support = {
  platform: 'linux',
  kernel: '6.18',
  arch: 'x64',
  landlock: { abi: 7, fs: [], net: [], scope: [] },
  seccomp: { filter: true, userNotification: true, threadSync: true, actions: [] },
  namespaces: { user: true, mount: true, pid: true, net: true, ipc: true, uts: true, cgroup: true, time: true },
  cgroup: null,
  backends: ['namespaces'],
};

export const FULL_FEATURES: HostFeatures = {
  realRoot: false,
  overlay: true,
  idMappedBinds: true,
  freshProc: true,
  listener: true,
  processesPerNamespace: true,
  asRoot: null,
  controllers: {},
  settings: { maxUserNamespaces: 1000, unprivilegedUserNamespaces: null, appArmorRestrictsUserNamespaces: null },
  failure: null,
};

export const USER: Caller = {
  cwd: () => '/home/user/project',
  home: () => '/home/user',
  environment: { TERM: 'xterm', LANG: 'de_DE.UTF-8', SECRET: 'caller' },
  uid: 1000,
  gid: 1000,
};

export const ROOT: Caller = { ...USER, uid: 0, gid: 0 };

export interface FakeMachine {
  readonly files?: FakeFiles;
  readonly support?: Partial<Support>;
  readonly features?: Partial<HostFeatures>;
  readonly caller?: Caller;
}

export function planHost({ files = new FakeFiles(), support, features, caller = USER }: FakeMachine = {}): PlanHost {
  return {
    files,
    uid: caller.uid,
    scratchPath: () => '/tmp/cloister-scratch-0',
    support: { ...FULL_SUPPORT, ...support },
    features: { ...FULL_FEATURES, ...features },
  };
}

/** The plan of `true` with these options on this machine. */
export function plan(options: SpawnOptions = {}, machine: FakeMachine = {}, command = 'true'): Compiled {
  const host = planHost(machine);
  const request = parseSpawn(command, [], options, machine.caller ?? USER);
  const { pledge, seccomp } = request.policy;
  const { listener } = host.features;
  return new Planner(host).compile(request, (shared) =>
    pledge === null && seccomp === null
      ? null
      : cellFiltering(request.policy, commandPaths(request), { listener, shared }),
  );
}
