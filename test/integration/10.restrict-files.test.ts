import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('files of a process that restricts itself, as %s', (user) => {
  it('leaves each letter exactly what it stands for, in the main thread, the pool and Workers', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, folder: base, fs, workers }) => {
        const letters = ['r', 'rw', 'rwc', 'w', 'c', 'rc'];
        for (const name of letters) {
          fs.mkdirSync(`${base}/${name}`);
          fs.writeFileSync(`${base}/${name}/file`, 'content');
        }
        const deeds: Record<string, (directory: string) => void> = {
          read: (directory) => fs.readFileSync(`${directory}/file`),
          list: (directory) => fs.readdirSync(directory),
          write: (directory) => fs.closeSync(fs.openSync(`${directory}/file`, fs.constants.O_WRONLY)),
          truncate: (directory) =>
            fs.closeSync(fs.openSync(`${directory}/file`, fs.constants.O_WRONLY | fs.constants.O_TRUNC)),
          create: (directory) => fs.mkdirSync(`${directory}/new`),
        };
        const tryAll = (): Record<string, string> =>
          Object.fromEntries(
            letters.map((name) => [
              name,
              Object.entries(deeds)
                .filter(([, act]) => {
                  try {
                    act(`${base}/${name}`);
                    return true;
                  } catch (error) {
                    if ((error as NodeJS.ErrnoException).code !== 'EACCES') {
                      throw error;
                    }
                    return false;
                  }
                })
                .map(([deed]) => deed)
                .join(' '),
            ]),
          );
        const before = tryAll();
        for (const name of letters) {
          fs.rmdirSync(`${base}/${name}/new`);
        }
        await fs.promises.stat('/');
        const enforcement = restrictSelf({
          unveil: Object.fromEntries(letters.map((name) => [`${base}/${name}`, name])),
        });
        const main = tryAll();
        const pool = await fs.promises.readFile(`${base}/w/file`).then(
          () => 'read',
          (error: unknown) => (error as NodeJS.ErrnoException).code,
        );
        const worker = await new Promise((resolve) => {
          const source = `try { require('fs').readFileSync('${base}/w/file'); postMessage('read') } catch (error) { postMessage(error.code) }`;
          new workers.Worker(
            `const postMessage = (text) => require('worker_threads').parentPort.postMessage(text); ${source}`,
            {
              eval: true,
            },
          ).once('message', resolve);
        });
        return { before, main, pool, worker, root: enforcement.rootFileSystem, missing: enforcement.missing };
      },
      { user },
    );
    const everything = 'read list write truncate create';
    expect(result.before).toEqual(
      Object.fromEntries(['r', 'rw', 'rwc', 'w', 'c', 'rc'].map((name) => [name, everything])),
    );
    expect(result.main).toEqual({
      r: 'read list',
      rw: 'read list write truncate',
      rwc: everything,
      w: 'write truncate',
      c: 'create',
      rc: 'read list create',
    });
    expect(result).toMatchObject({ pool: 'EACCES', worker: 'EACCES', root: 'landlock', missing: [] });
  });

  it('opens nothing under {}, and keeps what is open', async () => {
    const result = await inSubprocess(
      ({ restrictSelf, fs }) => {
        const open = fs.openSync('/etc/hostname', 'r');
        restrictSelf({ unveil: {} });
        let code: string | undefined;
        try {
          fs.readFileSync('/etc/hostname');
        } catch (error) {
          code = (error as NodeJS.ErrnoException).code;
        }
        return { code, length: fs.readSync(open, Buffer.alloc(10)) > 0 };
      },
      { user },
    );
    expect(result).toEqual({ code: 'EACCES', length: true });
  });

  it('executes what has x, and nothing else', async () => {
    const result = await inSubprocess(
      ({ restrictSelf, folder: base, fs, childProcess }) => {
        fs.copyFileSync('/bin/true', `${base}/program`);
        const system = { '/usr': 'rx', '/lib': 'rx', '/lib64': 'rx', '/etc': 'r' };
        const run = (file: string) => childProcess.spawnSync(file).error?.message ?? 'ran';
        const before = run(`${base}/program`);
        restrictSelf({ unveil: { ...system, [base]: 'rwc' } });
        return { before, after: run(`${base}/program`), system: run('/bin/true') };
      },
      { user },
    );
    expect(result.before).toBe('ran');
    expect(result.after).toContain('EACCES');
    expect(result.system).toBe('ran');
  });

  it('follows a symbolic link once, and lets nobody exchange the target afterwards', async () => {
    const result = await inSubprocess(
      ({ restrictSelf, folder: base, fs }) => {
        for (const name of ['meant', 'other', 'links']) {
          fs.mkdirSync(`${base}/${name}`);
          fs.writeFileSync(`${base}/${name}/file`, name);
        }
        fs.symlinkSync(`${base}/meant`, `${base}/links/link`);
        restrictSelf({ unveil: { [`${base}/links/link`]: 'r', [`${base}/links`]: 'rwc' } });
        const through = fs.readFileSync(`${base}/links/link/file`, 'utf8');
        fs.unlinkSync(`${base}/links/link`);
        fs.symlinkSync(`${base}/other`, `${base}/links/link`);
        let exchanged: string | undefined;
        try {
          exchanged = fs.readFileSync(`${base}/links/link/file`, 'utf8');
        } catch (error) {
          exchanged = (error as NodeJS.ErrnoException).code;
        }
        return { through, exchanged };
      },
      { user },
    );
    expect(result).toEqual({ through: 'meant', exchanged: 'EACCES' });
  });

  it('takes 10,000 paths', async () => {
    const result = await inSubprocess(
      ({ restrictSelf, folder: base, fs }) => {
        const names = Array.from({ length: 10_000 }, (_, index) => `${base}/${String(index)}`);
        for (const name of names) {
          fs.writeFileSync(name, '');
        }
        fs.writeFileSync(`${base}/forbidden`, '');
        restrictSelf({ unveil: Object.fromEntries(names.map((name) => [name, 'r'])) });
        const readable = names.filter((name) => fs.readFileSync(name).length === 0).length;
        let code: string | undefined;
        try {
          fs.readFileSync(`${base}/forbidden`);
        } catch (error) {
          code = (error as NodeJS.ErrnoException).code;
        }
        return { readable, code };
      },
      { user, before: 'ulimit -n 512' },
    );
    expect(result).toEqual({ readable: 10_000, code: 'EACCES' });
  });

  it('narrows when called again, and never widens', async () => {
    const result = await inSubprocess(
      ({ restrictSelf, folder: base, fs }) => {
        fs.mkdirSync(`${base}/a`);
        fs.mkdirSync(`${base}/b`);
        fs.writeFileSync(`${base}/a/file`, 'a');
        fs.writeFileSync(`${base}/b/file`, 'b');
        const look = () =>
          ['a', 'b'].map((name) => {
            try {
              return fs.readFileSync(`${base}/${name}/file`, 'utf8');
            } catch (error) {
              return (error as NodeJS.ErrnoException).code;
            }
          });
        const seen = [look()];
        restrictSelf({ unveil: { [base]: 'r' } });
        seen.push(look());
        restrictSelf({ unveil: { [`${base}/a`]: 'rw' } });
        seen.push(look());
        restrictSelf({ unveil: { [base]: 'r' } });
        seen.push(look());
        let written: string | undefined;
        try {
          fs.writeFileSync(`${base}/a/file`, 'x');
        } catch (error) {
          written = (error as NodeJS.ErrnoException).code;
        }
        return { seen, written };
      },
      { user },
    );
    expect(result).toEqual({
      seen: [
        ['a', 'b'],
        ['a', 'b'],
        ['a', 'EACCES'],
        ['a', 'EACCES'],
      ],
      written: 'EACCES',
    });
  });

  it('lets files be moved between directories that have c, also after a call about something else', async () => {
    const result = await inSubprocess(
      ({ restrictSelf, folder: base, fs }) => {
        for (const name of ['a', 'b', 'closed']) {
          fs.mkdirSync(`${base}/${name}`);
        }
        fs.writeFileSync(`${base}/a/file`, '');
        const move = (from: string, to: string) => {
          try {
            fs.renameSync(`${base}/${from}/file`, `${base}/${to}/file`);
            return 'moved';
          } catch (error) {
            return (error as NodeJS.ErrnoException).code;
          }
        };
        restrictSelf({ unveil: { [`${base}/a`]: 'rwc', [`${base}/b`]: 'rwc', [`${base}/closed`]: 'rw' } });
        const first = [move('a', 'b'), move('b', 'closed')];
        restrictSelf({ tcp: { connect: [443] } });
        return [...first, move('b', 'a'), move('a', 'closed')];
      },
      { user },
    );
    expect(result).toEqual(['moved', 'EACCES', 'moved', 'EACCES']);
  });

  it('ends with E2BIG at the seventeenth domain, and the process goes on', async () => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, failureOf }) => {
        for (let count = 0; count < 16; count += 1) {
          restrictSelf({ unveil: { '/tmp': 'r' } });
        }
        const failure = await failureOf(() => restrictSelf({ unveil: { '/tmp': 'r' } }));
        return { failure, listed: fs.readdirSync('/tmp').length > 0 };
      },
      { user },
    );
    expect(result.listed).toBe(true);
    expect(result.failure).toMatchObject({
      code: 'ERR_CLOISTER_SETUP',
      stage: 'landlock',
      syscall: 'landlock_restrict_self',
      errno: -7,
    });
  });
});

