/** The process object of a cell. */

import { EventEmitter } from 'node:events';
import type { Readable, Writable } from 'node:stream';

import { CloisterError, policyError, setupError } from '../errors.js';
import { encodePlan } from '../native/encode.js';
import { type CellEvent, type ConfirmedState, EndCause } from '../native/functions.js';
import type { Plan } from '../plan/types.js';
import type { Enforcement, IsolatedProcess, Outcome, Usage } from '../policy/types.js';
import type { SpawnRequest } from '../policy/valid.js';
import type { CellChannel } from './channel.js';
import { confirmedEnforcement, shortfalls } from './enforcement.js';
import { type Advice, abortError, isNativeFailure, nativeStartError, startError } from './failure.js';
import { grace } from './grace.js';
import { type EndRequests, outcomeReason } from './outcome.js';
import { signalName, signalNumber } from './signals.js';
import { CellStdio, type StdioStream, stdioKinds } from './stdio.js';
import { TerminalStream } from './terminal.js';

/** A cell that is decided and not started. */
export interface CellStart {
  readonly request: SpawnRequest;
  readonly plan: Plan;
  /** Compiled form of `plan.filter`. */
  readonly filter: Uint8Array | null;
  /** What will be in force when the plan is carried out. */
  readonly expected: Enforcement;
  readonly advice: Advice;
}

const SIGTERM = 15;
const SIGKILL = 9;
const MOST_COLUMNS = 65535;

type Phase = 'starting' | 'running' | 'exited' | 'gone';

export class CellProcess extends EventEmitter implements IsolatedProcess {
  readonly spawnfile: string;
  readonly spawnargs: readonly string[];
  pid: number | undefined = undefined;
  exitCode: number | null = null;
  signalCode: NodeJS.Signals | null = null;
  killed = false;
  /** With a terminal only. */
  readonly resize?: (columns: number, rows: number) => void;

  readonly #start: CellStart;
  readonly #channel: CellChannel;
  readonly #terminal: TerminalStream | null;
  readonly #stdio: CellStdio;
  #cell = 0;
  #phase: Phase = 'starting';
  #referenced = false;
  /** Why there will be no 'spawn' although a cell was asked for. */
  #refusal: Error | null = null;
  #enforcement: Enforcement;
  #deadline = Number.POSITIVE_INFINITY;
  #startedAt = 0;
  #exitSignal: number | null = null;
  readonly #requests: EndRequests = { first: null, at: 0, signals: new Set() };
  /** Signals for a command that is not there yet. */
  #held: number[] = [];
  #killTimer: NodeJS.Timeout | undefined;
  #stopListening: (() => void) | undefined;
  #closesMissing = 1;

  readonly #outcome: Promise<Outcome>;
  #resolve!: (outcome: Outcome) => void;
  #reject!: (error: Error) => void;
  #outcomeTaken = false;

  constructor(start: CellStart, channel: CellChannel) {
    super();
    const { request } = start;
    this.#start = start;
    this.#channel = channel;
    this.#enforcement = start.expected;
    this.spawnfile = request.command;
    this.spawnargs = start.plan.command.argv;
    this.#outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever wants to hear of a failed start takes `outcome`; without that it is told by the 'error' event.
    this.#outcome.catch(() => undefined);
    this.#terminal = request.pty === null ? null : this.#makeTerminal(request.pty);
    if (this.#terminal !== null) {
      this.resize = this.#resize;
    }
    this.#stdio = this.#launch(stdioKinds(request.stdio, request.pty !== null));
    this.#countCloses();
  }

  get stdin(): Writable | null {
    return this.#stdio.stream(0) as Writable | null;
  }

  get stdout(): Readable | null {
    return this.#stdio.stream(1) as Readable | null;
  }

  get stderr(): Readable | null {
    return this.#stdio.stream(2) as Readable | null;
  }

  get stdio(): readonly StdioStream[] {
    return Array.from({ length: this.#stdio.length }, (_, position) => this.#stdio.stream(position));
  }

  get outcome(): Promise<Outcome> {
    this.#outcomeTaken = true;
    return this.#outcome;
  }

  kill(signal: NodeJS.Signals | number = SIGTERM): boolean {
    const number = signalNumber(signal);
    if (!this.#isAlive()) {
      return false;
    }
    if (number === 0) {
      return true;
    }
    if (number === SIGKILL) {
      this.#askFor('killed');
    }
    this.#requests.signals.add(number);
    const sent = this.#send(number);
    this.killed ||= sent;
    return sent;
  }

  ref(): void {
    if (!this.#referenced && this.#phase !== 'gone') {
      this.#referenced = true;
      this.#channel.ref();
    }
  }

  unref(): void {
    if (this.#referenced) {
      this.#referenced = false;
      this.#channel.unref();
    }
  }

  /** SIGTERM, after `grace` SIGKILL to the whole cell. Resolves once nothing of it is left, whether or not it was ever started. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#terminate('disposed');
    this.#outcomeTaken = true;
    await this.#outcome.catch(() => undefined);
  }

  /** Closes the command's standard input, if it is a pipe. */
  endInput(): void {
    if (!this.#stdio.closeUntouched(0)) {
      (this.#stdio.opened(0) as Writable | null)?.end();
    }
  }

  // ---- start

  #launch(kinds: readonly number[]): CellStdio {
    const { plan, filter, request } = this.#start;
    if (request.signal?.aborted === true) {
      return this.#neverStart(kinds, abortError(request.signal.reason));
    }
    let descriptors: readonly number[];
    try {
      const spawned = this.#channel.spawn(encodePlan(plan, filter), kinds, (event) => {
        this.#handle(event);
      });
      this.#cell = spawned.cell;
      descriptors = spawned.descriptors;
    } catch (error) {
      if (!isNativeFailure(error)) {
        throw error;
      }
      return this.#neverStart(kinds, nativeStartError(request.command, error, this.#channel.addon.stages, this.#channel.launcherPath));
    }
    this.ref();
    this.#listen(request.signal);
    return this.#makeStdio(kinds, descriptors);
  }

