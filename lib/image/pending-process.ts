/** The process object of a cell whose root has to be unpacked first. Its streams are there at once; those of the cell are connected to them when there is one. */

import { EventEmitter } from 'node:events';
import { Duplex, PassThrough, type Readable, type Writable } from 'node:stream';

import { onAbort } from '../cell/abort.js';
import { Deferred } from '../cell/deferred.js';
import { abortError } from '../cell/failure.js';
import type { CellProcess } from '../cell/process.js';
import { signalNumber } from '../cell/signals.js';
import { checkSize, type TerminalSize } from '../cell/terminal.js';
import { CloisterError } from '../errors.js';
import type { ImageCall } from '../policy/image-defaults.js';
import type { IsolatedProcess, Outcome } from '../policy/types.js';
import { startImage } from './start.js';

type End = PassThrough | Terminal;

export class PendingProcess extends EventEmitter implements IsolatedProcess {
  /** With a terminal only. */
  readonly resize?: (columns: number, rows: number) => void;
  readonly stdio: readonly (Readable | Writable | null)[];
  killed = false;
  readonly #ends: readonly (End | null)[];
  readonly #stop = new AbortController();
  readonly #outcome = new Deferred<Outcome>();
  #child: CellProcess | null = null;
  #exitCode: number | null = null;
  #over = false;
  #referenced = true;
  #size: TerminalSize | null = null;

  constructor(call: ImageCall) {
    super();
    const { pty } = call;
    this.#ends = call.stdio.map((kind, position) => makeEnd(kind, position, pty !== null));
    this.stdio = this.#ends.map((end, position) => (pty !== null && position === 1 ? (this.#ends[0] ?? null) : end));
    if (pty !== null) {
      this.resize = (columns, rows) => {
        this.#resize({ columns, rows });
      };
    }
    const stopListening = onAbort(call.signal, (reason) => {
      this.#stop.abort(reason);
    });
    startImage(call, call.signal?.aborted === true ? call.signal : this.#stop.signal).then(
      ({ child }) => {
        stopListening?.();
        this.#connect(child);
      },
      (error: unknown) => {
        stopListening?.();
        this.#fail(error as Error);
      },
    );
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get stdin(): Writable | null {
    return (this.stdio[0] ?? null) as Writable | null;
  }

  get stdout(): Readable | null {
    return (this.stdio[1] ?? null) as Readable | null;
  }

  get stderr(): Readable | null {
    return (this.stdio[2] ?? null) as Readable | null;
  }

  get exitCode(): number | null {
    return this.#child === null ? this.#exitCode : this.#child.exitCode;
  }

  get signalCode(): NodeJS.Signals | null {
    return this.#child?.signalCode ?? null;
  }

  get outcome(): Promise<Outcome> {
    return this.#outcome.promise;
  }

  /** Before the command was started: it never will be. */
  kill(signal: NodeJS.Signals | number = 'SIGTERM'): boolean {
    const number = signalNumber(signal);
    if (this.#child !== null) {
      const sent = this.#child.kill(signal);
      this.killed ||= sent && number !== 0;
      return sent;
    }
    if (this.#over || number === 0) {
      return !this.#over;
    }
    this.killed = true;
    this.#stop.abort(new Error('killed before it was started'));
    return true;
  }

  ref(): void {
    this.#referenced = true;
    this.#child?.ref();
  }

  unref(): void {
    this.#referenced = false;
    this.#child?.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child === null) {
      this.kill();
    } else {
      await this.#child[Symbol.asyncDispose]();
      this.killed = this.#child.killed;
    }
    await this.#outcome.promise.catch(() => undefined);
  }

