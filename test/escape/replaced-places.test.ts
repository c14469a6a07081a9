/**
 * What a policy covers stays covered in every one of many cells, while the host replaces what lies there as editors and daemons do: a mount vanishes with
 * the name it lies on when somebody renames another file over it, in whatever namespace (rename(2)).
 */

import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const ROUNDS = 5;

describe.each(USERS)('places that the host replaces between cells, as %s', (user) => {
  it('a hidden file and a hidden directory stay hidden', async () => {
    const folder = scratch(user, { secret: 'first', 'keys/private': 'first', shown: 'shown' });
    const seen = await inSubprocess(
      async ({ runIsolated, fs, data }) => {
        const { folder, rounds } = data as { folder: string; rounds: number };
        const outputs: string[] = [];
        const read = ['-c', `cat ${folder}/shown ${folder}/secret ${folder}/keys/private 2>&1 | sed "s,${folder}/,,"`];
        for (let round = 0; round < rounds; round += 1) {
          const { stdout } = await runIsolated('sh', read, {
            unveil: { [folder]: 'r', [`${folder}/secret`]: '', [`${folder}/keys`]: '' },
          });
          outputs.push(String(stdout));
          fs.writeFileSync(`${folder}/next`, `secret ${String(round)}`);
          fs.renameSync(`${folder}/next`, `${folder}/secret`);
          fs.renameSync(`${folder}/keys`, `${folder}/old${String(round)}`);
          fs.mkdirSync(`${folder}/keys`);
          fs.writeFileSync(`${folder}/keys/private`, `secret ${String(round)}`);
        }
        return outputs;
      },
      { user, data: { folder, rounds: ROUNDS } },
    );
    const covered = 'showncat: secret: Permission denied\ncat: keys/private: Permission denied\n';
    expect(seen).toEqual(Array.from({ length: ROUNDS }, () => covered));
  });

  it('a read-only file over a writable tree, and a private directory in it, stay where they are', async () => {
    const folder = scratch(user, { 'tree/conf': 'host', 'tree/private': 'dir', safe: 'safe' });
    const rounds = await inSubprocess(
      async ({ runIsolated, fs, data }) => {
        const { folder, rounds } = data as { folder: string; rounds: number };
        const all: unknown[] = [];
        const tree = `${folder}/tree`;
        const command = `cat ${tree}/conf; (echo changed > ${tree}/conf) 2>/dev/null; ls ${tree}/private; touch ${tree}/private/mine`;
        for (let round = 0; round < rounds; round += 1) {
          const { stdout } = await runIsolated('sh', ['-c', command], {
            unveil: { [tree]: 'rwc' },
            mounts: [
              { type: 'bind', source: `${folder}/safe`, target: `${tree}/conf` },
              { type: 'tmpfs', target: `${tree}/private` },
            ],
          });
          all.push([stdout, fs.readFileSync(`${tree}/conf`, 'utf8'), fs.readdirSync(`${tree}/private`)]);
          fs.writeFileSync(`${folder}/next`, 'host');
          fs.renameSync(`${folder}/next`, `${tree}/conf`);
          fs.renameSync(`${tree}/private`, `${folder}/old${String(round)}`);
          fs.mkdirSync(`${tree}/private`);
        }
        return all;
      },
      { user, data: { folder, rounds: ROUNDS } },
    );
    expect(rounds).toEqual(Array.from({ length: ROUNDS }, () => ['safe', 'host', []]));
  });

  it('sockets of the host stay covered under root host', async () => {
    const answers = await inSubprocess(
      async ({ runIsolated, fs, net, events, data }) => {
        const { rounds } = data as { rounds: number };
        // Not below /tmp, which root host hides as a whole.
        const folder = fs.mkdtempSync('/var/tmp/cloister-test-');
        fs.chmodSync(folder, 0o755);
        const ask = `import socket, sys
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1]); print(s.recv(10).decode())
except OSError as error:
    print(error.strerror)`;
        const all: string[] = [];
        for (let round = 0; round < rounds; round += 1) {
          const server = net.createServer((socket) => socket.on('error', () => undefined).end('hello'));
          await events.once(server.listen(`${folder}/socket`), 'listening');
          fs.chmodSync(`${folder}/socket`, 0o777);
          // The same policy every time: what is made ahead is used from the third cell on.
          const { stdout } = await runIsolated('python3', ['-c', ask, `${folder}/socket`], { root: 'host' });
          all.push(String(stdout).trim());
          if (round === rounds - 1) {
            const shown = await runIsolated('python3', ['-c', ask, `${folder}/socket`], {
              root: 'host',
              unveil: { [folder]: 'r' },
              mounts: [{ type: 'bind', source: `${folder}/socket`, target: `${folder}/socket` }],
              user: { hostRoot: process.getuid?.() === 0 },
            });
            all.push(String(shown.stdout).trim());
          }
          await new Promise((resolve) => server.close(resolve));
        }
        fs.rmSync(folder, { recursive: true });
        return all;
      },
      { user, data: { rounds: ROUNDS } },
    );
    expect(answers).toEqual([...Array.from({ length: ROUNDS }, () => 'Permission denied'), 'hello']);
  });
});