  #neverStart(kinds: readonly number[], error: Error): CellStdio {
    this.#phase = 'exited';
    process.nextTick(() => {
      this.#fail(error);
    });
    return this.#makeStdio(kinds, null);
  }

  #makeStdio(kinds: readonly number[], descriptors: readonly number[] | null): CellStdio {
    return new CellStdio(kinds, descriptors, this.#channel.addon, this.#terminal, (stream, position) => {
      if (position > 0) {
        stream.once('close', () => {
          this.#maybeClose();
        });
      } else if (this.#phase === 'starting') {
        // EPIPE of a command that turns out not to be there is told by the start's own error.
        stream.on('error', ignore);
        this.once('spawn', () => stream.off('error', ignore));
      }
    });
  }

  #listen(signal: AbortSignal | undefined): void {
    if (signal === undefined) {
      return;
    }
    const onAbort = (): void => {
      this.#abort(signal.reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#stopListening = () => {
      signal.removeEventListener('abort', onAbort);
    };
  }

  #handle(event: CellEvent): void {
    switch (event.type) {
      case 'started':
        this.#started(event.pid, event.terminal, event.confirmed);
        break;
      case 'failed':
        this.#fail(this.#refusal ?? this.#stageError(event.stage, event.errno, event.syscall, event.detail));
        break;
      case 'exited':
        this.#exited(event.code, event.signal);
        break;
      case 'ended':
        this.#ended(event.cause, event);
        break;
    }
  }

  #stageError(stage: number, errno: number, syscall: string, detail: string): CloisterError {
    const failure = { stage: this.#channel.addon.stages[stage] ?? 'clone', errno: -errno, syscall, detail };
    return startError(this.spawnfile, failure, this.#start.advice);
  }

  #started(pid: number, terminal: number, confirmed: ConfirmedState): void {
    const { plan, filter, expected } = this.#start;
    if (this.#refusal === null) {
      this.#refusal = refusalOf(this.spawnfile, shortfalls(plan, filter, confirmed), plan.terminal !== null && terminal < 0);
    }
    if (this.#refusal !== null) {
      if (terminal >= 0) {
        this.#channel.addon.closeDescriptor(terminal);
      }
      this.#channel.addon.kill(this.#cell);
      return;
    }
    this.#phase = 'running';
    this.pid = pid;
    this.#enforcement = confirmedEnforcement(expected, confirmed);
    this.#startedAt = performance.now();
    this.#deadline = plan.wallTime === null ? Number.POSITIVE_INFINITY : this.#startedAt + plan.wallTime;
    if (terminal >= 0) {
      this.#stdio.connectTerminal(terminal);
    }
    const held = this.#held;
    this.#held = [];
    for (const signal of held) {
      this.#deliver(signal);
    }
    this.emit('spawn');
  }

  // ---- end

  #isAlive(): boolean {
    return this.#phase === 'starting' || this.#phase === 'running';
  }

  #askFor(what: NonNullable<EndRequests['first']>): void {
    if (this.#requests.first === null) {
      this.#requests.first = what;
      this.#requests.at = performance.now();
    }
  }

  /** To the command, or kept for it. */
  #send(signal: number): boolean {
    if (this.#phase === 'running') {
      return this.#deliver(signal);
    }
    this.#held.push(signal);
    if (signal === SIGKILL) {
      // A start that hangs is not waited for.
      this.#killLater();
    }
    return true;
  }

  #deliver(signal: number): boolean {
    return signal === SIGKILL ? this.#channel.addon.kill(this.#cell) : this.#channel.addon.signal(this.#cell, signal);
  }

  #killLater(): void {
    this.#killTimer ??= setTimeout(() => {
      this.#channel.addon.kill(this.#cell);
    }, grace);
  }

  #terminate(why: 'aborted' | 'disposed'): void {
    if (this.#isAlive()) {
      this.#askFor(why);
      this.#send(SIGTERM);
      this.#killLater();
    }
  }

  #abort(reason: unknown): void {
    if (this.#phase === 'starting') {
      // Told when nothing of it is left.
      this.#refusal ??= abortError(reason);
      this.#channel.addon.kill(this.#cell);
    } else if (this.#phase === 'running') {
      this.#terminate('aborted');
      this.killed = true;
      this.#emitError(abortError(reason));
    }
  }

  #exited(code: number | null, signal: number | null): void {
    if (this.#refusal !== null || this.#phase !== 'running') {
      return;
    }
    this.#phase = 'exited';
    this.exitCode = code;
    this.#exitSignal = signal;
    this.signalCode = signal === null ? null : signalName(signal);
    this.#stopListening?.();
    this.#closeInput();
    this.#drainLater();
    try {
      this.emit('exit', this.exitCode, this.signalCode);
    } finally {
      this.#maybeClose();
    }
  }

  #ended(cause: number, usage: Usage): void {
    if (this.#refusal !== null) {
      this.#fail(this.#refusal);
      return;
    }
    const { wallTime, userTime, systemTime, peakMemory } = usage;
    // A launcher that was lost can say neither how the command ended nor what was used: the kernel has killed the cell with it.
    const lost = cause === EndCause.launcherLost;
    const measured = lost ? performance.now() - this.#startedAt : wallTime;
    const exited = this.#phase === 'exited';
    const signal = exited ? this.#exitSignal : SIGKILL;
    const { exitCode } = this;
    this.#release();
    this.#resolve({
      reason: outcomeReason({ cause: lost && exited ? EndCause.none : cause, signal, deadline: this.#deadline }, this.#requests),
      exitCode,
      signal: signal === null ? null : signalName(signal),
      violations: [],
      usage: { wallTime: measured, userTime, systemTime, peakMemory },
      enforcement: this.#enforcement,
    });
    this.#exited(null, SIGKILL);
    this.#phase = 'gone';
  }

  /** No 'spawn', no 'exit': the command was not started, and nothing of it is left. */
  #fail(error: Error): void {
    this.#phase = 'gone';
    this.exitCode = error instanceof CloisterError ? (error.errno ?? null) : null;
    this.#release();
    this.#stopListening?.();
    this.#terminal?.abandon();
    this.#closeInput();
    this.#reject(error);
    this.#drainLater();
    try {
      this.#emitError(error);
    } finally {
      this.#maybeClose();
    }
  }

  #release(): void {
    clearTimeout(this.#killTimer);
    this.unref();
  }

  // An 'error' event that nobody hears ends the program. Whoever has taken `outcome` is told there.
  #emitError(error: Error): void {
    if (this.listenerCount('error') > 0 || !this.#outcomeTaken) {
      this.emit('error', error);
    }
  }

  // ---- streams

  #countCloses(): void {
    // Both directions of a terminal are one stream.
    for (let position = 1; position < this.#stdio.length; position += 1) {
      this.#closesMissing += this.#stdio.isOpen(position) ? 1 : 0;
    }
    this.#terminal?.once('close', () => {
      this.#maybeClose();
    });
  }

  #closeInput(): void {
    if (this.#terminal === null && !this.#stdio.closeUntouched(0)) {
      (this.#stdio.opened(0) as Writable | null)?.destroy();
    }
  }

  // Output that nobody reads would keep its stream from ending. On the next tick: a listener of 'exit' may still begin to read.
  #drainLater(): void {
    process.nextTick(() => {
      for (let position = 0; position < this.#stdio.length; position += 1) {
        const stream = this.#stdio.opened(position);
        if (this.#stdio.closeUntouched(position)) {
          this.#maybeClose();
        } else if (stream !== null && 'resume' in stream && stream.readable) {
          stream.resume();
        }
      }
    });
  }

  #maybeClose(): void {
    this.#closesMissing -= 1;
    if (this.#closesMissing === 0) {
      this.emit('close', this.exitCode, this.signalCode);
    }
  }

  #makeTerminal(size: { columns: number; rows: number }): TerminalStream {
    return new TerminalStream(size, (descriptor, columns, rows) => {
      this.#channel.addon.resizeTerminal(descriptor, columns, rows);
    });
  }

  readonly #resize = (columns: number, rows: number): void => {
    const issues = Object.entries({ columns, rows })
      .filter(([, value]) => !Number.isInteger(value) || value < 1 || value > MOST_COLUMNS)
      .map(([path, value]) => ({ code: 'out-of-range', path, message: `must be a whole number from 1 to ${String(MOST_COLUMNS)}, not ${String(value)}` }));
    if (issues.length > 0) {
      throw policyError(issues, 'size');
    }
    this.#terminal?.resize(columns, rows);
  };
}

function ignore(): void {
  // Listened to so that the event is not fatal.
}

function refusalOf(command: string, missing: readonly string[], noTerminal: boolean): CloisterError | null {
  if (noTerminal) {
    return setupError({ operation: `cannot start ${command}: its terminal was not received`, stage: 'stdio', errno: -24, syscall: 'recvmsg' });
  }
  if (missing.length === 0) {
    return null;
  }
  return new CloisterError(`cannot start ${command}: the kernel does not confirm ${missing.join(', ')} (stage exec)`, { stage: 'exec' });
}
