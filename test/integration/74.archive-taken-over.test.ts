/** An unpacker that has been taken over by the archive gets nowhere: every test runs code of the attacker's in the cell, with all that the unpacker has. */

import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';
import { takeOver } from '../support/taken-over.js';

/** What it leaves, and what is said of it. Each is refused as a whole. */
const LEFT: [title: string, reason: RegExp, script: string][] = [
  ['a symbolic link to an absolute path', /absolute target/, `fs.symlinkSync('/etc/passwd', 'l'); done();`],
  ['a symbolic link upwards', /leads outside/, `fs.mkdirSync('d'); fs.symlinkSync('../../secret', 'd/l'); done();`],
  [
    'links that climb out together',
    /leads outside/,
    `fs.mkdirSync('a/b', { recursive: true }); fs.symlinkSync('..', 'a/b/up'); fs.symlinkSync('a/b/up/../..', 'l'); done();`,
  ],
  ['a circle of links', /circle/, `fs.symlinkSync('b', 'a'); fs.symlinkSync('a', 'b'); done();`],
  [
    'permissions for others',
    /has the permissions 666/,
    `process.umask(0); fs.writeFileSync('f', '', { mode: 0o666 }); done();`,
  ],
  ['the sticky bit', /has the permissions 1755/, `fs.mkdirSync('d'); fs.chmodSync('d', 0o1755); done();`],
  ['a name with an escape sequence', /control character/, `fs.writeFileSync('a\\u001b[2J', ''); done();`],
  ['a name that is no UTF-8', /not UTF-8/, `fs.writeFileSync(Buffer.from([0x61, 0xff]), ''); done();`],
  [
    'a sparse file beyond totalSize',
    /limits.totalSize/,
    `for (const n of 'ab') fs.writeSync(fs.openSync(n, 'w'), 'x', 899999); done();`,
  ],
  [
    'a tree too deep to be walked',
    /too deep/,
    `for (let i = 0; i < 300; i++) { fs.mkdirSync('d'); process.chdir('d'); } done();`,
  ],
  [
    'a path too long to be named',
    /too long/,
    `for (let i = 0; i < 60; i++) { fs.mkdirSync('d'.repeat(100)); process.chdir('d'.repeat(100)); } done();`,
  ],
  [
    'a directory that may be read and not entered, for as long as somebody looks',
    /cannot be looked at|has the permissions 400/,
    `fs.mkdirSync('d'); fs.writeFileSync('d/f', ''); fs.chmodSync('d', 0o400); await new Promise((r) => setTimeout(r, 1500)); done();`,
  ],
  [
    'directories that nobody may enter',
    /has the permissions|leads outside/,
    `fs.mkdirSync('x/y/z', { recursive: true }); fs.symlinkSync('../..', 'x/l'); fs.chmodSync('x/y', 0); done();`,
  ],
];

/** What it says. */
const SAID: [title: string, reason: RegExp, script: string][] = [
  ['nothing', /ended early/, ''],
  ['more than is there', /7 bytes were unpacked, 1 are there/, `fs.writeFileSync('f', 'x'); done(7);`],
  ['text', /no JSON/, `fs.writeSync(1, 'hello\\n'); done();`],
  ['an unknown word', /unknown form/, `say({ type: 'exec', command: 'x' });`],
  ['wrong types', /unknown form/, `say({ type: 'progress', entries: 'many', bytes: {}, fraction: 7 });`],
  ['more after the end', /unknown form/, `done(); done();`],
  [
    'a line without an end',
    /too long/,
    `fs.writeSync(1, 'x'.repeat(70000)); await new Promise((r) => setTimeout(r, 5000));`,
  ],
  [
    'more than fits',
    /too much output|kept|keep/,
    `for (;;) say({ type: 'skipped', path: 'x'.repeat(9000), reason: 'y' });`,
  ],
];

