import { describe, expect, it } from 'vitest';

import { inCells, refusal, shell, tryCells } from '../support/cells.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

describe.each(USERS)('environment of a command, as %s', (user) => {
  it('has four variables, and those of the policy', async () => {
    const command = '/usr/bin/env';
    const results = await inCells(user, [
      { command },
      { command, options: { env: { NAME: 'value with = and spaces', PATH: '/bin', EMPTY: '' } } },
    ]);
    const [standard, added] = results.map(({ stdout }) => stdout.trim().split('\n').sort());
    expect(standard?.map((line) => line.split('=')[0])).toEqual(['HOME', 'LANG', 'PATH', 'TERM']);
    expect(standard).toContain('HOME=/tmp');
    expect(added).toEqual(expect.arrayContaining(['NAME=value with = and spaces', 'PATH=/bin', 'EMPTY=']));
  });

  it('has the umask of the caller at the time of the call, without a moment of another one', async () => {
    const masks = await inSubprocess(
      async ({ runIsolated, workers, events, packageUrl }) => {
        const running = [0o22, 0o77, 0, 0o27].map((mask) => {
          process.umask(mask);
          return runIsolated('sh', ['-c', 'umask; touch /tmp/file; stat -c %a /tmp/file']);
        });
        process.umask(0o177);
        const source = `
          const { workerData, parentPort } = require('node:worker_threads');
          import(workerData).then(async ({ runIsolated }) =>
            parentPort.postMessage(String((await runIsolated('sh', ['-c', 'umask'])).stdout)));
        `;
        const worker = new workers.Worker(source, { eval: true, workerData: packageUrl });
        const [fromWorker] = (await events.once(worker, 'message')) as [string];
        return [...(await Promise.all(running)).map(({ stdout }) => String(stdout)), fromWorker];
      },
      { user },
    );
    expect(masks).toEqual(['0022\n644\n', '0077\n600\n', '0000\n666\n', '0027\n640\n', '0177\n']);
  });

  it('is the caller’s only when that is asked for', async () => {
    const result = await inSubprocess(
      async ({ runIsolated }) => {
        process.env['CALLER_SECRET'] = 'secret';
        const without = await runIsolated('/usr/bin/env');
        const inherited = await runIsolated('/usr/bin/env', [], { env: 'inherit' });
        const removed = await runIsolated('/usr/bin/env', [], { env: { HOME: undefined } });
        return [
          ...[without, inherited].map(({ stdout }) => String(stdout).includes('CALLER_SECRET=secret')),
          String(removed.stdout).includes('HOME='),
        ];
      },
      { user },
    );
    expect(result).toEqual([false, true, false]);
  });

  it('takes no name or value that would become another variable', async () => {
    for (const env of [{ 'A=B': 'x' }, { A: 'x\0y' }, { '': 'x' }]) {
      expect(await refusal(user, { env })).toMatchObject({ code: 'ERR_CLOISTER_POLICY' });
    }
  });

  it('starts in /, or in the directory that was asked for', async () => {
    const folder = scratch(user, { 'a/b': 'dir', link: '-> a/b' });
    const [standard, asked, linked, own] = await inCells(user, [
      shell('pwd'),
      shell('pwd', { cwd: `${folder}/a/b`, unveil: { [folder]: 'r' } }),
      shell('pwd -P', { cwd: `${folder}/link`, unveil: { [folder]: 'r' } }),
      shell('pwd', { cwd: '/work', mounts: [{ type: 'directory', target: '/work' }] }),
    ]);
    expect([standard, asked, linked, own].map((result) => result?.stdout)).toEqual([
      '/\n',
      `${folder}/a/b\n`,
      `${folder}/a/b\n`,
      '/work\n',
    ]);
    expect(await refusal(user, { cwd: `${folder}/a` })).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
      path: `${folder}/a`,
    });
  });

  it('shows the argument 0 that was asked for', async () => {
    const script = 'tr "\\0" " " < /proc/$$/cmdline';
    const results = await inCells(user, [shell(script), { ...shell(script, { argv0: 'other name' }) }]);
    expect(results.map(({ stdout }) => stdout)).toEqual([`sh -c ${script} `, `other name -c ${script} `]);
  });

  it('finds commands as execvp does, in the cell’s own PATH and directories', async () => {
    const mounts = [
      { type: 'file', target: '/tools/hello', content: '#!/bin/sh\necho hello\n', mode: 0o755 },
      { type: 'file', target: '/first/hello', content: 'not executable', mode: 0o644 },
      { type: 'file', target: '/no-interpreter', content: '#!/no/such\n', mode: 0o755 },
    ] as const;
    const env = { PATH: '/none:/first:/tools' };
    const [found, relative, missing, refused, directory, broken] = await tryCells(user, [
      { command: 'hello', options: { mounts, env } },
      { command: './hello', options: { mounts, cwd: '/tools' } },
      { command: 'no-such-command-here' },
      { command: '/first/hello', options: { mounts } },
      { command: '/usr' },
      { command: '/no-interpreter', options: { mounts } },
    ]);
    expect([found, relative]).toMatchObject([{ stdout: 'hello\n' }, { stdout: 'hello\n' }]);
    expect(missing).toMatchObject({
      code: 'ERR_CLOISTER_NOT_FOUND',
      causeCode: 'ENOENT',
      syscall: 'spawn no-such-command-here',
    });
    expect(refused).toMatchObject({ code: 'ERR_CLOISTER_SETUP', causeCode: 'EACCES' });
    expect(directory).toMatchObject({ code: 'ERR_CLOISTER_SETUP', causeCode: 'EACCES' });
    expect(broken).toMatchObject({ code: 'ERR_CLOISTER_NOT_FOUND', causeCode: 'ENOENT' });
  });

  it('has the host name that was asked for, and cannot change it', async () => {
    const [standard, asked] = await inCells(user, [
      shell('hostname; uname -n'),
      shell('hostname; uname -n; hostname other', { hostname: 'box.example' }),
    ]);
    expect(standard?.stdout).toBe('cloister\ncloister\n');
    expect(asked?.stdout).toBe('box.example\nbox.example\n');
    expect(asked?.stderr).toMatch(/must be root|not permitted/);
    expect(await refusal(user, { hostname: 'x'.repeat(65) })).toMatchObject({ code: 'ERR_CLOISTER_POLICY' });
  });

  it('has default dispositions, an empty signal mask and a session of its own', async () => {
    const script =
      'grep -E "^Sig(Blk|Ign)" /proc/self/status | tr -d "\\t\\n"; ps -o sid= -p $$ 2>/dev/null || cut -d" " -f6 /proc/$$/stat';
    const [result] = await inCells(user, [{ command: '/bin/bash', args: ['-c', script] }]);
    const none = '0000000000000000';
    expect(result?.stdout.replace(/\s+/g, '')).toMatch(new RegExp(`^SigBlk:${none}SigIgn:${none}2$`));
  });
});
