// Lets a cell's start fail at each of its system calls, in the launcher and in the cell, with errors and by SIGKILL. Each time the answer must be a clear
// error, or a cell with all that was asked for; nothing may be left, and the next start must work. As root, on x86_64.
//
//   npm run test:faults -- [--stride N] [--call NUMBER] [--user root|nobody] [--mode plain|full|landlock] [--error NUMBER|kill]
//
// Every N-th call is tried (default 1), or every N-th of one system call only; the other options may be repeated. Takes some minutes.

import assert from 'node:assert/strict';
import { execFileSync, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const PATIENCE_MS = 30_000;
const NOBODY = 65534;
const CODES = ['ERR_CLOISTER_SETUP', 'ERR_CLOISTER_NOT_FOUND', 'ERR_CLOISTER_UNSUPPORTED'];
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const { values } = parseArgs({
  options: {
    stride: { type: 'string', default: '1' },
    call: { type: 'string', default: '-1' },
    user: { type: 'string', multiple: true, default: ['root', 'nobody'] },
    mode: { type: 'string', multiple: true, default: ['plain', 'full', 'landlock'] },
    // ENOMEM, EMFILE, ENOSPC, EPERM, EAGAIN.
    error: { type: 'string', multiple: true, default: ['12', '24', '28', '1', '11', 'kill'] },
  },
});

const folder = mkdtempSync('/tmp/cloister-faults-');
const injector = path.join(folder, 'inject');
execFileSync('gcc', ['-O1', '-D_GNU_SOURCE', '-o', injector, here('inject.c')]);

class Victim {
  #child;

  constructor(user) {
    // In a mount namespace of its own: its mounts are counted, and others' come and go.
    const ids = ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
    const execArgv = ['--mount', '--propagation=private', ...(user === 'nobody' ? ids : []), process.execPath];
    this.#child = fork(here('victim.mjs'), { execPath: 'unshare', execArgv, stdio: 'inherit' });
  }

  async ask(what, mode) {
    const answer = once(this.#child, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) });
    this.#child.send({ what, mode });
    const [value] = await answer;
    return value;
  }

  end() {
    this.#child.disconnect();
  }
}

/** Follows the victim's launcher and its processes. */
async function follow(victim, at, action) {
  const pids = (await victim.ask('processes')).map(({ pid }) => String(pid));
  const child = spawn(injector, [String(at), values.call, action, ...pids], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout);
  const heard = [];
  lines.on('line', (line) => heard.push(line));
  await Promise.race([once(lines, 'line'), once(child, 'exit')]);
  assert.equal(heard[0], 'ready', `cannot follow ${pids.join()}`);
  return {
    hit: () => heard[1],
    end: async () => {
      const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** Spare processes come and go; what was started for a cell goes within moments. */
async function settled(victim, before) {
  for (let round = 0; round < 100; round += 1) {
    if (same(await victim.ask('state'), before)) {
      return;
    }
    await pause(20);
  }
  assert.deepEqual(await victim.ask('state'), before);
}

function check(answer, good, where) {
  if (answer.reason === undefined) {
    assert.ok(CODES.includes(answer.code), `${where}: ${JSON.stringify(answer)}`);
    assert.ok(answer.stage !== undefined && answer.message !== '', `${where}: ${JSON.stringify(answer)}`);
    return `${answer.code} ${answer.stage}`;
  }
  if (answer.reason !== 'exited') {
    // Whoever held the cell is gone, and the cell with it.
    assert.ok(
      ['killed', 'signaled'].includes(answer.reason) && answer.signal === 'SIGKILL',
      `${where}: ${JSON.stringify(answer)}`,
    );
    return answer.reason;
  }
  assert.deepEqual(answer, good, where);
  return 'started';
}

async function campaign(user, mode, action, stride) {
  const victim = new Victim(user);
  const tally = {};
  try {
    await victim.ask('start', mode);
    const good = await victim.ask('start', mode);
    assert.equal(good.stdout, 'started\n', JSON.stringify(good));
    const before = await victim.ask('state');
    let at = 1 + Math.floor(Math.random() * stride);
    for (let missed = 0; missed < 2; at += stride) {
      const injection = await follow(victim, at, action);
      const where = `${user} ${mode} ${action} at ${at}`;
      const answer = await victim.ask('start', mode).catch((error) => {
        throw new Error(`${where}: no answer (${injection.hit()})`, { cause: error });
      });
      await injection.end();
      const hit = injection.hit();
      missed = hit === undefined ? missed + 1 : 0;
      const result = check(answer, good, `${where}, ${hit}`);
      tally[result] = (tally[result] ?? 0) + 1;
      assert.deepEqual(await victim.ask('start', mode), good, `the start after ${where}, ${hit}`);
      await settled(victim, before);
    }
    console.log(`${user} ${mode} ${action}: ${at - stride} calls, ${JSON.stringify(tally)}`);
  } finally {
    victim.end();
  }
}

try {
  for (const user of values.user) {
    for (const mode of values.mode) {
      for (const action of values.error) {
        await campaign(user, mode, action, Number(values.stride));
      }
    }
  }
  console.log('ok');
} finally {
  rmSync(folder, { recursive: true });
}