/** What the unpacker never does, in this order; the first makes what the others need. */
const FILTERED: [what: string, deed: string, code: string][] = [
  ['file', `fs.writeFileSync('f', 'x')`, 'undefined'],
  ['unlink', `fs.linkSync('f', 'g') ?? fs.unlinkSync('g')`, 'EPERM'],
  ['rename', `fs.renameSync('f', 'h') ?? fs.renameSync('h', 'f')`, 'EPERM'],
  ['rmdir', `fs.mkdirSync('d') ?? fs.rmdirSync('d')`, 'EPERM'],
  ['file without a name', `fs.closeSync(fs.openSync('.', 0o20200000 | fs.constants.O_RDWR))`, 'ENOTSUP'],
  ['truncate', `fs.truncateSync('f', 1)`, 'ENOTSUP'],
  ['owner', `fs.chownSync('f', process.getuid(), process.getgid())`, 'EPERM'],
  [
    'process',
    `((end) => { if (end.error) throw end.error; })(child_process.spawnSync(process.execPath, ['-v']))`,
    'EPERM',
  ],
  [
    'socket',
    `new Promise((resolve, reject) => { const server = net.createServer(); server.on('error', reject).listen('s', () => { server.close(resolve); }); })`,
    'EPERM',
  ],
];

const HALVES = [LEFT.slice(0, 6), LEFT.slice(6)];

