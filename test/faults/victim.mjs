// Starts cells on demand, for start-faults.mjs, which makes the start fail.

import { existsSync, readdirSync, readFileSync } from 'node:fs';

import { runIsolated } from 'cloister';

const MODES = {
  plain: {},
  full: {
    pledge: 'stdio rpath',
    unveil: { '/usr/share/doc': 'r' },
    mounts: [
      { type: 'file', target: '/etc/answer', content: '42' },
      { type: 'overlay', lower: '/usr/share/doc', target: '/docs' },
      { type: 'tmpfs', target: '/work', size: '1MiB' },
    ],
    limits: { memory: '256MiB', processes: 20, cpuTime: '20s', wallTime: '20s', openFiles: 64 },
  },
  landlock: { backend: 'landlock', limits: { memory: '256MiB', cpuTime: '20s' } },
};

let starts = 0;

/** Another host name each time: what was prepared for the last one does not fit. */
async function start(mode) {
  starts += 1;
  const options = MODES[mode];
  const named = mode === 'landlock' ? options : { ...options, hostname: starts % 2 === 0 ? 'cell' : `cell${starts}` };
  try {
    const { reason, exitCode, signal, enforcement, stdout } = await runIsolated('echo', ['started'], named);
    return { reason, exitCode, signal, enforcement: JSON.stringify(enforcement), stdout };
  } catch (error) {
    const { code, stage, syscall, errno, message, cause } = error;
    return { code, stage, syscall, errno, message, cause: cause?.code };
  }
}

function processes() {
  const parents = new Map();
  const names = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parent] = line.slice(line.lastIndexOf(')') + 2).split(' ');
      if (state !== 'Z' && state !== 'X') {
        parents.set(Number(pid), Number(parent));
        names.set(Number(pid), line.slice(line.indexOf('(') + 1, line.lastIndexOf(')')));
      }
    } catch {
      // It has ended meanwhile.
    }
  }
  const ours = (pid) => {
    for (let above = parents.get(pid); above !== undefined; above = parents.get(above)) {
      if (above === process.pid) {
        return true;
      }
    }
    return false;
  };
  return [...names.keys()].filter(ours).map((pid) => ({ pid, name: names.get(pid) }));
}

const launchers = new Set();

/** Control groups of this process's launchers, dead ones included: the next one sweeps what they have left. */
function groups(directory = '/sys/fs/cgroup') {
  let found = 0;
  for (const name of directoriesIn(directory)) {
    const owner = /^cloister-(\d+)-\d+$/.exec(name)?.[1];
    found += owner === undefined ? groups(`${directory}/${name}`) : Number(launchers.has(owner));
  }
  return found;
}

function directoriesIn(directory) {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    // There are no control groups, or this one was removed meanwhile.
    if (error.code === 'ENOENT' || error.code === 'ENODEV') {
      return [];
    }
    throw error;
  }
}

/** What is there besides: counted before and after. */
function state() {
  for (const { pid, name } of processes()) {
    if (name === 'cloister') {
      launchers.add(String(pid));
    }
  }
  return {
    groups: groups(),
    mounts: readFileSync('/proc/self/mounts', 'utf8').split('\n').length,
    descriptors: readdirSync('/proc/self/fd').length,
    scratch: existsSync('/tmp') ? readdirSync('/tmp').filter((name) => name.startsWith('cloister-scratch-')).length : 0,
    strangers: processes().filter(({ name }) => !name.startsWith('cloister')).length,
  };
}

const ANSWERS = { start, processes, state };

process.on('message', async ({ what, mode }) => {
  process.send(await ANSWERS[what](mode));
});
