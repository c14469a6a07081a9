import { once } from 'node:events';
import { chmodSync, copyFileSync, existsSync, readdirSync, rmdirSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, refusal, shell } from '../support/cells.js';
import { deedsOutside, deedsProgram } from '../support/deeds.js';
import { inSubprocess, USERS, type User } from '../support/in-subprocess.js';
import { listing, scratch } from '../support/scratch.js';

/** A small tree that a cell can have as its root, with the program of deeds in it. */
function rootTree(user: User, layout: Record<string, string> = {}): string {
  const folder = scratch(user, {
    'root/etc/name': 'tree',
    'root/bin': 'dir',
    'root/proc': 'dir',
    'root/dev': 'dir',
    'root/tmp': 'dir',
    ...layout,
  });
  copyFileSync(deedsProgram(), path.join(folder, 'root/bin/deeds'));
  chmodSync(path.join(folder, 'root/bin/deeds'), 0o755);
  return path.join(folder, 'root');
}

describe.each(USERS)('root system, as %s', (user) => {
  it('has programs and libraries of the host, read-only, and few files of /etc', async () => {
    const script =
      'ls /; ls -d /etc/shadow /etc/ssh /root /home /var /boot /sys /run /mnt 2>/dev/null; ls /usr/bin | wc -l';
    const [result] = await inCells(user, [shell(script)]);
    const lines = result?.stdout.trim().split('\n') ?? [];
    expect(lines.slice(0, -1).filter((name) => !/^(bin|s?bin|lib.*)$/.test(name))).toEqual([
      'dev',
      'etc',
      'proc',
      'tmp',
      'usr',
    ]);
    expect(Number(lines.at(-1))).toBe(readdirSync('/usr/bin').length);
    const deeds = await deedsInCell(user, [
      'create,/x',
      'create,/usr/x',
      'create,/etc/x',
      'write,/etc/passwd',
      'write,/usr/bin/env',
      'rename,/tmp,/x',
      'symlink,/,/usr/link',
      'create,/tmp/x',
    ]);
    expect(Object.values(deeds)).toEqual(['EROFS', 'EROFS', 'EROFS', 'EROFS', 'EACCES', 'EROFS', 'EROFS', 'OK']);
  });

  it('knows only the ids of the cell', async () => {
    const run = shell('id; cat /etc/passwd | wc -l; getent passwd nobody', { user: { uid: 1000, gid: 2000 } });
    const [result] = await inCells(user, [run]);
    expect(result?.stdout).toMatch(/^uid=1000\(user\) gid=2000\(user\) groups=2000\(user\)\n3\nnobody:x:65534/);
  });

  it('runs node and python where the host has them', async () => {
    const [node] = await inCells(user, [{ command: '/usr/bin/env', args: ['-i', '/bin/sh', '-c', 'echo fine'] }]);
    expect(node?.stdout).toBe('fine\n');
  });
});

describe.each(USERS)('root host, as %s', (user) => {
  it('shows the host’s files read-only, without what runs there', async () => {
    const folder = scratch('root', { shown: 'x' });
    const name = path.basename(folder) + '-new';
    const names = readdirSync('/').filter((name) => !['proc', 'sys', 'dev', 'run', 'tmp'].includes(name));
    const [result] = await inCells(user, [
      shell(`ls -A /; ls -A /run /sys /tmp | tr -d '\\n'; ls ${folder}`, { root: 'host' }),
    ]);
    for (const name of names) {
      expect(result?.stdout).toContain(`${name}\n`);
    }
    expect(result?.stdout).toMatch(/\/run:\/sys:\/tmp:$/);
    const deeds = await deedsInCell(
      user,
      [
        'create,/etc/cloister-test',
        'create,/usr/cloister-test',
        'create,/var/tmp/cloister-test',
        'read,/etc/hosts',
        `create,/tmp/${name}`,
      ],
      {
        root: 'host',
        mounts: [],
      },
    );
    expect(Object.values(deeds)).toEqual(['EROFS', 'EROFS', 'EROFS', 'OK', 'OK']);
    expect(existsSync(`/tmp/${name}`)).toBe(false);
  });

  it('opens no file that only the host’s root may read', async () => {
    const deeds = ['read,/etc/shadow', 'read,/root'];
    expect(Object.values(await deedsInCell(user, deeds, { root: 'host' }))).toEqual(['EACCES', 'EACCES']);
    if (user === 'root') {
      expect(Object.values(deedsOutside(user, deeds))).toEqual(['OK', 'OK']);
    }
  });

  it('covers sockets, which a read-only mount does not close', async () => {
    // Outside of /tmp, which is covered anyway.
    const socket = `/var/tmp/cloister-test-${String(process.pid)}-${user}.sock`;
    const server = net.createServer().listen(socket);
    await once(server, 'listening');
    chmodSync(socket, 0o777);
    const deeds = [`connect-unix,${socket}`];
    expect(Object.values(deedsOutside(user, deeds))).toEqual(['OK']);
    expect(Object.values(await deedsInCell(user, deeds, { root: 'host' }))).toEqual(['EACCES']);
    // Takes its name away as well.
    server.close();
  });

  it('covers sockets with a relative name, and of other network namespaces', async () => {
    const folder = scratch(user, {}, '/var/tmp');
    const answers = await inSubprocess(
      async ({ runIsolated, fs, net, events, childProcess, data }) => {
        const { folder, deeds } = data as { folder: string; deeds: string };
        process.chdir(folder);
        const server = net.createServer();
        await events.once(server.listen('relative'), 'listening');
        const serve = `require('net').createServer().listen('${folder}/elsewhere', () => console.log('ready'))`;
        const other = childProcess.spawn('unshare', ['-Urn', process.execPath, '-e', serve], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        await events.once(other.stdout, 'data');
        process.chdir('/');
        const args = ['relative', 'elsewhere'].map((name) => `connect-unix,${folder}/${name}`);
        fs.chmodSync(`${folder}/relative`, 0o777);
        fs.chmodSync(`${folder}/elsewhere`, 0o777);
        const outside = childProcess.execFileSync(deeds, args, { encoding: 'utf8' });
        process.chdir(folder);
        const mounts = [{ type: 'bind', source: deeds, target: '/tmp/deeds' }] as const;
        const { stdout } = await runIsolated('/tmp/deeds', args, { root: 'host', mounts });
        server.close();
        other.kill();
        return [outside, stdout].map((text) => String(text).replaceAll(folder, ''));
      },
      { user, data: { folder, deeds: deedsProgram() } },
    );
    const results = (word: string) => `connect-unix,/relative=${word}\nconnect-unix,/elsewhere=${word}\n`;
    expect(answers).toEqual([results('OK'), results('EACCES')]);
  });

  it('is not kept from starting by sockets of others that cannot be looked up', async () => {
    const folder = scratch('root', { 'closed/x': 'dir', gone: 'dir' }, '/var/tmp');
    chmodSync(path.join(folder, 'closed'), 0o700);
    const servers = [`${folder}/closed/socket`, `${folder}/gone/../socket`].map((name) =>
      net.createServer().listen(name),
    );
    await Promise.all(servers.map((server) => once(server, 'listening')));
    rmdirSync(path.join(folder, 'gone'));
    const [cell] = await inCells(user, [{ args: ['ids'], options: { root: 'host' } }]);
    expect(cell?.reason).toBe('exited');
    for (const server of servers) {
      server.close();
    }
  });
});

describe.each(USERS)('root empty, as %s', (user) => {
  it('has nothing but what the policy puts there', async () => {
    const results = await deedsInCell(
      user,
      [
        'access,/usr',
        'access,/etc',
        'access,/bin',
        'write,/dev/null',
        'create,/tmp/x',
        'create,/x',
        'readlink,/proc/self',
      ],
      { root: 'empty' },
    );
    expect(Object.values(results)).toEqual(['ENOENT', 'ENOENT', 'ENOENT', 'OK', 'OK', 'EROFS', 'OK:2']);
    expect(await refusal(user, { root: 'empty' }, 'sh')).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
      causeCode: 'ENOENT',
    });
  });
});