  #resize(size: TerminalSize): void {
    checkSize(size);
    this.#size = size;
    this.#child?.resize?.(size.columns, size.rows);
  }

  #connect(child: CellProcess): void {
    this.#child = child;
    if (this.#stop.signal.aborted) {
      // Between the last look at the signal and the start.
      child.kill('SIGKILL');
    }
    child.on('spawn', () => this.emit('spawn'));
    child.on('exit', (code: number | null, signal: NodeJS.Signals | null) => this.emit('exit', code, signal));
    child.on('error', (error: Error) => {
      this.#emitError(error);
    });
    child.once('close', (code: number | null, signal: NodeJS.Signals | null) => {
      this.#closeAfterStreams(code, signal);
    });
    child.outcome.then(this.#outcome.resolve, this.#outcome.reject);
    for (const [position, end] of this.#ends.entries()) {
      if (end !== null) {
        join(end, child.stdio[position] ?? null, position);
      }
    }
    if (!this.#referenced) {
      child.unref();
    }
    if (this.#size !== null) {
      this.#resize(this.#size);
    }
  }

  #fail(error: Error): void {
    this.#over = true;
    const told =
      this.#stop.signal.aborted && error.name !== 'AbortError' ? abortError(this.#stop.signal.reason) : error;
    this.#exitCode = told instanceof CloisterError ? (told.errno ?? null) : null;
    this.#outcome.reject(told);
    for (const [position, end] of this.#ends.entries()) {
      if (position === 0) {
        end?.on('error', () => undefined).destroy();
      } else {
        end?.end();
      }
    }
    try {
      this.#emitError(told);
    } finally {
      this.#closeAfterStreams(this.#exitCode, null);
    }
  }

  // An 'error' event that nobody hears ends the program. Whoever has taken `outcome` is told there.
  #emitError(error: Error): void {
    if (this.listenerCount('error') > 0 || !this.#outcome.taken) {
      this.emit('error', error);
    }
  }

  /** 'close' comes when all output was read; output that nobody reads is let go. */
  #closeAfterStreams(code: number | null, signal: NodeJS.Signals | null): void {
    const open = this.#ends.filter((end, position) => end !== null && position > 0 && !end.closed) as End[];
    let left = open.length + 1;
    const closed = (): void => {
      left -= 1;
      if (left === 0) {
        this.emit('close', code, signal);
      }
    };
    for (const end of open) {
      end.once('close', closed);
      if (end.readableFlowing === null && end.listenerCount('readable') === 0) {
        end.resume();
      }
    }
    closed();
  }
}

/** Both directions of a terminal, or of a socket. */
class Terminal extends Duplex {
  #inner: Duplex | null = null;
  readonly #waiting: (() => void)[] = [];

  connect(inner: Duplex): void {
    this.#inner = inner;
    inner.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) {
        inner.pause();
      }
    });
    inner.once('end', () => this.push(null));
    inner.on('error', (error) => this.destroy(error));
    inner.once('close', () => {
      this.push(null);
      this.destroy();
    });
    this.once('close', () => inner.destroy());
    for (const write of this.#waiting.splice(0)) {
      write();
    }
  }

  override _read(): void {
    this.#inner?.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#whenConnected((inner) => inner.write(chunk, callback));
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#whenConnected((inner) => inner.end(callback));
  }

  #whenConnected(action: (inner: Duplex) => void): void {
    const inner = this.#inner;
    if (inner === null) {
      this.#waiting.push(() => {
        this.#whenConnected(action);
      });
    } else {
      action(inner);
    }
  }
}

function makeEnd(kind: unknown, position: number, terminal: boolean): End | null {
  if (terminal && position < 3) {
    return position === 0 ? new Terminal() : null;
  }
  if (kind !== 'pipe') {
    return null;
  }
  return position > 2 ? new Terminal() : new PassThrough();
}

function join(end: End, inner: Readable | Writable | null, position: number): void {
  if (inner === null) {
    end.destroy();
  } else if (end instanceof Terminal) {
    end.connect(inner as Duplex);
  } else if (position === 0) {
    inner.on('error', (error) => end.destroy(error));
    inner.once('close', () => end.destroy());
    // Not after its end, when the inner one may still have something to write.
    end.once('close', () => {
      if (!end.readableEnded) {
        inner.destroy();
      }
    });
    end.pipe(inner as Writable);
  } else {
    // Whoever writes to a pipe that nobody will read has to be told (SIGPIPE, signal(7)).
    end.once('close', () => inner.destroy());
    inner.on('error', (error) => end.destroy(error));
    (inner as Readable).pipe(end);
  }
}
