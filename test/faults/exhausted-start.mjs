// Starts a few cells, for exhaustion.mjs, and prints in one line how each of the starts ended. Options: those of prlimit(1), which are set for this process
// once it is there, and taken back for a second round, which must go well unless --kept is
// given; or --numbers, to use each number of a process once.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

import { runIsolated } from 'cloister';

const CODES = ['ERR_CLOISTER_SETUP', 'ERR_CLOISTER_UNSUPPORTED'];
const KINDS = [{}, { hostname: 'other' }, { backend: 'landlock' }, { limits: { memory: '256MiB', cpuTime: '9s' } }];

async function start(options) {
  try {
    const { reason, exitCode, signal, stdout } = await runIsolated('echo', ['started'], options);
    if (reason === 'exited' && exitCode === 0 && stdout === 'started\n') {
      return 'started';
    }
    return `${reason} ${exitCode ?? signal} ${JSON.stringify(stdout)}`;
  } catch (error) {
    if (!CODES.includes(error.code) || (error.code === CODES[0] && error.stage === undefined)) {
      throw error;
    }
    return `${error.message} [${error.hint ?? 'no hint'}]`;
  }
}

async function startAll() {
  const answers = [];
  for (const options of KINDS) {
    answers.push(await start(options));
  }
  return [...new Set(answers)].join(' | ');
}

/** Started before there is not enough to start it; sets the limit back when asked. */
function giver(option) {
  const script = 'read answer; exec prlimit --pid "$0" "$1"';
  return spawn('sh', ['-c', script, String(process.pid), option], { stdio: ['pipe', 'ignore', 'inherit'] });
}

/** The soft limit, as prlimit(1) takes it; the hard one stays. */
function present(name) {
  const shown = execFileSync('prlimit', [
    '--pid',
    String(process.pid),
    `--${name}`,
    '--raw',
    '--noheadings',
    '--output=SOFT',
  ]);
  return `--${name}=${String(shown).trim()}:`;
}

const [option, kept] = process.argv.slice(2);
if (option === '--numbers') {
  // Numbers are given out anew from 300 on, as many as there are up to the highest.
  for (let round = 0; round < 300; round += 1) {
    spawnSync('/bin/true');
  }
} else if (option !== undefined) {
  const [name] = option.slice(2).split('=');
  const back = giver(present(name));
  execFileSync('prlimit', ['--pid', String(process.pid), `${option}:`]);
  const first = await startAll();
  back.stdin.end('now\n');
  await once(back, 'exit');
  const second = await startAll();
  process.stdout.write(`${first}; then ${second}\n`);
  process.exit(second === 'started' || kept !== undefined ? 0 : 1);
}
process.stdout.write(`${await startAll()}\n`);