describe.each(USERS)('a directory as root, as %s', (user) => {
  const deeds = [
    'read,/etc/name',
    'create,/etc/new',
    'unlink,/etc/name',
    'create,/tmp/x',
    'write,/dev/null',
    'climb,/',
  ];
  const run = (directory: string, writable?: boolean | 'discard') => ({
    command: '/bin/deeds',
    args: deeds,
    options: { root: writable === undefined ? { directory } : { directory, writable } },
  });

  it('is read-only unless asked otherwise', async () => {
    const directory = rootTree(user);
    const before = listing(directory);
    for (const result of await inCells(user, [run(directory), run(directory, false)])) {
      expect(Object.values(result.deeds)).toEqual(['OK', 'EROFS', 'EROFS', 'OK', 'OK', 'EXDEV']);
    }
    expect(listing(directory)).toEqual(before);
  });

  it('discards what is written, when asked to', async () => {
    const directory = rootTree(user);
    const before = listing(directory);
    const [result] = await inCells(user, [run(directory, 'discard')]);
    expect(Object.values(result?.deeds ?? {})).toEqual(['OK', 'OK', 'OK', 'OK', 'OK', 'EXDEV']);
    expect(listing(directory)).toEqual(before);
  });

  it('keeps what is written, when asked to, but for /tmp', async () => {
    const directory = rootTree(user);
    const [result] = await inCells(user, [run(directory, true)]);
    expect(Object.values(result?.deeds ?? {})).toEqual(['OK', 'OK', 'OK', 'OK', 'OK', 'EXDEV']);
    expect(readdirSync(path.join(directory, 'etc'))).toEqual(['new']);
    expect(readdirSync(path.join(directory, 'tmp'))).toEqual([]);
  });

  it('needs no mount points of its own, and gets none on the host', async () => {
    const folder = scratch(user, { 'root/bin': 'dir' });
    copyFileSync(deedsProgram(), path.join(folder, 'root/bin/deeds'));
    chmodSync(path.join(folder, 'root/bin/deeds'), 0o755);
    const directory = path.join(folder, 'root');
    const before = listing(directory);
    const command = {
      command: '/bin/deeds',
      args: ['readlink,/proc/self', 'write,/dev/null', 'create,/tmp/x', 'create,/x'],
    };
    const results = await inCells(user, [
      { ...command, options: { root: { directory } } },
      { ...command, options: { root: { directory, writable: 'discard' } } },
    ]);
    expect(results.map((result) => Object.values(result.deeds))).toEqual([
      ['OK:2', 'OK', 'OK', 'EROFS'],
      ['OK:2', 'OK', 'OK', 'OK'],
    ]);
    expect(await refusal(user, { root: { directory, writable: true } }, '/bin/deeds')).toMatchObject({
      code: 'ERR_CLOISTER_POLICY',
    });
    expect(listing(directory)).toEqual(before);
  });

  it('must be a directory that is there and hands out no power', async () => {
    const folder = scratch(user, { file: 'x' });
    expect(await refusal(user, { root: { directory: path.join(folder, 'none') } })).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
    });
    for (const directory of [path.join(folder, 'file'), '/', '/proc', '/dev', '/proc/self/root']) {
      expect(await refusal(user, { root: { directory } })).toMatchObject({ code: 'ERR_CLOISTER_POLICY' });
    }
  });
});
