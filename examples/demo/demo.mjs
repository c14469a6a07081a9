// `npm run demo`: runs a program that nobody should trust, first outside of a cell (only its harmless half), then in one.
// Ends with 0 if every attempt was contained, by the program's own account and by what the host saw.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { probe, spawnIsolated } from 'cloister';

import { fact, heading, line, note } from './print.mjs';
import { descendants, isAlive, processOf, Traps } from './traps.mjs';

const FOLDER = fileURLToPath(new URL('../untrusted', import.meta.url));
/** Every attempt that the program has to report, in its order. Of these the first ten do no harm. */
const ATTEMPTS = [
  ...['key', 'shadow', 'environment', 'processes', 'startup', 'tcp', 'dns', 'unix', 'abstract', 'kill'],
  ...['kill-parent', 'trace', 'internet', 'system', 'kernel', 'mount', 'device', 'root', 'namespace', 'disk', 'forks'],
];
const HARMLESS = 10;
const PROCESSES = 64;

const problems = [];

/** Python where the cell has it too; CLOISTER_DEMO=node asks for the twin. */
function chooseProgram() {
  const python = ['/usr/bin/python3', '/usr/local/bin/python3'].find((file) => fs.existsSync(file));
  if (python !== undefined && process.env.CLOISTER_DEMO !== 'node') {
    return { interpreter: python, script: 'untrusted.py', unveil: {} };
  }
  return { interpreter: process.execPath, script: 'untrusted.mjs', unveil: { [process.execPath]: 'rx' } };
}

/** Prints each line of the program as it comes; resolves to the names and verdicts. */
async function follow(stdout, isGood, onLine = () => {}) {
  const reported = new Map();
  for await (const text of createInterface({ input: stdout })) {
    const [name, what = '', verdict = '', details = ''] = text.split('\t');
    onLine(name, text);
    reported.set(name, verdict);
    line({ good: name === 'job' ? verdict === 'got' : isGood(name, verdict), what, verdict, details });
  }
  return reported;
}

