/**
 * Writing to descriptors without process.stdout and process.stderr. Those would make a pipe non-blocking, for everybody who shares it: the command
 * in the cell inherits the same pipe, and its writes would fail with EAGAIN.
 */

import { constants, readdirSync, readFileSync, readlinkSync, writeSync } from 'node:fs';

export const STDOUT = 1;
export const STDERR = 2;

const PAUSE_MS = 5;
const { O_RDONLY } = constants;
const O_ACCMODE = 3;

/** All of it, waiting where a reader is slow. A reader that has gone away is its own affair: there is nobody left to tell. */
export function write(descriptor: number, output: string | Uint8Array): void {
  let rest = typeof output === 'string' ? Buffer.from(output) : output;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(descriptor, rest));
    } catch (error) {
      if (hasCode(error, 'EPIPE')) {
        return;
      }
      if (!hasCode(error, 'EAGAIN')) {
        throw error;
      }
      pause();
    }
  }
}

/** One line of cloister itself, told apart from what the command writes. */
export function say(message: string): void {
  write(STDERR, `cloister: ${message}\n`);
}

// Somebody else has made the descriptor non-blocking. There is no way to wait for it but by time.
function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, PAUSE_MS);
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/**
 * Whether a descriptor was opened for writing by whoever started this program. Node.js has descriptors of its own, of event loops, counters and pipes to
 * itself, in the low numbers that the caller has left free: what is written there would be lost, or taken for a message by the event loop, which ends in a crash.
 */
export function isWritable(descriptor: number): boolean {
  const file = openFile(descriptor);
  return (
    file !== null &&
    file.mode !== O_RDONLY &&
    !file.target.startsWith('anon_inode:') &&
    (descriptor <= STDERR || !isPipeToItself(file.target))
  );
}

function isPipeToItself(target: string): boolean {
  return (
    target.startsWith('pipe:') &&
    readdirSync('/proc/self/fd').some((name) => {
      const other = openFile(Number(name));
      return other?.target === target && other.mode === O_RDONLY;
    })
  );
}

/** See proc_pid_fdinfo(5). */
function openFile(descriptor: number): { target: string; mode: number } | null {
  try {
    const target = readlinkSync(`/proc/self/fd/${String(descriptor)}`);
    const flags = /^flags:\s*([0-7]+)/mu.exec(readFileSync(`/proc/self/fdinfo/${String(descriptor)}`, 'utf8'))?.[1];
    return flags === undefined ? null : { target, mode: Number.parseInt(flags, 8) & O_ACCMODE };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) {
      return null;
    }
    throw error;
  }
}
