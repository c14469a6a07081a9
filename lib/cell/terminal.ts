/** The caller's side of a cell's pseudo-terminal, usable before the terminal exists. */

import { Duplex } from 'node:stream';
import tty from 'node:tty';

import { policyError } from '../errors.js';

type Callback = (error?: Error | null) => void;

const END_OF_TRANSMISSION = '\u0004';
const LINE_FEED = 0x0a;
/** struct winsize has 16 bits for each. */
const MOST_CELLS = 65535;

/**
 * One stream for both directions. What is written before the terminal is connected waits in its buffer.
 * Ending it types the end-of-file character, as closing the input of script(1) does: a terminal has no half-closed state.
 */
export class TerminalStream extends Duplex {
  readonly isTTY = true;
  columns: number;
  rows: number;
  readonly #setSize: (descriptor: number, columns: number, rows: number) => void;
  #socket: tty.ReadStream | null = null;
  #descriptor = -1;
  #waiting: (() => void) | null = null;
  #lastByte = LINE_FEED;
  #over = false;

  constructor(
    size: { columns: number; rows: number },
    setSize: (descriptor: number, columns: number, rows: number) => void,
  ) {
    super({ allowHalfOpen: true });
    this.columns = size.columns;
    this.rows = size.rows;
    this.#setSize = setSize;
  }

  /** Takes the master side over. */
  connect(descriptor: number): void {
    const socket = new tty.ReadStream(descriptor);
    this.#socket = socket;
    this.#descriptor = descriptor;
    socket.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) {
        socket.pause();
      }
    });
    socket.on('end', () => {
      this.#endOfOutput();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // EIO is how a master says that the last process has closed the other side (pty(7)).
      if (error.code === 'EIO') {
        this.#endOfOutput();
      } else {
        this.destroy(error);
      }
    });
    // A size that was set before there was a terminal.
    this.#setSize(descriptor, this.columns, this.rows);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }

  /** Throws ERR_CLOISTER_POLICY. */
  resize(columns: number, rows: number): void {
    checkSize({ columns, rows });
    this.columns = columns;
    this.rows = rows;
    if (this.#descriptor >= 0) {
      this.#setSize(this.#descriptor, columns, rows);
    }
    this.emit('resize');
  }

  /** There will be no terminal: the command was not started. */
  abandon(): void {
    this.#endOfOutput();
  }

  override _read(): void {
    this.#socket?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: Callback): void {
    this.#lastByte = chunk.at(-1) ?? this.#lastByte;
    this.#whenConnected(callback, (socket) => {
      socket.write(chunk, callback);
    });
  }

  override _final(callback: Callback): void {
    // In the middle of a line the first end-of-file character only sends the line so far.
    const text = this.#lastByte === LINE_FEED ? END_OF_TRANSMISSION : END_OF_TRANSMISSION.repeat(2);
    this.#whenConnected(callback, (socket) => {
      socket.write(text, callback);
    });
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#waiting = null;
    this.#descriptor = -1;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null || socket.destroyed) {
      callback(error);
      return;
    }
    socket.once('close', () => {
      callback(error);
    });
    socket.destroy();
  }

  #whenConnected(callback: Callback, action: (socket: tty.ReadStream) => void): void {
    if (this.#over) {
      // Typed after the program ended: it goes where it goes with a child process whose stdin was destroyed at its exit.
      callback();
      return;
    }
    const socket = this.#socket;
    if (socket !== null) {
      action(socket);
      return;
    }
    this.#waiting = () => {
      this.#whenConnected(callback, action);
    };
  }

  #endOfOutput(): void {
    if (this.#over || this.destroyed) {
      return;
    }
    this.#over = true;
    this.#descriptor = -1;
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
    this.push(null);
    this.end();
  }
}

function checkSize(size: { columns: number; rows: number }): void {
  const issues = Object.entries(size)
    .filter(([, value]) => !Number.isInteger(value) || value < 1 || value > MOST_CELLS)
    .map(([path, value]) => ({
      code: 'out-of-range',
      path,
      message: `must be a whole number from 1 to ${MOST_CELLS}, not ${value}`,
    }));
  if (issues.length > 0) {
    throw policyError(issues, 'size');
  }
}