describe.each(USERS)('as %s', (user) => {
  it.each(HALVES)(
    'leaves nothing behind that would not be safe to read',
    async (...attacks) => {
      const limits = { fileSize: '1MB', totalSize: '1MB' };
      const ends = await takeOver(
        user,
        attacks.map(([, , script]) => ({ script, options: { limits } })),
      );
      const seen = ends.map(({ failure, tree, left }, index) => {
        const [title, reason] = attacks[index] ?? ['', /^$/];
        return [title, failure?.code, reason.test(failure?.message ?? '') || failure?.message, tree, left];
      });
      expect(seen).toEqual(attacks.map(([title]) => [title, 'ERR_CLOISTER_ARCHIVE', true, null, ['kept', 'secret']]));
    },
    120_000,
  );

  it('is not believed', async () => {
    const ends = await takeOver(
      user,
      SAID.map(([, , script]) => ({ script })),
    );
    const seen = ends.map(({ failure, tree, left }, index) => {
      const [title, reason] = SAID[index] ?? ['', /^$/];
      return [title, failure?.code, reason.test(failure?.message ?? '') || failure?.message, tree, left];
    });
    expect(seen).toEqual(SAID.map(([title]) => [title, 'ERR_CLOISTER_ARCHIVE', true, null, ['kept', 'secret']]));
  }, 120_000);

  it('sees no file of the host, no process, no network, and writes to one directory', async () => {
    const script = `
      warn('root', fs.readdirSync('/').sort().join(' '));
      warn('passwd', attempt(() => fs.readFileSync('/etc/passwd').length));
      warn('shell', attempt(() => fs.readFileSync('/bin/sh').length));
      warn('processes', String(fs.readdirSync('/proc').filter((n) => /^\\d+$/.test(n)).length < 4));
      warn('interfaces', attempt(() => os.networkInterfaces()));
      warn('environment', Object.keys(process.env).sort().join(' '));
      warn('archive', attempt(() => fs.writeSync(0, 'x')));
      warn('archive anew', attempt(() => fs.openSync('/proc/self/fd/0', 'r+')));
      warn('program', attempt(() => fs.writeFileSync('/unpacker.mjs', 'x')));
      warn('node', attempt(() => fs.writeFileSync(process.execPath, 'x')));
      warn('root directory', attempt(() => fs.mkdirSync('/made')));
      warn('above', attempt(() => fs.readdirSync('/out/..').includes('secret')));
      warn('hard link', attempt(() => fs.linkSync('/proc/self/fd/0', 'h')));
      warn('hard link to node', attempt(() => fs.linkSync(process.execPath, 'n')));
      warn('set-user-ID', attempt(() => { fs.writeFileSync('f', 'x'); fs.chmodSync('f', 0o4755); }));
      warn('owner', attempt(() => fs.chownSync('f', 1, 1)));
      warn('file size', attempt(() => fs.writeSync(fs.openSync('f', 'r+'), 'x', 1e9)));
      done(1);`;
    const [end] = await takeOver(user, [{ script, options: { limits: { fileSize: '1MB' } } }]);
    expect(end?.failure).toBeNull();
    const seen = Object.fromEntries(end?.result?.warnings.map(({ path, reason }) => [path, reason]) ?? []);
    expect(seen).toMatchObject({
      passwd: 'ENOENT',
      shell: 'ENOENT',
      processes: 'true',
      interfaces: 'ERR_SYSTEM_ERROR',
      archive: 'EBADF',
      program: expect.stringMatching(/EROFS|EACCES|EPERM/),
      node: expect.stringMatching(/EROFS|EACCES|EPERM|ETXTBSY/),
      'root directory': expect.stringMatching(/EROFS|EACCES|EPERM/),
      'archive anew': expect.stringMatching(/EACCES|EROFS|EPERM/),
      above: 'false',
      'hard link': expect.stringMatching(/EXDEV|EPERM|EACCES/),
      'hard link to node': expect.stringMatching(/EXDEV|EPERM|EACCES/),
      'set-user-ID': 'EPERM',
      owner: expect.stringMatching(/EPERM|EINVAL/),
      'file size': 'EFBIG',
    });
    expect(seen['root']).toMatch(/^dev( lib\w*)* out proc tmp unpacker.mjs usr$/);
    expect(seen['environment']).not.toContain('SECRET');
    expect(end?.tree).toEqual(['f 100644 1']);
  }, 60_000);

  it('makes no process and no socket, and takes no name and no space that nobody sees', async () => {
    const script = `${FILTERED.map(([what, deed]) => `warn('${what}', await (async () => { try { return String(await ${deed}); } catch (error) { return error.code; } })());`).join('\n')} done(1);`;
    // Both names of the file are left, since nothing can be taken away.
    const [end] = await takeOver(user, [{ script }]);
    expect(end?.failure).toBeNull();
    expect(end?.result?.warnings.map(({ path, reason }) => [path, reason])).toEqual(
      FILTERED.map(([what, , code]) => [what, code]),
    );

    const outside = await inSubprocess(
      async ({ data, fs, net, childProcess }) => {
        const { deeds, folder } = data as { deeds: string[]; folder: string };
        process.chdir(folder);
        const prototype = Object.getPrototypeOf(async () => {
          await Promise.resolve();
        }) as { constructor: new (...words: string[]) => (...values: unknown[]) => unknown };
        const refused: unknown[] = [];
        for (const deed of deeds) {
          const run = new prototype.constructor('fs', 'net', 'child_process', `return await ${deed};`);
          try {
            await run(fs, net, childProcess);
          } catch (error) {
            refused.push([deed, (error as NodeJS.ErrnoException).code]);
          }
        }
        return refused;
      },
      { user, data: { deeds: FILTERED.map(([, deed]) => deed), folder: scratch(user) } },
    );
    expect(outside).toEqual([]);
  }, 60_000);

  it('is stopped when it fills the disk, while it is at it', async () => {
    const script = `for (let i = 0; i < 400; i++) fs.writeFileSync('f' + i, Buffer.alloc(100000)); await new Promise((r) => setTimeout(r, 20000)); done();`;
    const [end] = await takeOver(user, [{ script, options: { limits: { totalSize: '1MB', wallTime: '15s' } } }]);
    expect(end?.failure?.message).toMatch(/goes beyond limits.totalSize or limits.entries/);
    expect(end?.left).toEqual(['kept', 'secret']);
  }, 60_000);

  it('is stopped when it takes too much memory', async () => {
    const script = 'const all = []; for (;;) all.push(Buffer.alloc(1e6, 1));';
    const [end] = await takeOver(user, [{ script, options: { limits: { memory: '128MiB' } } }]);
    expect(end?.failure).toMatchObject({ code: 'ERR_CLOISTER_ARCHIVE' });
    expect(end?.failure?.message).toContain('limits.memory is used up');
  }, 60_000);

  it('is stopped when it does not end', async () => {
    const [end] = await takeOver(user, [{ script: 'for (;;);', options: { limits: { wallTime: '500ms' } } }]);
    expect(end?.failure).toMatchObject({ code: 'ERR_CLOISTER_ARCHIVE' });
    expect(end?.failure?.message).toContain('limits.wallTime is used up');
    expect(end?.left).toEqual(['kept', 'secret']);
  }, 60_000);
});
