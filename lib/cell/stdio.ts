/** The descriptors of a command: how each is made, and the stream that stands for this process's end of it. */

import net from 'node:net';
import { Duplex, Readable, type Stream, Writable } from 'node:stream';

import { policyError } from '../errors.js';
import { StdioKind } from '../native/functions.js';
import type { ValidStdio } from '../policy/valid.js';
import { TerminalStream } from './terminal.js';

export type StdioStream = Readable | Writable | null;

/** What the addon is asked for, one entry each. Throws ERR_CLOISTER_POLICY for a stream without a descriptor. */
export function stdioKinds(stdio: readonly ValidStdio[], terminal: boolean): number[] {
  return stdio.map((entry, position) => {
    if (terminal && position < 3) {
      return StdioKind.terminal;
    }
    switch (entry) {
      case 'ignore':
        return StdioKind.ignore;
      case 'inherit':
        return position;
      case 'pipe':
        return pipeKind(position);
      default:
        return typeof entry === 'number' ? entry : streamDescriptor(entry, position);
    }
  });
}

// A real pipe for 0 to 2: a program that opens /dev/stdout cannot do so with a socket.
function pipeKind(position: number): number {
  if (position > 2) {
    return StdioKind.duplex;
  }
  return position === 0 ? StdioKind.pipeToCell : StdioKind.pipeFromCell;
}

interface DescriptorHolder {
  readonly fd?: unknown;
  readonly _handle?: { readonly fd?: unknown; reading?: boolean; readStop?: () => void } | null;
}

function streamDescriptor(stream: Stream, position: number): number {
  const holder = stream as Stream & DescriptorHolder;
  const descriptor = holder.fd ?? holder._handle?.fd;
  if (typeof descriptor !== 'number' || descriptor < 0) {
    const message = 'has no descriptor: a stream must be open, and stand for a file, a pipe, a terminal or a socket';
    throw policyError([{ code: 'bad-stdio', path: `stdio[${String(position)}]`, message }], 'options');
  }
  stopReading(holder);
  return descriptor;
}

// The command reads from it now: what this process read meanwhile would be lost to it.
function stopReading(holder: Stream & DescriptorHolder): void {
  const handle = holder._handle;
  if (handle !== undefined && handle !== null && holder instanceof Readable && typeof handle.readStop === 'function') {
    handle.reading = false;
    handle.readStop();
    holder.pause();
  }
}

/** Streams over the descriptors that the addon returned. */
export function openStreams(kinds: readonly number[], descriptors: readonly number[], terminal: TerminalStream | null): StdioStream[] {
  return kinds.map((kind, position) => {
    const fd = descriptors[position] ?? -1;
    switch (kind) {
      case StdioKind.pipeToCell:
        return new net.Socket({ fd, readable: false, writable: true });
      case StdioKind.pipeFromCell:
        return new net.Socket({ fd, readable: true, writable: false });
      case StdioKind.duplex:
        return new net.Socket({ fd, readable: true, writable: true });
      case StdioKind.terminal:
        return position < 2 ? terminal : null;
      default:
        return null;
    }
  });
}

/** Streams for a command that is not there: nothing to read, nowhere to write, so that code written before the 'error' event does no harm. */
export function deadStreams(kinds: readonly number[], terminal: TerminalStream | null): StdioStream[] {
  terminal?.abandon();
  return kinds.map((kind, position) => {
    switch (kind) {
      case StdioKind.pipeToCell:
        return new Writable().destroy();
      case StdioKind.pipeFromCell:
        return Readable.from([]);
      case StdioKind.duplex:
        return new Duplex().destroy();
      case StdioKind.terminal:
        return position < 2 ? terminal : null;
      default:
        return null;
    }
  });
}
