import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

import { advise, explainBlocked } from '../../lib/host/advice.js';
import { hostFiles, parseMountInfo } from '../../lib/host/files.js';
import { isLasting, parseProbe } from '../../lib/host/probe.js';
import { parseUnixSockets } from '../../lib/host/sockets.js';
import type { HostFeatures } from '../../lib/host/types.js';
import { FULL_FEATURES } from '../support/fake-host.js';

const MACHINE = { platform: 'linux', arch: 'x64' };
const GOOD = `kernel=6.18.1
arch=x86_64
userns=ok
mountns=ok
pidns=ok
netns=ok
ipcns=ok
utsns=ok
cgroupns=ok
timens=ok
tmpfsmount=ok
procmount=ok
overlay=ok
landlock_abi=7
seccomp_filter=1
seccomp_tsync=1
seccomp_user_notification=1
seccomp_listener=ok
seccomp_actions=allow,log,errno
real_root=0
idmap=EPERM
nproc_per_namespace=1
cgroup=v2
cgroup_writable=0
cgroup_controllers=memory,pids
cgroup_usable=memory:v2,pids:v1,blkio:v1,cpu:v9
apparmor_restrict_userns=absent
max_user_namespaces=15000
unprivileged_userns_clone=absent
`;

const changed = (...lines: string[]): string =>
  lines.reduce((text, line) => text.replace(new RegExp(`^${line.split('=')[0] ?? ''}=.*$`, 'm'), line), GOOD);

describe('what the launcher found', () => {
  test('becomes Support and features', () => {
    const { support, features } = parseProbe(GOOD, MACHINE);
    expect(support).toMatchObject({
      platform: 'linux',
      kernel: '6.18.1',
      arch: 'x64',
      seccomp: { filter: true, userNotification: true, threadSync: true, actions: ['allow', 'log', 'errno'] },
      cgroup: { version: 'v2', writable: false, controllers: ['memory', 'pids'] },
      backends: ['namespaces'],
    });
    expect(support).not.toHaveProperty('namespacesBlockedBy');
    expect(Object.values(support.namespaces).every(Boolean)).toBe(true);
    expect(features).toEqual({
      realRoot: false,
      overlay: true,
      idMappedBinds: false,
      freshProc: true,
      listener: true,
      processesPerNamespace: true,
      asRoot: null,
      controllers: { memory: 'v2', pids: 'v1' },
      settings: { maxUserNamespaces: 15000, unprivilegedUserNamespaces: null, appArmorRestrictsUserNamespaces: null },
      failure: null,
    });
  });

  test.each([
    [0, undefined],
    [1, { fs: 13, net: 0, scope: 0 }],
    [2, { fs: 14, net: 0, scope: 0 }],
    [3, { fs: 15, net: 0, scope: 0 }],
    [4, { fs: 15, net: 2, scope: 0 }],
    [5, { fs: 16, net: 2, scope: 0 }],
    [6, { fs: 16, net: 2, scope: 2 }],
    [9, { fs: 16, net: 2, scope: 2 }],
  ])('tells the rights of Landlock ABI %d', (abi, counts) => {
    const { landlock } = parseProbe(changed(`landlock_abi=${String(abi)}`), MACHINE).support;
    expect(
      landlock === null
        ? undefined
        : { fs: landlock.fs.length, net: landlock.net.length, scope: landlock.scope.length },
    ).toEqual(counts);
  });

  test('counts what is missing as not there', () => {
    const { support, features } = parseProbe('', { platform: 'darwin', arch: 'arm64' });
    expect(support).toMatchObject({
      landlock: null,
      seccomp: null,
      cgroup: null,
      backends: [],
      namespacesBlockedBy: expect.stringContaining('not Linux') as unknown,
    });
    expect(Object.values(support.namespaces).some(Boolean)).toBe(false);
    expect(features).toMatchObject({ realRoot: false, overlay: false, freshProc: false });
  });

  test.each([['userns=ENOSPC:clone'], ['pidns=EPERM:clone'], ['tmpfsmount=EPERM'], ['procmount=EPERM']])(
    'tells why a plain cell does not work: %s',
    (line) => {
      const { support } = parseProbe(changed(line), MACHINE);
      expect(support.backends).toEqual([]);
      expect(support.namespacesBlockedBy).toBeTruthy();
    },
  );

  const blocked = (...lines: string[]): string[] =>
    parseProbe(`${changed('userns=ENOSPC:clone', ...lines)}landlock_domain=ok\n`, MACHINE).support.backends;

  test.each<[string[], string[]]>([
    [[], ['landlock']],
    [['landlock_abi=6'], ['landlock']],
    [['landlock_abi=5'], []],
    [['landlock_abi=0'], []],
    [['seccomp_filter=0'], []],
    [['landlock_abi=3', 'real_root=1'], ['landlock']],
    [['landlock_abi=2', 'real_root=1'], []],
  ])('knows where cells work without namespaces: %j', (lines, backends) => {
    expect(blocked(...lines)).toEqual(backends);
  });

  test('knows what root can do without a user namespace', () => {
    const root = (more: string) =>
      parseProbe(`${changed('userns=ENOSPC:clone', 'real_root=1')}landlock_domain=EPERM\n${more}`, MACHINE);
    const full = root('rootns=mount,pid,net,time\nrootmounts=ok\nrootoverlay=ENODEV\n');
    expect(full.support.backends).toEqual(['chroot']);
    expect(full.features.asRoot).toEqual({ namespaces: ['mount', 'pid', 'net'], overlay: false });
    expect(root('rootns=mount,pid\nrootmounts=EPERM\n').support.backends).toEqual([]);
    expect(root('rootns=mount\nrootmounts=ok\n').support.backends).toEqual([]);
  });

  test.each<[string, boolean]>([
    ['userns=ok', true],
    ['userns=ENOSPC:clone', true],
    ['procmount=EPERM', true],
    ['userns=EAGAIN:clone', false],
    ['tmpfsmount=ENOMEM', false],
    ['idmap=EMFILE', false],
  ])('is asked again after a moment in which something was short: %s', (line, lasting) => {
    expect(isLasting(changed(line))).toBe(lasting);
  });

  test('survives lines that it does not know', () => {
    expect(parseProbe(`${GOOD}future=thing\nno equals sign\n=\n`, MACHINE).support.backends).toEqual(['namespaces']);
  });
});

