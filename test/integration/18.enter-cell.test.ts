/** A program that goes into a cell by itself: what it is inside, what stands for it outside, and what does not count as being inside. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { NODE, type User, USERS } from '../support/in-subprocess.js';
import { idOf, scratch } from '../support/scratch.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HEAD = `
import { enterCell, restrictSelf } from ${JSON.stringify(`${ROOT}dist/index.js`)};
import { existsSync, readFileSync, readdirSync } from 'node:fs';
const say = (value) => console.log(JSON.stringify(value));
const here = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const policy = { unveil: { [here]: 'rx', [${JSON.stringify(ROOT)}]: 'rx' } };
const refused = (act) => { try { act(); return 'entered'; } catch (error) { return error.code + ': ' + error.message; } };
`;

interface Ran {
  status: number | null;
  signal: NodeJS.Signals | null;
  lines: unknown[];
  stderr: string;
  pid: number | undefined;
}

/** Starts a program of this body in a folder of its own, beside a file that no cell shows. */
function start(
  user: User,
  body: string,
  options: {
    args?: string[];
    nodeArguments?: string[];
    stdin?: string;
    env?: Record<string, string>;
    third?: number;
  } = {},
): ChildProcess {
  const folder = scratch(user, { 'app/main.mjs': HEAD + body, secret: 'secret' });
  const program = options.stdin === undefined ? [path.join(folder, 'app/main.mjs'), ...(options.args ?? [])] : [];
  const child = spawn(NODE, [...(options.nodeArguments ?? []), ...program], {
    stdio: ['pipe', 'pipe', 'pipe', ...(options.third === undefined ? [] : [options.third])],
    env: { PATH: process.env['PATH'], HOME: '/tmp', ...options.env },
    ...(user === 'nobody' ? { uid: idOf(user), gid: idOf(user) } : {}),
  });
  child.stdin?.end(options.stdin);
  return child;
}

async function finish(child: ChildProcess): Promise<Ran> {
  const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
    const chunks: string[] = [];
    stream?.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk));
    return chunks;
  });
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  const lines = (stdout ?? [])
    .join('')
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));
  return { status, signal, lines, stderr: (stderr ?? []).join(''), pid: child.pid };
}

const ran = (...args: Parameters<typeof start>): Promise<Ran> => finish(start(...args));

/** Reads what the child writes until it is this line. */
async function untilLine(child: ChildProcess, line: string): Promise<void> {
  let text = '';
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += String(chunk);
    if (text.includes(line)) {
      return;
    }
  }
  throw new Error(`ended without ${line}: ${text}`);
}

const isGone = (pid: number): boolean => {
  try {
    return readFileSync(`/proc/${String(pid)}/stat`, 'utf8').includes(') Z');
  } catch {
    return true;
  }
};

