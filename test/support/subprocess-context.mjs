// What a piece of a test gets to work with.

import * as childProcess from 'node:child_process';
import * as events from 'node:events';
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as readline from 'node:readline';
import * as stream from 'node:stream';
import * as streams from 'node:stream/promises';
import * as timers from 'node:timers/promises';
import * as workers from 'node:worker_threads';

export async function makeContext(data, folder) {
  const cloister = await import('cloister');
  return {
    ...cloister,
    data,
    folder,
    archive: (specifier = 'cloister/archive') => import(specifier),
    packageUrl: import.meta.resolve('cloister'),
    childProcess,
    events,
    fs,
    net,
    os,
    readline,
    stream,
    streams,
    timers,
    workers,
    openDescriptors,
    children,
    descendants,
    mounts: () => fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').length,
    text,
    waitFor,
    failureOf,
    recordEvents,
    closeOf: (child) => new Promise((resolve) => child.once('close', (...values) => resolve(values))),
  };
}

/** Numbers of this process's descriptors, without the one that lists them. */
function openDescriptors() {
  return fs
    .readdirSync('/proc/self/fd')
    .filter((name) => fs.existsSync(`/proc/self/fd/${name}`))
    .map(Number);
}

function stat(pid) {
  try {
    const line = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent] = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent), name: line.slice(line.indexOf('(') + 1, line.lastIndexOf(')')) };
  } catch {
    // It has ended meanwhile.
    return null;
  }
}

function processes() {
  return fs
    .readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** Direct children, zombies included: `{ pid, state, name }`. */
function children(parent = process.pid) {
  return processes().flatMap((pid) => {
    const found = stat(pid);
    return found !== null && found.parent === parent ? [{ pid, ...found }] : [];
  });
}

function descendants(parent = process.pid) {
  return children(parent).flatMap((child) => [child, ...descendants(child.pid)]);
}

async function text(readable) {
  const chunks = [];
  for await (const chunk of readable) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Until the condition holds; false when it does not within the time. */
async function waitFor(condition, milliseconds = 5000) {
  const end = performance.now() + milliseconds * Number(process.env.CLOISTER_SLOWNESS ?? 1);
  while (!(await condition())) {
    if (performance.now() > end) {
      return false;
    }
    await timers.setTimeout(5);
  }
  return true;
}

/** The error that a call throws or rejects with, as plain data. */
async function failureOf(action) {
  try {
    await action();
    return null;
  } catch (error) {
    return plainError(error);
  }
}

function plainError(error) {
  const { name, message, code, stage, syscall, errno, path, hint, issues, cause } = error;
  return { name, message, code, stage, syscall, errno, path, hint, issues, causeCode: cause?.code };
}

/** Names of the events of a process object, in order, with what 'exit' and 'close' carry. */
function recordEvents(child, log = []) {
  for (const name of ['spawn', 'exit', 'close']) {
    child.on(name, (...values) => log.push([name, ...values].join(' ').trim()));
  }
  child.on('error', ({ code, cause }) => log.push(`error ${code.startsWith('ERR_CLOISTER') ? cause?.code : code}`));
  return log;
}