describe('why namespaces are blocked', () => {
  const features = (part: Partial<HostFeatures>, settings: Partial<HostFeatures['settings']> = {}): HostFeatures => ({
    ...FULL_FEATURES,
    ...part,
    settings: { ...FULL_FEATURES.settings, ...settings },
  });
  const refused = { failure: { errno: 'EPERM', stage: 'ids' } };

  test.each<[string, HostFeatures, RegExp]>([
    [
      'switched off',
      features({ failure: { errno: 'ENOSPC', stage: 'clone' } }, { maxUserNamespaces: 0 }),
      /sysctl -w user\.max_user_namespaces=15000/,
    ],
    [
      'switched off by Debian',
      features(refused, { unprivilegedUserNamespaces: false }),
      /kernel\.unprivileged_userns_clone=1/,
    ],
    [
      'restricted by AppArmor',
      features(refused, { appArmorRestrictsUserNamespaces: true }),
      /profile .*userns,.*apparmor_restrict_unprivileged_userns=0/,
    ],
    ['refused', features(refused), /--security-opt seccomp=/],
    [
      'used up',
      features({ failure: { errno: 'ENOSPC', stage: 'clone' } }),
      /nested too deeply.*user\.max_\*_namespaces/,
    ],
    ['not built', features({ failure: { errno: 'EINVAL', stage: 'clone' } }), /CONFIG_USER_NS/],
    ['short of processes', features({ failure: { errno: 'EAGAIN', stage: 'clone' } }), /ulimit -u/],
    ['a covered /proc', features({ failure: { errno: 'EPERM', stage: 'procmount' } }), /systempaths=unconfined/],
    ['something new', features({ failure: { errno: 'ENFILE', stage: 'clone' } }), /ENFILE \(clone\)/],
  ])('is told with the mend: %s', (_what, machine, expected) => {
    expect(explainBlocked(machine)).toMatch(expected);
  });

  test('does not blame settings that do not bind root', () => {
    const text = explainBlocked(
      features(
        { ...refused, realRoot: true },
        { unprivilegedUserNamespaces: false, appArmorRestrictsUserNamespaces: true },
      ),
    );
    expect(text).toMatch(/--security-opt/);
  });
});