describe('files that a process cannot be left', () => {
  it.each([
    [{ '/nowhere/at/all': 'r' }, 'ERR_CLOISTER_NOT_FOUND', 'cannot unveil /nowhere/at/all: ENOENT'],
    [{ '/': 'rw' }, 'ERR_CLOISTER_POLICY', 'unveil["/"]'],
    [{ '/proc': 'rw' }, 'ERR_CLOISTER_POLICY', '/proc/self/mem'],
    [{ '/proc/self/mem': 'w' }, 'ERR_CLOISTER_POLICY', 'lies on proc'],
    [{ '/tmp': 'rq' }, 'ERR_CLOISTER_POLICY', "unknown letter 'q'"],
    [{ '/usr': 'rx', '/usr/lib': '' }, 'ERR_CLOISTER_UNSUPPORTED', 'takes nothing away inside a grant'],
    [{ '/usr': 'rx', '/usr/lib': 'r' }, 'ERR_CLOISTER_UNSUPPORTED', 'takes nothing away inside a grant'],
    [{ '/usr': 'x' }, 'ERR_CLOISTER_UNSUPPORTED', "add 'r'"],
  ])('%j is %s', async (unveil, code, message) => {
    const result = await inSubprocess(
      async ({ restrictSelf, fs, failureOf, data }) => {
        const failure = await failureOf(() => restrictSelf({ unveil: data as Record<string, string> }));
        return { failure, unrestricted: fs.readFileSync('/etc/hostname').length > 0 };
      },
      { data: unveil },
    );
    expect(result.failure?.code).toBe(code);
    expect(result.failure?.message).toContain(message);
    expect(result.unrestricted).toBe(true);
  });

  it('names what it cannot hold when it may degrade', async () => {
    const result = await inSubprocess(({ restrictSelf, fs }) => {
      const { missing } = restrictSelf({ unveil: { '/usr': 'rx', '/usr/lib': '' }, onUnsupported: 'degrade' });
      let code: string | undefined;
      try {
        fs.readFileSync('/etc/hostname');
      } catch (error) {
        code = (error as NodeJS.ErrnoException).code;
      }
      return { features: missing.map(({ feature }) => feature), code };
    });
    expect(result).toEqual({ features: [`unveil["/usr/lib"]: ''`], code: 'EACCES' });
  });

  it('hides a path outside of every grant, since nothing is granted there', async () => {
    const result = await inSubprocess(
      ({ restrictSelf }) => restrictSelf({ unveil: { '/usr': 'rx', '/etc/shadow': '', '/never/there': '' } }).missing,
    );
    expect(result).toEqual([]);
  });
});
