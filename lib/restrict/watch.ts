/** Violations of a process that restricts itself, where they do not end it: another process answers for them, and tells of each. */

import { Socket } from 'node:net';

import { nameViolations, type RefusedCall } from '../filter/violations.js';
import type { RestrictFunctions } from '../native/restrict-functions.js';
import type { ViolationPlan } from '../policy/filtering.js';
import type { PledgePromise, Violation } from '../policy/types.js';

/** struct ViolationEvent of native/wire/messages.h. */
const EVENT_SIZE = 336;
const AT = { number: 16, arch: 20, args: 24, pid: 72, path: 80 } as const;
const ARGUMENTS = [0, 1, 2, 3, 4, 5];

const listeners = new Set<(violation: Violation) => void>();

/**
 * Calls `listener` for each call that restrictSelf with `onViolation` `'error'` or `'log'` noticed: of this process, all its threads, and of the children
 * that it starts later. Events arrive in the thread that called restrictSelf, after the call itself, and do not keep the process alive. A thread that is
 * busy for long misses some: what it does not read is not kept.
 *
 * @returns the function that stops it.
 * @see seccomp_unotify(2)
 */
export function onSelfViolation(listener: (violation: Violation) => void): () => void {
  if (typeof listener !== 'function') {
    throw new TypeError('onSelfViolation takes a function');
  }
  // Each registration is one of its own, of the same function too.
  const heard = (violation: Violation): void => {
    listener(violation);
  };
  listeners.add(heard);
  return () => {
    listeners.delete(heard);
  };
}

export interface Watch {
  /** For RestrictRequest. */
  readonly socket: number;
  /** Once the filter is in force: events are read from now on. */
  readonly begin: () => void;
  /** The filter is not in force. */
  readonly abandon: () => void;
}

/** Throws NativeFailure where the process cannot be started. */
export function startWatch(
  native: RestrictFunctions,
  launcherPath: string,
  log: boolean,
  held: readonly PledgePromise[] | null,
): Watch {
  const { socket, events, process } = native.startWatch(launcherPath, log, held !== null);
  // Made before the filter is there, which may not let a stream be made.
  const stream = new Socket({ fd: events, readable: true, writable: false });
  stream.unref();
  return {
    socket,
    begin: () => {
      native.closeDescriptors([socket, process]);
      read(stream, held);
    },
    abandon: () => {
      native.closeDescriptors([socket]);
      native.endWatch(process);
      stream.destroy();
    },
  };
}

function read(stream: Socket, held: readonly PledgePromise[] | null): void {
  const plan: ViolationPlan = { answer: 'error', reported: true, held, readable: null, runnable: [] };
  let rest: Buffer = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (; rest.length >= EVENT_SIZE; rest = rest.subarray(EVENT_SIZE)) {
      for (const violation of listeners.size === 0 ? [] : nameViolations([decode(rest)], plan)) {
        for (const listener of [...listeners]) {
          listener(violation);
        }
      }
    }
  });
  // The other process is gone: nothing more is heard.
  stream.on('error', () => undefined);
}

function decode(event: Buffer): RefusedCall {
  const text = event.subarray(AT.path, EVENT_SIZE);
  return {
    number: event.readUInt32LE(AT.number),
    arch: event.readUInt32LE(AT.arch),
    args: ARGUMENTS.map((index) => event.readBigUInt64LE(AT.args + 8 * index)),
    pid: event.readInt32LE(AT.pid),
    path: text.subarray(0, text.indexOf(0)).toString(),
  };
}
