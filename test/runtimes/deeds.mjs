// One deed under whatever runtime this is: prints "ok", or the error of cloister's that says why not. Each denial stands beside the same deed allowed.

import assert from 'node:assert/strict';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const [deed] = process.argv.slice(2);
const denied = (action) => {
  try {
    action();
  } catch ({ code }) {
    return code;
  }
  return 'allowed';
};

const DEEDS = {
  async load() {
    const { probe } = await import('cloister');
    const { compile } = await import('cloister/seccomp');
    const { extractArchive } = await import('cloister/archive');
    assert.equal(probe().platform, 'linux');
    assert.deepEqual([typeof compile, typeof extractArchive], ['function', 'function']);
  },
  async spawn() {
    const { spawnIsolated } = await import('cloister');
    const folder = mkdtempSync(path.join(tmpdir(), 'cloister-runtime-'));
    try {
      const output = openSync(path.join(folder, 'output'), 'w');
      const script = 'cat /in/file; cat /etc/shadow 2>/dev/null || echo denied';
      const mounts = [{ type: 'file', target: '/in/file', content: 'shown\n' }];
      const child = spawnIsolated('sh', ['-c', script], { mounts, stdio: ['ignore', output, 'ignore'] });
      assert.equal((await child.outcome).reason, 'exited');
      assert.equal(readFileSync(path.join(folder, 'output'), 'utf8'), 'shown\ndenied\n');
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  async pipes() {
    const { runIsolated, spawnIsolated } = await import('cloister');
    const { stdout } = await runIsolated('echo', ['shown']);
    assert.equal(stdout, 'shown\n');
    const child = spawnIsolated('cat');
    const chunks = [];
    child.stdout.on('data', (chunk) => chunks.push(chunk));
    const closed = new Promise((resolve) => child.once('close', resolve));
    child.stdin.end('there and back');
    assert.equal((await child.outcome).exitCode, 0);
    await closed;
    assert.equal(Buffer.concat(chunks).toString(), 'there and back');
    assert.equal((await runIsolated('yes', [], { limits: { output: 5000 } })).reason, 'output');
  },
  async limits() {
    const { spawnIsolated } = await import('cloister');
    const reason = async (command, args, limits) =>
      (await spawnIsolated(command, args, { stdio: 'ignore', limits }).outcome).reason;
    assert.equal(await reason('sleep', ['30'], { wallTime: 200 }), 'wall-time');
    assert.equal(await reason('sh', ['-c', 'while :; do :; done'], { cpuTime: '1s' }), 'cpu-time');
    assert.equal(await reason('true', [], { wallTime: '50s', cpuTime: '50s' }), 'exited');
  },
  async restrict() {
    const { restrictSelf } = await import('cloister');
    const read = (file) => denied(() => readFileSync(file, 'utf8'));
    assert.deepEqual([read('/etc/passwd'), read('/usr/lib/os-release')], ['allowed', 'allowed']);
    const enforcement = restrictSelf({ unveil: { '/usr': 'r' } });
    assert.ok(enforcement.landlock !== undefined);
    assert.deepEqual([read('/etc/passwd'), read('/usr/lib/os-release')], ['EACCES', 'allowed']);
  },
  async threads() {
    const { Worker } = await import('node:worker_threads');
    const { restrictSelf } = await import('cloister');
    // Started before, asked before and after: a thread that was there already is bound as well.
    const text = `
      const { parentPort } = require('node:worker_threads');
      const { readFileSync } = require('node:fs');
      parentPort.on('message', () => {
        try { readFileSync('/etc/passwd'); parentPort.postMessage('allowed'); } catch ({ code }) { parentPort.postMessage(code); }
      });`;
    const worker = new Worker(text, { eval: true });
    const ask = () =>
      new Promise((resolve, reject) => {
        worker.once('message', resolve);
        worker.once('error', reject);
        worker.postMessage('read');
      });
    assert.equal(await ask(), 'allowed');
    restrictSelf({ unveil: { '/usr': 'r' } });
    assert.equal(await ask(), 'EACCES');
    await worker.terminate();
  },
};

try {
  await DEEDS[deed]();
  console.log('ok');
  process.exit(0);
} catch (error) {
  console.log(
    typeof error.code === 'string' && error.code.startsWith('ERR_CLOISTER_')
      ? `${error.code}: ${error.message}`
      : error,
  );
  process.exit(1);
}