describe.each(USERS)('enterCell, as %s', (user) => {
  it('runs the program again inside, where it sees what the policy shows and nothing else', async () => {
    const { status, lines, stderr, pid } = await ran(
      user,
      `
        const look = () => ({ pid: process.pid, secret: existsSync(here + '/../secret'), args: process.argv.slice(2) });
        say(look());
        const { namespaces, noNewPrivileges, seccomp, rootFileSystem, missing } = enterCell(policy);
        say(look());
        say({ namespaces, noNewPrivileges, filters: seccomp.filters, rootFileSystem, missing });
        say(readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).length);
        say(readFileSync('/proc/net/dev', 'utf8').split('\\n').slice(2).map((line) => line.trim().split(':')[0]).filter(Boolean));
        say(enterCell(policy).namespaces.length);
      `,
      { args: ['one', '', 'two words'] },
    );
    expect(stderr).toBe('');
    const args = ['one', '', 'two words'];
    expect(lines).toEqual([
      // The first line twice: the program begins anew.
      { pid, secret: true, args },
      { pid: 2, secret: false, args },
      { pid: 2, secret: false, args },
      {
        namespaces: expect.arrayContaining(['user', 'mount', 'pid', 'net', 'ipc', 'uts']) as string[],
        noNewPrivileges: true,
        filters: 1,
        rootFileSystem: 'pivot_root',
        missing: [],
      },
      2,
      ['lo'],
      expect.any(Number),
    ]);
    expect(status).toBe(0);
  });

  it('passes node’s own arguments on, a program in one of them included', async () => {
    const code = `import(${JSON.stringify(`${ROOT}dist/index.js`)}).then(({ enterCell }) => {
      enterCell({ unveil: { ${JSON.stringify(ROOT)}: 'rx' } });
      console.log(JSON.stringify([process.pid, process.title]));
    })`;
    const { lines, stderr } = await ran(user, '', { nodeArguments: ['--title=inside', '-e', code], stdin: '' });
    expect([lines, stderr]).toEqual([[[2, 'inside']], '']);
  });

  it('ends as the program inside ends', async () => {
    const ends = await Promise.all(
      [
        'process.exit(0)',
        'process.exit(41)',
        "process.kill(process.pid, 'SIGUSR2')",
        "process.kill(process.pid, 'SIGKILL')",
      ].map((end) => ran(user, `enterCell(policy); ${end};`)),
    );
    expect(ends.map(({ status, signal }) => status ?? signal)).toEqual([0, 41, 'SIGUSR2', 'SIGKILL']);
  });

  it('passes signals on, and takes the cell along when it is killed', async () => {
    const body = `
      enterCell(policy);
      process.on('SIGTERM', () => process.exit(12));
      setInterval(() => {}, 1000);
      console.log('"ready"');
    `;
    const polite = start(user, body);
    await untilLine(polite, 'ready');
    polite.kill('SIGTERM');
    expect(await once(polite, 'exit')).toEqual([12, null]);

    const killed = start(user, body);
    await untilLine(killed, 'ready');
    const inside = childrenOf(killed.pid ?? 0);
    expect(inside.length).toBeGreaterThan(2);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    await expect.poll(() => inside.filter((pid) => !isGone(pid))).toEqual([]);
  });

  it('holds the limits, and says which one ended it', async () => {
    const wall = await ran(
      user,
      `enterCell({ ...policy, limits: { wallTime: '300ms' } }); setInterval(() => {}, 1000);`,
    );
    expect(wall).toMatchObject({ status: 124, stderr: 'cloister: ended by limits.wallTime\n' });
    const memory = await ran(
      user,
      `enterCell({ ...policy, limits: { memory: '300MiB' } }); const all = []; for (;;) { all.push(Buffer.alloc(1 << 22, 1)); }`,
    );
    expect(memory).toMatchObject({ status: 137, stderr: 'cloister: ended by limits.memory\n' });
  });

  it('refuses what cannot work before anything is given up', async () => {
    const { lines } = await ran(
      user,
      `
        say(refused(() => enterCell({ unveil: { '/nowhere': 'r' } })));
        say(refused(() => enterCell({ stdio: 'inherit', limits: { wallTime: -1 } })));
        say(refused(() => enterCell({ limits: { output: 10 } })));
        restrictSelf({ unveil: { '/': 'rx' } });
        say(refused(() => enterCell(policy)));
        say('goes on');
      `,
    );
    expect(lines).toEqual([
      expect.stringMatching(/^ERR_CLOISTER_NOT_FOUND: .*\/nowhere/),
      expect.stringMatching(/^ERR_CLOISTER_POLICY: [^]*limits\.wallTime[^]*stdio/),
      expect.stringMatching(/^ERR_CLOISTER_POLICY: .*limits\.output/),
      expect.stringMatching(/^ERR_CLOISTER_UNSUPPORTED: .*restrictSelf/),
      'goes on',
    ]);
  });

  it('refuses a program that came by standard input', async () => {
    const source = `import(${JSON.stringify(`${ROOT}dist/index.js`)}).then(({ enterCell }) => {
      try { enterCell({}); } catch (error) { console.log(JSON.stringify(error.code)); }
    });`;
    expect((await ran(user, '', { stdin: source })).lines).toEqual(['ERR_CLOISTER_UNSUPPORTED']);
  });

  it('says what is missing when the program cannot start inside', async () => {
    const { status, stderr, lines } = await ran(user, `say('outside'); enterCell({ root: 'empty' }); say('inside');`);
    expect({ status, lines }).toEqual({ status: 127, lines: ['outside'] });
    expect(stderr).toMatch(/^cloister: cannot run this program in a cell: execve.*: No such file or directory\n$/);
  });

  it('works from a Worker, with the program’s other threads and children left behind', async () => {
    const { lines, status } = await ran(
      user,
      `
        import { isMainThread, Worker } from 'node:worker_threads';
        import { spawn } from 'node:child_process';
        if (process.pid !== 2 && isMainThread) {
          spawn('sleep', ['0.1'], { stdio: 'ignore' });
          new Worker(new URL(import.meta.url));
          setInterval(() => {}, 1000);
        } else {
          enterCell(policy);
          say([process.pid, isMainThread]);
        }
      `,
    );
    expect([lines, status]).toEqual([[[2, true]], 0]);
  });

  it('does not take a file, a variable or somebody else’s memory for the proof of being inside', async () => {
    const file = openSync(fileURLToPath(import.meta.url), 'r');
    const body = `say(process.pid === 2); enterCell(policy); say(process.pid);`;
    const named = await ran(user, body, { third: file, env: { CLOISTER_CELL: '3', CLOISTER_INSIDE: '1' } });
    closeSync(file);
    expect(named.lines).toEqual([false, true, 2]);

    const folder = scratch(user, { 'main.mjs': `${HEAD} say(refused(() => enterCell(policy)));` });
    const forge = `
import fcntl, json, os, sys
outside = {'mount': os.readlink('/proc/self/ns/mnt'), 'pid': os.readlink('/proc/self/ns/pid')}
enforcement = {'namespaces': ['mount', 'pid'], 'noNewPrivileges': True, 'seccomp': None, 'landlock': None}
expected = {'capabilities': [], 'namespaces': ['mount', 'pid'], 'ownTree': True, 'landlock': None, 'instructions': 9}
memory = os.memfd_create('cloister-cell', os.MFD_ALLOW_SEALING)
os.write(memory, json.dumps({'version': 2, 'outside': outside, 'expected': expected, 'enforcement': enforcement}).encode() + bytes(48))
fcntl.fcntl(memory, 1033, 15)
os.dup2(memory, 3)
os.execv(sys.argv[1], sys.argv[1:])
`;
    const forged = spawn('python3', ['-c', forge, NODE, path.join(folder, 'main.mjs')], {
      ...(user === 'nobody' ? { uid: idOf(user), gid: idOf(user) } : {}),
    });
    expect((await finish(forged)).lines).toEqual([
      'ERR_CLOISTER_SETUP: cannot enter a cell: the kernel does not confirm mount namespace, pid namespace, no_new_privs, root file system, system call filter',
    ]);
  });
});

/** Of all generations. */
function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8')
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
  return children.flatMap((child) => [child, ...childrenOf(child)]);
}
