// What the demo puts in the way of the program: things to steal, services to reach, a process to hurt. Each knows what happened to it,
// so that nothing depends on what the program says of itself.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import dgram from 'node:dgram';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

export class Traps {
  /** In the command line of the process that is to be hurt. */
  mark = `demo-${randomBytes(6).toString('hex')}`;
  /** Looks secret, opens nothing. */
  secret = `not-a-key-${randomBytes(12).toString('hex')}`;
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cloister-demo-'));
  home = path.join(this.folder, 'home');
  box = path.join(this.folder, 'box');
  reached = { tcp: 0, udp: 0, unix: 0, abstract: 0 };
  victim;
  #servers = [];

  async set() {
    fs.mkdirSync(path.join(this.home, '.ssh'), { recursive: true });
    fs.mkdirSync(this.box);
    fs.writeFileSync(path.join(this.home, '.ssh', 'id_rsa'), `${this.secret}\n`, { mode: 0o600 });
    fs.writeFileSync(path.join(this.home, '.bashrc'), 'alias ll="ls -l"\n');
    fs.writeFileSync(path.join(this.box, 'input.txt'), 'the quick brown fox jumps over the lazy dog\n');
    this.victim = await startVictim(this.mark);
    const tcp = await this.#listen('tcp', { port: 0, host: '127.0.0.1' });
    await this.#listen('unix', { path: path.join(this.folder, 'agent.sock') });
    await this.#listen('abstract', { path: `\0${this.mark}` });
    const udp = dgram.createSocket('udp4');
    udp.on('message', (_, from) => {
      this.reached.udp += 1;
      udp.send('192.0.2.1', from.port, from.address);
    });
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    this.#servers.push(udp);
    return {
      box: this.box,
      home: this.home,
      mark: this.mark,
      victim: this.victim.pid,
      parent: process.pid,
      tcp: tcp.address().port,
      udp: udp.address().port,
      socket: path.join(this.folder, 'agent.sock'),
      abstract: this.mark,
      // Some versions of Node.js fill the name up with zeros, which the kernel shows as '@'.
      abstractLength: new RegExp(`@${this.mark}@*$`, 'm').exec(read('/proc/net/unix'))[0].length,
    };
  }

  async #listen(name, where) {
    const server = net.createServer((socket) => {
      this.reached[name] += 1;
      socket.on('error', () => {});
      socket.once('data', () => socket.end('welcome'));
    });
    server.listen(where);
    await once(server, 'listening');
    this.#servers.push(server);
    return server;
  }

  isVictimAlive() {
    return this.victim.exitCode === null && this.victim.signalCode === null;
  }

  /** Names and contents of the planted home. */
  homeContents() {
    return fs
      .readdirSync(this.home, { recursive: true })
      .sort()
      .map((name) => [name, read(path.join(this.home, name))]);
  }

  async remove() {
    for (const server of this.#servers) {
      server.close();
    }
    if (this.isVictimAlive()) {
      this.victim.kill('SIGKILL');
      await once(this.victim, 'exit');
    }
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The processes below one, as the host sees them; with their start times, since numbers are used again. */
export function descendants(pid) {
  const all = fs.readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? (processOf(name) ?? []) : []));
  const found = new Set([pid]);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const each of all) {
      if (found.has(each.parent)) {
        found.add(each.pid);
      }
    }
  }
  found.delete(pid);
  return all.filter((each) => found.has(each.pid));
}

export function isAlive({ pid, start }) {
  const now = processOf(pid);
  return now?.start === start && now.state !== 'Z';
}

/** What proc_pid_stat(5) tells, or null when the process is gone. Its name may hold spaces and parentheses. */
export function processOf(pid) {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return text === '' ? null : { pid: Number(pid), state: fields[0], parent: Number(fields[1]), start: fields[19] };
}

async function startVictim(mark) {
  const victim = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log()'], {
    argv0: `payroll-${mark}`,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(victim.stdout, 'data');
  return victim;
}

/** Empty where there is nothing to read, or nothing any more. */
function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (['EISDIR', 'ENOENT', 'ESRCH', 'EACCES'].includes(error.code)) {
      return '';
    }
    throw error;
  }
}
