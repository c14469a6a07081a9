/** What an image says about its program, what a call says instead, and what becomes of what the program writes. */

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import {
  aci,
  busyboxEntries,
  cacheContent,
  dockerSave,
  filesToTar,
  type ImageRun,
  type ImageSpec,
  ociLayout,
  plainLayer,
  runImages,
  writeFiles,
} from '../support/images.js';
import { inSubprocess, type User, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const SHOW = ['/bin/sh', '-c', 'echo "$0 $* $NAME $HOME $(pwd) $(id -u):$(id -g)"', 'own'];
const BASE = { layers: [plainLayer(...busyboxEntries())] };
const SAID: ImageSpec = {
  ...BASE,
  config: { Cmd: SHOW, Env: ['NAME=image', 'HOME=/home/app'], WorkingDir: '/home/app', User: 'app' },
};

function put(folder: string, user: User, name: string, ...specs: ImageSpec[]): string {
  const directory = path.join(folder, name);
  mkdirSync(directory);
  return writeFiles(directory, ociLayout(...specs), user);
}

async function outputs(user: User, cache: string, runs: readonly ImageRun[]): Promise<unknown[]> {
  return (await runImages(user, cache, runs)).map(
    ({ result, failure }) => failure?.message ?? `${String(result?.stdout)}${String(result?.stderr)}`,
  );
}

describe.each(USERS)('what an image says, as %s', (user) => {
  it('is the default of command, environment, directory and user; what the call says wins', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const image = put(folder, user, 'said', SAID);
    const entry = put(folder, user, 'entry', {
      ...BASE,
      config: { Entrypoint: ['/bin/echo', 'entry'], Cmd: ['default'], User: '7:others' },
    });
    const archive = path.join(folder, 'app.aci');
    writeFileSync(
      archive,
      aci(busyboxEntries(), { exec: SHOW, user: '1234', group: '1300', environment: [{ name: 'NAME', value: 'aci' }] }),
    );
    const show = { command: '/bin/sh', args: SHOW.slice(1) };
    expect(
      await outputs(user, cache, [
        { image },
        { image, options: { env: { NAME: 'call' }, cwd: '/etc', user: { uid: 5, gid: 6 } } },
        { image, options: { user: { gid: 6 } } },
        { image, command: 'echo', args: ['other'] },
        { image, ...show },
        { image: entry },
        { image: entry, args: ['given'] },
        { image: entry, command: 'id' },
        { image: archive },
        { image: archive, options: { env: { NAME: 'call' } } },
      ]),
    ).toEqual([
      'own  image /home/app /home/app 1234:1235\n',
      'own  call /home/app /etc 5:6\n',
      'own  image /home/app /home/app 1234:6\n',
      'other\n',
      'own  image /home/app /home/app 1234:1235\n',
      'entry default\n',
      'entry given\n',
      'uid=7 gid=1300(others)\n',
      'own  aci /tmp / 1234:1300\n',
      'own  call /tmp / 1234:1300\n',
    ]);
  });

  it('is taken from the one that the reference names, or that is for this machine', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const here = process.arch === 'x64' ? 'amd64' : process.arch;
    const say = (word: string): ImageSpec => ({ ...BASE, config: { Cmd: ['/bin/echo', word] } });
    const platforms = put(
      folder,
      user,
      'platforms',
      { ...say('riscv'), architecture: 'riscv64' },
      { ...say('here'), architecture: here },
    );
    const names = put(folder, user, 'names', { ...say('one'), name: 'app:1' }, { ...say('two'), name: 'app:2' });
    const docker = path.join(folder, 'docker.tar');
    writeFileSync(docker, filesToTar(dockerSave(say('docker'), ['example/app:3', 'example/app:latest'])));
    expect(
      await outputs(user, cache, [
        { image: platforms },
        { image: platforms, reference: `linux/${here}` },
        { image: platforms, reference: 'linux/riscv64' },
        { image: names, reference: 'app:1' },
        { image: names, reference: '2' },
        { image: docker },
        { image: docker, reference: 'example/app:3' },
        { image: docker, reference: 'latest' },
      ]),
    ).toEqual(['here\n', 'here\n', 'riscv\n', 'one\n', 'two\n', 'docker\n', 'docker\n', 'docker\n']);
  });

  it('stays as it is: what a cell writes is discarded, and its limits hold', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const image = put(folder, user, 'image', BASE);
    await runImages(user, cache, [{ image }]);
    const before = cacheContent(cache);
    const write = 'echo new > /etc/layer && echo more > /added && rm /etc/group && cat /etc/layer /added && ls /etc';
    expect(
      await outputs(user, cache, [
        { image, command: 'sh', args: ['-c', write] },
        { image, command: 'sh', args: ['-c', 'cat /etc/layer; ls /added /etc/group'] },
        {
          image,
          command: 'sh',
          args: ['-c', 'head -c 3000000 /dev/zero > /big'],
          options: { limits: { scratch: '1MiB' } },
        },
      ]),
    ).toEqual([
      'new\nmore\nlayer\npasswd\n',
      expect.stringMatching(/^base\n\/etc\/group\nls: \/added: No such file/u),
      expect.stringMatching(/^head: standard output: /u),
    ]);
    expect(cacheContent(cache)).toEqual(before);
  });

  it('starts by spawnIsolated, whose streams are there before the cell is', async () => {
    const folder = scratch(user);
    const image = put(folder, user, 'image', BASE);
    const seen = await inSubprocess(
      async ({ spawnIsolated, data }) => {
        const { image, gone } = data as { image: string; gone: string };
        const child = spawnIsolated('cat', ['-', '/etc/layer'], { root: { image } });
        const before = child.pid;
        child.stdin?.end('typed\n');
        let text = '';
        child.stdout?.on('data', (chunk: Buffer) => (text += String(chunk)));
        const events: string[] = [];
        for (const name of ['spawn', 'exit', 'close', 'error']) {
          child.on(name, () => events.push(name));
        }
        const closed = new Promise((resolve) => child.once('close', resolve));
        const { reason, exitCode } = await child.outcome;
        await closed;
        const failed = spawnIsolated('cat', { root: { image: gone } });
        const code = await failed.outcome.then(
          () => null,
          (error: unknown) => (error as { code: string }).code,
        );
        const killed = spawnIsolated('sleep', ['1000'], { root: { image } });
        killed.kill();
        const end = await killed.outcome.then(
          ({ reason: why }) => why,
          (error: unknown) => (error as Error).name,
        );
        const pid = child.pid;
        return {
          before: before ?? null,
          started: typeof pid,
          text,
          events,
          reason,
          exitCode,
          code,
          end,
          killed: killed.killed,
        };
      },
      {
        user,
        data: { image, gone: path.join(folder, 'gone') },
        environment: { XDG_CACHE_HOME: path.join(scratch(user), 'cache') },
      },
    );
    expect(seen).toEqual({
      before: null,
      started: 'number',
      text: 'typed\nbase\n',
      events: ['spawn', 'exit', 'close'],
      reason: 'exited',
      exitCode: 0,
      code: 'ERR_CLOISTER_NOT_FOUND',
      end: 'AbortError',
      killed: true,
    });
  });

  it('writes to nobody where its output was let go, as a command of any other cell', async () => {
    const folder = scratch(user);
    const image = put(folder, user, 'image', BASE);
    const ends = await inSubprocess(
      async ({ spawnIsolated, events, data }) => {
        const found: unknown[] = [];
        for (const root of [{ image: data as string }, 'system'] as const) {
          const script = 'while echo word; do :; done';
          const child = spawnIsolated('sh', ['-c', script], { root, limits: { wallTime: '20s' } });
          await events.once(child.stdout as import('node:stream').Readable, 'data');
          child.stdout?.destroy();
          const { reason, signal } = await child.outcome;
          found.push([reason, signal]);
        }
        return found;
      },
      { user, data: image, environment: { XDG_CACHE_HOME: path.join(scratch(user), 'cache') } },
    );
    expect(ends).toEqual([
      ['signaled', 'SIGPIPE'],
      ['signaled', 'SIGPIPE'],
    ]);
  });
});