describe('hints', () => {
  const EPERM = -1;
  const ENOENT = -2;
  test.each<[string, string, number, string, string, RegExp | undefined]>([
    ['no namespaces', 'clone', EPERM, 'clone3', '', /seccomp/],
    ['a launcher that is gone', 'clone', -104, 'recvmsg on launcher', '', /the next call starts another/],
    ['too many processes', 'clone', -11, 'clone3', '', /ulimit -u/],
    ['maps refused', 'ids', EPERM, 'write', '/proc/self/uid_map', /EPERM/],
    [
      'no id maps',
      'mounts',
      -22,
      'mount_setattr (id map)',
      '/mnt/nfs',
      /\/mnt\/nfs, or one mounted below it .* has no id-mapped mounts.*hostRoot/,
    ],
    ['a link appeared', 'mounts', -40, 'openat2', '/srv/x', /\/srv\/x was replaced by a symbolic link/],
    ['a source disappeared', 'mounts', ENOENT, 'openat2', '/srv/x', /\/srv\/x disappeared/],
    ['a covered /proc', 'mounts', EPERM, 'fsmount', '/proc', /systempaths=unconfined/],
    ['no overlay', 'mounts', EPERM, 'fsconfig', '/o', /does not allow that file system/],
    ['contents too large', 'mounts', -28, 'write', 'f', /limits\.scratch/],
    ['out of reach', 'mounts', -13, 'openat2', '/root/x', /cannot reach \/root\/x/],
    ['nested Landlock', 'landlock', -7, 'landlock_restrict_self', '', /16 Landlock domains/],
    ['a tight process limit', 'init', -11, 'clone', '', /limits\.processes/],
    ['not there', 'exec', ENOENT, 'execve', 'x', /not in the cell/],
    ['not there, by its path', 'exec', ENOENT, 'execve', '/srv/x', /not in the cell/],
    ['not in the working directory', 'exec', ENOENT, 'execve', './x', /working directory inside/],
    ['no interpreter', 'exec', ENOENT, 'execve (interpreter)', '/srv/x', /interpreter or dynamic loader/],
    ['not executable', 'exec', -13, 'execve', '/srv/x', /executable bit/],
    ['no program', 'exec', -8, 'execve', '/srv/x', /neither a program/],
    ['long arguments', 'exec', -7, 'execve', 'x', /stdin/],
    ['no directory', 'exec', ENOENT, 'chdir', '/w', /working directory/],
    ['unknown', 'stdio', -9, 'dup3', '', undefined],
  ])('%s', (_what, stage, errno, syscall, detail, expected) => {
    const hint = advise({ stage, errno, syscall, detail }, FULL_FEATURES);
    if (expected === undefined) {
      expect(hint).toBeUndefined();
    } else {
      expect(hint).toMatch(expected);
    }
  });
});

describe('the files of this machine', () => {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'cloister-host-')));
  const file = path.join(directory, 'file');
  const link = path.join(directory, 'link');
  writeFileSync(file, 'x', { mode: 0o640 });
  symlinkSync('file', link);
  mkdirSync(path.join(directory, 'sub'));
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });

  test('are seen as they are', () => {
    expect(hostFiles.inspect(file)).toMatchObject({ kind: 'file', mode: 0o640 });
    expect(hostFiles.inspect(directory)?.kind).toBe('directory');
    expect(hostFiles.inspect(link)?.kind).toBe('symlink');
    expect(hostFiles.readLink(link)).toBe('file');
    expect(hostFiles.realPath(link)).toBe(file);
    expect([...hostFiles.list(directory)].sort()).toEqual(['file', 'link', 'sub']);
    expect(hostFiles.inspect('/dev/null')?.kind).toBe('device');
  });

  test('that are missing are null', () => {
    expect(hostFiles.inspect(path.join(directory, 'no'))).toBeNull();
    expect(hostFiles.inspect(path.join(file, 'below'))).toBeNull();
    expect(hostFiles.realPath(path.join(directory, 'no'))).toBeNull();
  });

  test.skipIf(!existsSync('/proc/self/mountinfo'))('include mounts', () => {
    expect(hostFiles.mounts().some(({ path: place, type }) => place === '/proc' && type === 'proc')).toBe(true);
  });

  test('of mountinfo are read with their escapes', () => {
    const line = '36 35 98:0 /mnt1 /mnt\\040with\\134space rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n';
    expect(parseMountInfo(`${line}\nbroken\n`)).toEqual([{ path: '/mnt with\\space', type: 'ext3' }]);
  });

  test('of the socket table are those with a path, relative ones included', () => {
    const table = `Num       RefCount Protocol Flags    Type St Inode Path
ffff8f1a: 00000002 00000000 00010000 0001 01 20001 /run/a b.sock
ffff8f1b: 00000003 00000000 00000000 0001 03 20002
ffff8f1c: 00000002 00000000 00010000 0001 01 20003 @abstract
ffff8f1d: 00000002 00000000 00010000 0001 01 20004 relative.sock
ffff8f1e: 00000002 00000000 00010000 0001 01 20005 /run/a b.sock
`;
    expect(parseUnixSockets(table)).toEqual(['/run/a b.sock', 'relative.sock']);
  });
});