async function runOutside({ interpreter, script }, traps, target) {
  const env = { ...process.env, HOME: traps.home, DEPLOY_TOKEN: traps.secret };
  const child = spawn(interpreter, [path.join(FOLDER, script), JSON.stringify(target), 'harmless'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const reported = await follow(child.stdout, (_, verdict) => (verdict === 'got' ? false : null));
  for (const name of ATTEMPTS.slice(0, HARMLESS)) {
    // Who is not root cannot read this file anywhere.
    if (reported.get(name) !== 'got' && name !== 'shadow') {
      problems.push(`outside of a cell '${name}' did not work either, so that the cell proves nothing`);
    }
  }
}

/** The cell of the demo: one folder to work in, few processes, little scratch space. Everything else is the default. */
function policy({ script, unveil }, traps) {
  return {
    mounts: [{ type: 'file', target: `/app/${script}`, content: fs.readFileSync(path.join(FOLDER, script)) }],
    unveil: { ...unveil, [traps.box]: 'rwc' },
    user: { uid: 1000, gid: 1000 },
    limits: { wallTime: '60s', processes: PROCESSES, scratch: '16MiB' },
  };
}

async function runInCell(program, traps, target) {
  const child = spawnIsolated(
    program.interpreter,
    [`/app/${program.script}`, JSON.stringify(target), 'all'],
    policy(program, traps),
  );
  const seen = { output: '', alive: [] };
  child.stderr.on('data', (chunk) => (seen.output += chunk));
  const reported = await follow(
    child.stdout,
    (_, verdict) => verdict === 'refused',
    (name, text) => {
      seen.output += text;
      if (name === 'forks') {
        // Of everything below the cell's first process. The program waits for more input meanwhile.
        seen.alive = descendants(processOf(child.pid)?.parent);
        child.stdin.end();
      }
    },
  );
  const outcome = await child.outcome;
  if (reported.get('job') !== 'got') {
    problems.push('the program could not do its job');
  }
  for (const name of ATTEMPTS) {
    if (reported.get(name) !== 'refused') {
      problems.push(`'${name}': ${reported.get(name) ?? 'not reported'}`);
    }
  }
  return { outcome, seen };
}

/** One thing that the host knows, whatever the program says. */
function check(what, good, verdict, details) {
  line({ good, what, verdict, details });
  if (!good) {
    problems.push(`${what}: ${verdict}`);
  }
}

function checkHost({ seen, outcome }, traps, before) {
  const services = Object.values(traps.reached).reduce((sum, count) => sum + count, 0);
  check('connections to the four services', services === 0, String(services));
  const stolen = seen.output.includes(traps.secret);
  check('the secret in what the program wrote', !stolen, stolen ? 'there' : 'absent');
  const changed = JSON.stringify(traps.homeContents()) !== before;
  check("the user's home folder", !changed, changed ? 'changed' : 'unchanged');
  const alive = traps.isVictimAlive();
  check('the other process', alive, alive ? 'alive' : 'dead');
  const words = fs.readFileSync(path.join(traps.box, 'words.txt'), 'utf8').trim();
  check('words.txt, in the one folder it was given', words === '9', 'written', `${words} words`);
  const { length } = seen.alive;
  check('processes alive at once', length > 1 && length <= PROCESSES, String(length), 'when it had forked without end');
  const left = seen.alive.filter(isAlive).length;
  check('processes left of these', left === 0, String(left));
  check('end of the cell', outcome.reason === 'exited' && outcome.exitCode === 0, outcome.reason);
}

/** A program that ignores every request to end. */
async function outstay(program, traps, target) {
  const child = spawnIsolated(program.interpreter, [`/app/${program.script}`, JSON.stringify(target), 'linger'], {
    ...policy(program, traps),
    limits: { wallTime: '1s' },
  });
  // By then it ignores the signal.
  child.stdout.once('data', () => child.kill('SIGTERM'));
  const { reason, signal, usage } = await child.outcome;
  const ended = `${signal} after ${(usage.wallTime / 1000).toFixed(1)} s`;
  check('stay forever, wallTime: 1s', reason === 'wall-time', reason, ended);
}

function report({ reason, exitCode, signal, violations, usage, enforcement }) {
  heading('The outcome');
  fact('reason', reason);
  fact('exitCode, signal', `${exitCode}, ${signal}`);
  fact('violations', String(violations.length));
  fact('usage.wallTime', `${usage.wallTime.toFixed(0)} ms`);
  fact('usage, CPU time', `${usage.userTime.toFixed(0)} ms user, ${usage.systemTime.toFixed(0)} ms system`);
  fact('usage.peakMemory', `${(usage.peakMemory / 2 ** 20).toFixed(0)} MiB`);
  heading('What was in force (outcome.enforcement)');
  for (const [name, value] of Object.entries(enforcement)) {
    fact(name, JSON.stringify(value));
  }
}

async function main() {
  const support = probe();
  if (!support.backends.includes('namespaces')) {
    throw new Error(`cells do not work on this machine: ${support.namespacesBlockedBy}`);
  }
  const program = chooseProgram();
  console.log(
    `A program that nobody should trust: examples/untrusted/${program.script}, run by ${program.interpreter}`,
  );
  await withTraps(async (traps, target) => {
    heading('Outside of a cell, the half of it that does no damage');
    await runOutside(program, traps, target);
  });
  await withTraps(async (traps, target) => {
    const before = JSON.stringify(traps.homeContents());
    heading('In a cell, all of it');
    const result = await runInCell(program, traps, target);
    heading('What the host saw of it');
    checkHost(result, traps, before);
    await outstay(program, traps, target);
    report(result.outcome);
  });
}

/** Set anew for each run: what is stolen and broken in the first is there again in the second. */
async function withTraps(act) {
  const traps = new Traps();
  try {
    await act(traps, await traps.set());
  } finally {
    await traps.remove();
  }
}

await main();
if (problems.length === 0) {
  heading(`All ${ATTEMPTS.length} attempts were contained.`);
  note('The policy is in examples/demo/demo.mjs; `npx cloister run --help` runs any program in a cell.');
} else {
  heading('Not everything was contained:');
  for (const problem of problems) {
    console.log(`  ${problem}`);
  }
  process.exitCode = 1;
}
