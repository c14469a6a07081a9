// Boots a kernel in QEMU with this machine's files as its root (read-only; the guest lays a throw-away layer over them), runs one command in it, and
// returns its status and output. Nothing but loopback as network. Needs root, to share files with their owners.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const FILE_SERVERS = ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd'];

const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

function writeJob(folder, machine, command, environment) {
  const sysctls = Object.entries(machine.sysctl ?? {}).map(([name, value]) => `${name}=${value}`);
  const settings = {
    user: machine.user ?? 0,
    cgroup: machine.cgroup ?? 'v2',
    sysctls: sysctls.join(' '),
    project: ROOT,
  };
  const lines = (assignments) => Object.entries(assignments).map(([name, value]) => `${name}=${quoted(value)}\n`);
  mkdirSync(folder);
  // The command may be a user's, and leaves its report here.
  chmodSync(folder, 0o777);
  writeFileSync(path.join(folder, 'settings.sh'), lines(settings).join(''));
  if (machine.setup !== undefined) {
    writeFileSync(path.join(folder, 'setup.sh'), machine.setup);
  }
  const exported = lines(environment).map((line) => `export ${line}`);
  const words = [...(machine.prefix ?? []), ...command].map(quoted);
  writeFileSync(path.join(folder, 'command.sh'), `${exported.join('')}exec ${words.join(' ')}\n`);
}

/** Serves a folder to the guest; with `readOnly` through a mount that nothing in the guest can make writable. */
async function serve(scratch, tag, folder, readOnly) {
  const server = FILE_SERVERS.find((file) => existsSync(file));
  if (server === undefined) {
    throw new Error('no virtiofsd: apt-get install qemu-system-common');
  }
  const socket = path.join(scratch, `${tag}.socket`);
  const view = path.join(scratch, `${tag}.view`);
  mkdirSync(view);
  const script = `mount --bind "$1" "$2" && ${readOnly ? 'mount -o remount,bind,ro "$2" && ' : ''}exec "$3" --socket-path="$4" -o source="$2" -o cache=${readOnly ? 'always' : 'auto'} -o xattr`;
  const child = spawn(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', folder, view, server, socket],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const messages = [];
  child.stderr.on('data', (chunk) => messages.push(chunk));
  for (let tries = 0; !existsSync(socket); tries += 1) {
    if (child.exitCode !== null || tries > 600) {
      throw new Error(`virtiofsd does not start: ${Buffer.concat(messages)}`);
    }
    await sleep(50);
  }
  return {
    child,
    arguments: [
      '-chardev',
      `socket,id=${tag},path=${socket}`,
      '-device',
      `vhost-user-fs-pci,chardev=${tag},tag=${tag}`,
    ],
  };
}

function machineArguments(kernel, machine, log, { cpus, memory }) {
  // By request only: a virtual machine may offer KVM to its guests and not be able to run them.
  const kvm = process.env.CLOISTER_KVM === '1';
  // An emulated timer may be late when the kernel tests it, which it takes for a broken machine.
  const patience = kvm ? '' : 'no_timer_check';
  return [
    ...['-M', 'q35,hpet=off', '-accel', kvm ? 'kvm' : 'tcg,thread=multi,tb-size=1024', '-cpu', kvm ? 'host' : 'max'],
    ...['-smp', String(cpus), '-m', String(memory)],
    ...['-object', `memory-backend-memfd,id=memory,size=${memory}M,share=on`, '-numa', 'node,memdev=memory'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-nic', 'none', '-no-reboot'],
    ...['-kernel', kernel.image, '-initrd', kernel.initramfs, '-serial', `file:${log}`],
    ...['-append', `console=ttyS0 quiet panic=-1 ${patience} cloister.project=${ROOT} ${machine.append ?? ''}`],
  ];
}

/** In the guest, where a command may leave a report that boot() returns. */
export const REPORT = '/run/job/report.json';

/**
 * @param {{ version: string, image: string, initramfs: string }} kernel
 * @param {import('./machines.mjs').Machine} machine
 * @param {string[]} command
 * @param {{ environment?: Record<string, string>, cpus?: number, memory?: number, timeout?: number }} [options] memory in MiB, timeout in seconds
 */
export async function boot(kernel, machine, command, options = {}) {
  const { environment = {}, cpus = 2, memory = 3072, timeout = 3600 } = options;
  // Not in /tmp: the guest has one of its own.
  const parent = path.join(ROOT, '.cache', 'guests');
  mkdirSync(parent, { recursive: true });
  const scratch = mkdtempSync(path.join(parent, 'guest-'));
  const [job, log] = [path.join(scratch, 'job'), path.join(scratch, 'console')];
  const children = [];
  const end = () => children.forEach((child) => child.kill('SIGKILL'));
  process.once('exit', end);
  try {
    writeJob(job, machine, command, environment);
    const servers = [await serve(scratch, 'root', '/', true), await serve(scratch, 'job', job, false)];
    children.push(...servers.map(({ child }) => child));
    const args = machineArguments(kernel, machine, log, { cpus, memory });
    const qemu = spawn('qemu-system-x86_64', [...args, ...servers.flatMap((each) => each.arguments)], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    children.push(qemu);
    const messages = [];
    qemu.stderr.on('data', (chunk) => messages.push(chunk));
    const timer = setTimeout(() => qemu.kill('SIGKILL'), timeout * 1000);
    const [, signal] = await once(qemu, 'exit');
    clearTimeout(timer);
    const read = (file) => (existsSync(file) ? readFileSync(file, 'utf8') : '');
    const output = read(path.join(job, 'output'));
    const status = read(path.join(job, 'status')).trim();
    if (status === '') {
      const why = signal === 'SIGKILL' ? `not done after ${timeout} s` : `ended early: ${Buffer.concat(messages)}`;
      throw new Error(`the machine ${why}\n${read(log).slice(-3000)}\n${output.slice(-3000)}`);
    }
    return { status: Number(status), output, report: read(path.join(job, 'report.json')) };
  } finally {
    end();
    process.off('exit', end);
    rmSync(scratch, { recursive: true, force: true });
  }
}
