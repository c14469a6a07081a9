import { rmSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { inSubprocess, runSubprocess, USERS } from '../support/in-subprocess.js';

/** Deeds of ordinary Node.js code; each tells whether it could be done, or the code of the error. */
const DEEDS = {
  compute: `const before = Date.now(); let sum = 0; for (let i = 0; i < 1e6; i++) sum += i; return sum > 0 && Date.now() >= before`,
  read: `fs.readFileSync('/etc/hostname')`,
  readAsync: `await fs.promises.readFile('/etc/hostname')`,
  list: `fs.readdirSync('/usr')`,
  stat: `fs.statSync('/etc/hostname')`,
  write: `fs.closeSync(fs.openSync(scratch + '/file', fs.constants.O_WRONLY))`,
  truncate: `fs.closeSync(fs.openSync(scratch + '/file', fs.constants.O_RDONLY | fs.constants.O_TRUNC))`,
  readWrite: `fs.closeSync(fs.openSync(scratch + '/file', 'r+'))`,
  create: `fs.mkdirSync(scratch + '/new')`,
  remove: `fs.rmdirSync(scratch + '/old')`,
  rename: `fs.renameSync(scratch + '/x', scratch + '/y')`,
  chmod: `fs.chmodSync(scratch + '/file', 0o600)`,
  setuidBit: `fs.chmodSync(scratch + '/file', 0o4700)`,
  utimes: `fs.utimesSync(scratch + '/file', 1, 1)`,
  chown: `fs.chownSync(scratch + '/file', process.getuid(), process.getgid())`,
  tcp: `const server = net.createServer(); await new Promise((resolve, reject) => server.listen(0, '127.0.0.1', resolve).on('error', reject)); server.close()`,
  unix: `const server = net.createServer(); await new Promise((resolve, reject) => server.listen(scratch + '/socket', resolve).on('error', reject)); server.close()`,
  noDelay: `const socket = net.connect(port, '127.0.0.1'); await new Promise((resolve, reject) => socket.on('connect', resolve).on('error', reject)); socket.setNoDelay(true); socket.setKeepAlive(true, 1000); socket.destroy()`,
  udp: `const socket = dgram.createSocket('udp4'); await new Promise((resolve, reject) => socket.bind(0, '127.0.0.1', resolve).on('error', reject)); socket.close()`,
  spawn: `const { error, status } = childProcess.spawnSync('/bin/true'); if (error) throw error; return status === 0`,
  killOther: `process.kill(other, 0)`,
  killSelf: `process.kill(process.pid, 0)`,
  priority: `os.setPriority(process.pid, 5)`,
  setuid: `process.setuid(process.getuid())`,
  worker: `await new Promise((resolve, reject) => new workers.Worker('1', { eval: true }).on('exit', resolve).on('error', reject))`,
  wasm: `await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))`,
} as const;
type Deed = keyof typeof DEEDS;

/** What can be done with each set of promises; everything else fails. */
const TABLE: { promises: string; can: Deed[] }[] = [
  { promises: 'stdio', can: ['compute', 'killSelf', 'wasm'] },
  { promises: 'stdio rpath', can: ['compute', 'killSelf', 'wasm', 'worker', 'read', 'readAsync', 'list', 'stat'] },
  { promises: 'stdio wpath', can: ['compute', 'killSelf', 'wasm', 'worker', 'stat', 'write'] },
  {
    promises: 'stdio rpath wpath',
    can: [
      'compute',
      'killSelf',
      'wasm',
      'worker',
      'read',
      'readAsync',
      'list',
      'stat',
      'write',
      'readWrite',
      'truncate',
    ],
  },
  {
    promises: 'stdio rpath cpath',
    can: ['compute', 'killSelf', 'wasm', 'worker', 'read', 'readAsync', 'list', 'stat', 'create', 'remove', 'rename'],
  },
  { promises: 'stdio fattr', can: ['compute', 'killSelf', 'wasm', 'chmod', 'utimes'] },
  { promises: 'stdio chown', can: ['compute', 'killSelf', 'wasm', 'chown'] },
  { promises: 'stdio inet', can: ['compute', 'killSelf', 'wasm', 'tcp', 'noDelay', 'udp'] },
  { promises: 'stdio unix', can: ['compute', 'killSelf', 'wasm', 'unix'] },
  { promises: 'stdio id', can: ['compute', 'killSelf', 'wasm', 'setuid', 'priority'] },
  {
    promises: 'stdio rpath proc exec',
    can: [
      'compute',
      'killSelf',
      'wasm',
      'worker',
      'read',
      'readAsync',
      'list',
      'stat',
      'spawn',
      'killOther',
      'priority',
    ],
  },
];

describe.each(USERS)('promises of a process for itself, as %s', (user) => {
  it.each([{ promises: null, can: Object.keys(DEEDS) as Deed[] }, ...TABLE])(
    '$promises allows $can and no more',
    async ({ promises, can }) => {
      const deeds = await inSubprocess(
        async ({ restrictSelf, folder: scratch, fs, net, os, workers, childProcess, data }) => {
          const { promises: given, deeds: list } = data as { promises: string | null; deeds: Record<string, string> };
          const dgram = process.getBuiltinModule('node:dgram');
          fs.mkdirSync(`${scratch}/old`);
          fs.writeFileSync(`${scratch}/file`, 'x');
          fs.writeFileSync(`${scratch}/x`, 'x');
          const peer = new workers.Worker(
            `const server = require('net').createServer(() => undefined).listen(0, '127.0.0.1', () => require('worker_threads').parentPort.postMessage(server.address().port)); server.unref(); setTimeout(() => undefined, 20000)`,
            { eval: true },
          );
          const port = await new Promise((resolve) => peer.once('message', resolve));
          peer.unref();
          const other = childProcess.spawn('/bin/sleep', ['20'], { stdio: 'ignore' });
          other.unref();
          await fs.promises.stat('/');
          if (given !== null) {
            restrictSelf({ pledge: given, scope: false, onViolation: 'error' });
          }
          const names = ['fs', 'net', 'os', 'workers', 'childProcess', 'dgram', 'scratch', 'port', 'other'];
          const values = [fs, net, os, workers, childProcess, dgram, scratch, port, other.pid];
          const done: string[] = [];
          for (const [name, body] of Object.entries(list)) {
            // The deeds are texts of this file.
            // eslint-disable-next-line @typescript-eslint/no-implied-eval
            const act = new Function(...names, `return (async () => { ${body} })()`) as (
              ...args: unknown[]
            ) => Promise<unknown>;
            try {
              await act(...values);
              done.push(name);
            } catch (error) {
              const { code } = error as NodeJS.ErrnoException;
              if (!['EPERM', 'EACCES', 'ENOSYS', 'ERR_WORKER_INIT_FAILED', 'ERR_SYSTEM_ERROR'].includes(String(code))) {
                throw error;
              }
            }
          }
          setTimeout(() => process.exit(), 50);
          return done;
        },
        { user, data: { promises, deeds: DEEDS } },
      );
      expect(deeds.sort()).toEqual([...can].sort());
    },
  );

  it.each(['main', 'pool', 'worker'])(
    'ends the process with one line and SIGSYS at a refused call in %s, whoever listens for that signal',
    async (where) => {
      const end = await runSubprocess(
        async ({ restrictSelf, fs, workers, timers, data }) => {
          await fs.promises.stat('/');
          const worker = new workers.Worker(
            `require('worker_threads').parentPort.on('message', () => require('fs').mkdirSync('/tmp/never')).postMessage('up')`,
            { eval: true },
          );
          await new Promise((resolve) => worker.once('message', resolve));
          process.on('SIGSYS', () => undefined);
          restrictSelf({ pledge: 'stdio rpath' });
          process.on('SIGSYS', () => undefined);
          if (data === 'main') {
            fs.mkdirSync('/tmp/never');
          } else if (data === 'pool') {
            await fs.promises.mkdir('/tmp/never');
          } else {
            worker.postMessage('go');
          }
          await timers.setTimeout(5000);
          return 'still there';
        },
        { user, data: where },
      );
      expect(end.signal).toBe('SIGSYS');
      expect(end.stderr).toMatch(
        /^cloister: system call mkdir\(0x[0-9a-f]+, 0x1ff, .*\) is not allowed; the promise 'cpath' would allow it \(thread \d+\)\n$/,
      );
    },
  );

  it('can be narrowed by a second call, and needs no /proc for it', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, failureOf }) => {
        restrictSelf({ unveil: { '/usr': 'rx' } });
        restrictSelf({ pledge: 'stdio rpath wpath unveil', onViolation: 'error' });
        const third = restrictSelf({ pledge: 'stdio rpath', unveil: { '/usr/bin': 'r' }, onViolation: 'error' });
        const widened = restrictSelf({ pledge: 'stdio rpath wpath cpath', onViolation: 'error' });
        return {
          filters: [third.seccomp?.filters, widened.seccomp?.filters],
          usr: (await failureOf(() => fs.readdirSync('/usr')))?.code,
          bin: fs.readdirSync('/usr/bin').length > 0,
          mkdir: (await failureOf(() => fs.mkdirSync('/usr/bin/x')))?.code,
        };
      },
      { user },
    );
    expect(result).toEqual({ filters: [2, 3], usr: 'EACCES', bin: true, mkdir: 'EPERM' });
  });

  it('can be narrowed until the kernel holds no more filters, and is whole then', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, failureOf }) => {
        let failure: Awaited<ReturnType<typeof failureOf>> = null;
        let calls = 0;
        for (; failure === null && calls < 400; calls += 1) {
          failure = await failureOf(() => restrictSelf({ pledge: 'stdio rpath', onViolation: 'error' }));
        }
        return { failure, calls, read: fs.readFileSync('/etc/hostname').length > 0 };
      },
      { user },
    );
    expect(result.failure).toMatchObject({
      code: 'ERR_CLOISTER_SETUP',
      stage: 'filter',
      syscall: 'seccomp',
      errno: -12,
    });
    expect(result.calls).toBeGreaterThan(30);
    expect(result.read).toBe(true);
  });

  it('make and remove temporary files in /tmp and nowhere else, by tmppath', async () => {
    const attempts = await Promise.all(
      [null, 'stdio rpath tmppath', 'stdio rpath cpath tmppath'].map((given) =>
        inSubprocess(
          ({ restrictSelf, fs, data }) => {
            const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
            const code = (act: () => unknown) => {
              try {
                act();
                return 'done';
              } catch (error) {
                return (error as NodeJS.ErrnoException).code;
              }
            };
            const mine = `/tmp/cloister-tmp-${String(process.pid)}`;
            const elsewhere = `/var/tmp/cloister-tmp-${String(process.pid)}`;
            for (const path of [mine, elsewhere]) {
              fs.writeFileSync(`${path}-old`, '');
            }
            if (data !== null) {
              restrictSelf({ pledge: data as string, onViolation: 'error' });
            }
            const answers = [mine, elsewhere].map((path) => [
              code(() => fs.closeSync(fs.openSync(path, O_RDWR | O_CREAT | O_EXCL, 0o600))),
              code(() => fs.unlinkSync(`${path}-old`)),
              code(() => fs.unlinkSync(path)),
            ]);
            return { answers, elsewhere };
          },
          { user, data: given },
        ),
      ),
    );
    const done = ['done', 'done', 'done'];
    expect(attempts.map(({ answers }) => answers)).toEqual([
      [done, done],
      [done, ['EACCES', 'EACCES', 'ENOENT']],
      [done, done],
    ]);
    for (const { elsewhere } of attempts) {
      rmSync(`${elsewhere}-old`, { force: true });
    }
  });

  it('cannot look into other processes by /proc with rpath and wpath, and moves files as before', async () => {
    const attempts = await Promise.all(
      [null, 'stdio rpath wpath cpath'].map((given) =>
        inSubprocess(
          async ({ restrictSelf, fs, childProcess, failureOf, folder, data }) => {
            const other = childProcess.spawn('/bin/sleep', ['20'], { stdio: 'ignore' });
            fs.mkdirSync(`${folder}/a`);
            fs.mkdirSync(`${folder}/b`);
            fs.writeFileSync(`${folder}/a/file`, '');
            const enforcement =
              data === null ? null : restrictSelf({ pledge: data as string, scope: false, onViolation: 'error' });
            const about = (name: string) => `/proc/${String(other.pid)}/${name}`;
            const looked = {
              memory: (await failureOf(() => fs.closeSync(fs.openSync(about('mem'), 'r+'))))?.code,
              environment: (await failureOf(() => fs.readFileSync(about('environ'))))?.code,
              own: (await failureOf(() => fs.readFileSync('/proc/self/environ')))?.code,
              moved: (await failureOf(() => fs.renameSync(`${folder}/a/file`, `${folder}/b/file`)))?.code,
              root: enforcement?.rootFileSystem,
            };
            other.unref();
            setTimeout(() => process.exit(), 50);
            return looked;
          },
          { user, data: given },
        ),
      ),
    );
    expect(attempts).toEqual([{}, { memory: 'EACCES', environment: 'EACCES', root: 'unrestricted' }]);
  });

  it('have the time zone, the null device and the terminal beside unveil', async () => {
    const attempts = await Promise.all(
      [undefined, 'stdio rpath wpath', 'stdio rpath wpath tty'].map((pledge) =>
        inSubprocess(
          async ({ restrictSelf, fs, failureOf, folder, data }) => {
            const open = async (path: string, flags: string) =>
              (await failureOf(() => fs.closeSync(fs.openSync(path, flags))))?.code ?? 'opened';
            restrictSelf({
              unveil: { [folder]: 'rw' },
              ...((data as string | null) === null ? {} : { pledge: data as string, onViolation: 'error' }),
            });
            return {
              zone: await open('/usr/share/zoneinfo/UTC', 'r'),
              other: await open('/etc/hostname', 'r'),
              nothing: await open('/dev/null', 'r+'),
              // Without a terminal: the driver's own answer, once it is asked.
              terminal: await open('/dev/tty', 'r+'),
            };
          },
          { user, data: pledge ?? null, before: 'exec </dev/null' },
        ),
      ),
    );
    const closed = { zone: 'EACCES', other: 'EACCES', nothing: 'EACCES', terminal: 'EACCES' };
    const pledged = { ...closed, zone: 'opened', nothing: 'opened' };
    expect(attempts.slice(0, 2)).toEqual([closed, pledged]);
    expect(attempts[2]).toEqual({ ...pledged, terminal: expect.stringMatching(/^(ENXIO|opened)$/) as string });
  });
});
