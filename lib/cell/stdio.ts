/** The descriptors of a command: how each is made, and the stream that stands for this process's end of it. */

import { readSync } from 'node:fs';
import net from 'node:net';
import { Duplex, Readable, type Stream, Writable } from 'node:stream';

import { policyError, unsupported } from '../errors.js';
import { type CloisterAddon, StdioKind } from '../native/functions.js';
import type { ValidStdio } from '../policy/valid.js';
import type { OutputLimit } from './output-limit.js';

export type StdioStream = Readable | Writable | null;

/**
 * What the addon is asked for, one entry each. Throws ERR_CLOISTER_POLICY for a stream without a descriptor, ERR_CLOISTER_UNSUPPORTED for a pipe where the
 * runtime has no streams for descriptors.
 */
export function stdioKinds(stdio: readonly ValidStdio[], terminal: boolean): number[] {
  if (process.versions['bun'] !== undefined && (terminal || stdio.includes('pipe'))) {
    // Its net.Socket ignores `fd`: output would be lost, and the end of the stream never come.
    throw unsupported(
      "stdio 'pipe'",
      "Bun makes no streams of descriptors; give the command 'inherit', 'ignore' or descriptors of files, or use Node.js",
    );
  }
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

/**
 * This process's ends. A stream is made when somebody looks for it: each costs the event loop as much as a third of a spawn, and most commands have at least
 * one that nobody looks at. Until then the addon holds the descriptor.
 */
export class CellStdio {
  readonly length: number;
  readonly #kinds: readonly number[];
  readonly #addon: CloisterAddon;
  readonly #onOpen: (stream: Readable | Writable, position: number) => void;
  /** Descriptors without a stream; -1 where there is one, or nothing. */
  readonly #untouched: number[];
  readonly #streams: (StdioStream | undefined)[];
  #mayRead = false;
  #limit: OutputLimit | null = null;

  /** Without descriptors: of a command that is not there. Its streams are at their end, so that code written before the 'error' event does no harm. */
  constructor(
    kinds: readonly number[],
    descriptors: readonly number[] | null,
    addon: CloisterAddon,
    onOpen: (stream: Readable | Writable, position: number) => void,
  ) {
    this.length = kinds.length;
    this.#kinds = kinds;
    this.#addon = addon;
    this.#onOpen = onOpen;
    this.#untouched = kinds.map((_, position) => descriptors?.[position] ?? -1);
    this.#streams = kinds.map((kind) => (kind >= StdioKind.ignore ? null : undefined));
  }

  /** Whether there is a stream, or a descriptor for one. */
  isOpen(position: number): boolean {
    return (this.#untouched[position] ?? -1) >= 0 || this.opened(position) !== null;
  }

  /** The stream, if somebody has looked for it. */
  opened(position: number): StdioStream {
    return this.#streams[position] ?? null;
  }

  stream(position: number): StdioStream {
    if (this.#kinds[position] === StdioKind.terminal && position > 0) {
      // One stream for both directions, and nothing of its own for standard error.
      return position === 1 ? this.stream(0) : null;
    }
    const known = this.#streams[position];
    if (known !== undefined || position >= this.length) {
      return known ?? null;
    }
    const descriptor = this.#untouched[position] ?? -1;
    this.#untouched[position] = -1;
    const kind = this.#kinds[position] ?? StdioKind.ignore;
    if (descriptor < 0) {
      return (this.#streams[position] = endedStream(kind));
    }
    const stream = new EndSocket(kind, descriptor, this.#mayRead);
    if (position === 1 || position === 2) {
      stream.countBy(this.#limit);
    }
    // From here on the stream closes it.
    this.#addon.takeDescriptor(descriptor);
    this.#streams[position] = stream;
    this.#onOpen(stream, position);
    return stream;
  }

  /** Closes what nobody has looked for. True when there was something to close. */
  closeUntouched(position: number): boolean {
    const descriptor = this.#untouched[position] ?? -1;
    this.#untouched[position] = -1;
    return descriptor >= 0 && this.#addon.closeDescriptor(descriptor);
  }

  /** Counts what stdout and stderr bring. They are read from now on, whether or not somebody looks for them. */
  countOutput(limit: OutputLimit): void {
    this.#limit = limit;
    this.stream(1);
    this.stream(2);
  }

  /** No process of the cell is left: what is waiting in the pipes is all there will be, and counts. */
  drainCounted(): void {
    for (const stream of this.#limit === null ? [] : this.#streams.slice(1, 3)) {
      if (stream instanceof EndSocket) {
        stream.drain();
      }
    }
  }

  /** The command runs, or never will. */
  startReading(): void {
    this.#mayRead = true;
    for (const stream of this.#streams) {
      if (stream instanceof EndSocket) {
        stream.startReading();
      }
    }
  }
}

/**
 * This process's end of a pipe. Nothing is read before the start was told: the command may write before this process hears that it runs, and whoever
 * saw its output before 'spawn' would take it for running while an abort takes it for not started.
 */
class EndSocket extends net.Socket {
  #mayRead: boolean;
  #limit: OutputLimit | null = null;

  constructor(kind: number, fd: number, mayRead: boolean) {
    super({ fd, readable: kind !== StdioKind.pipeToCell, writable: kind !== StdioKind.pipeFromCell });
    this.#mayRead = false;
    if (mayRead) {
      this.startReading();
    }
    if (kind === StdioKind.terminal) {
      Object.assign(this, { isTTY: true });
      // Typed when the program has ended already: no error, as with the stdin of a child process, which is destroyed at its exit.
      this.on('error', () => undefined);
    }
  }

  startReading(): void {
    this.#mayRead = true;
    if (!this.destroyed && this.readable) {
      super._read(0);
    }
  }

  countBy(limit: OutputLimit | null): void {
    this.#limit = limit;
  }

  /** Takes what the pipe holds without waiting for the event loop: a pipe's capacity at the most. */
  drain(): void {
    const { fd = -1 } = (this as unknown as DescriptorHolder)._handle ?? {};
    for (let chunk = read(fd); chunk !== null; chunk = read(fd)) {
      this.push(chunk);
    }
  }

  override push(chunk: unknown, encoding?: BufferEncoding): boolean {
    if (!(chunk instanceof Uint8Array) || this.#limit === null) {
      return super.push(chunk, encoding);
    }
    const admitted = this.#limit.admit(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    // What is beyond the limit is read and thrown away until the cell has ended.
    return admitted.length === 0 ? true : super.push(admitted);
  }

  override _read(size: number): void {
    // The constructor of net.Socket begins to read, before there are members of this class.
    if (#mayRead in this && this.#mayRead) {
      super._read(size);
    }
  }
}

/** What a non-blocking descriptor holds, or null. */
function read(descriptor: unknown): Buffer | null {
  if (typeof descriptor !== 'number' || descriptor < 0) {
    return null;
  }
  const buffer = Buffer.allocUnsafe(READ_SIZE);
  try {
    const size = readSync(descriptor, buffer);
    return size === 0 ? null : buffer.subarray(0, size);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
      return null;
    }
    throw error;
  }
}

const READ_SIZE = 64 * 1024;

function endedStream(kind: number): Readable | Writable {
  switch (kind) {
    case StdioKind.pipeToCell:
      return new Writable().destroy();
    case StdioKind.duplex:
    case StdioKind.terminal:
      return new Duplex({ read: () => undefined }).destroy();
    default:
      return Readable.from([]);
  }
}
