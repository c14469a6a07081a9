/** The process object of a cell. */

import { EventEmitter } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';

import { CloisterError } from '../errors.js';
import { nameViolations } from '../filter/violations.js';
import { encodePlan } from '../native/encode.js';
import { type CellEvent, type ConfirmedState, EndCause, type ViolationEvent } from '../native/functions.js';
import type { Enforcement, IsolatedProcess, Outcome } from '../policy/types.js';
import { aborted, onAbort, reasonOf } from './abort.js';
import type { CellChannel } from './channel.js';
import { Deferred } from './deferred.js';
import { CellEnding } from './ending.js';
import { confirmedEnforcement, expectationOf, refusal, shortfalls, withProcessesLeft } from './enforcement.js';
import { abortError, localStartError, stageName, startError } from './failure.js';
import { outcomeReason, usageOf } from './outcome.js';
import { OutputLimit } from './output-limit.js';
import type { CellStart } from './prepare.js';
import { signalName, signalNumber } from './signals.js';
import { CellStdio, type StdioStream, stdioKinds } from './stdio.js';
import { checkSize, type TerminalSize } from './terminal.js';

const SIGTERM = 15;
const SIGKILL = 9;

type EndedEvent = Extract<CellEvent, { type: 'ended' }>;
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
  /** Position of the first stream that carries output: a terminal's only one is stdin as well. */
  readonly #firstOutput: 0 | 1;
  #cell = 0;
  /** A size for a terminal that is not there yet. */
  #size: TerminalSize | null = null;
  readonly #stdio: CellStdio;
  #phase: Phase = 'starting';
  #referenced = false;
  /** Why there will be no 'spawn' although a cell was asked for. */
  #refusal: Error | null = null;
  #enforcement: Enforcement;
  #startedAt = 0;
  #exitSignal: number | null = null;
  readonly #violations: ViolationEvent[] = [];
  readonly #ending: CellEnding;
  #stopListening: (() => void) | undefined;
  #closesMissing = 1;

  readonly #outcome = new Deferred<Outcome>();

  constructor(start: CellStart, channel: CellChannel) {
    super();
    const { request } = start;
    this.#start = start;
    this.#channel = channel;
    this.#enforcement = start.expected;
    this.#ending = new CellEnding(channel.addon);
    this.spawnfile = request.command;
    this.spawnargs = start.plan.command.argv;
    this.#firstOutput = request.pty === null ? 1 : 0;
    if (request.pty !== null) {
      this.resize = (columns, rows) => {
        this.#resize({ columns, rows });
      };
    }
    this.#stdio = this.#launch(stdioKinds(request.stdio, request.pty !== null));
    this.#limitOutput();
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
    return this.#outcome.promise;
  }

  kill(signal: NodeJS.Signals | number = SIGTERM): boolean {
    const number = signalNumber(signal);
    if (!this.#isAlive()) {
      return false;
    }
    if (number === 0) {
      return true;
    }
    const sent = this.#ending.signal(number);
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
    if (this.#isAlive()) {
      this.#ending.terminate('disposed');
      this.killed = true;
    }
    await this.#outcome.promise.catch(() => undefined);
  }

  /** Closes the command's standard input, if it is a pipe. */
  endInput(): void {
    if (this.#firstOutput === 0) {
      this.stdin?.end();
    } else if (!this.#stdio.closeUntouched(0)) {
      (this.#stdio.opened(0) as Writable | null)?.end();
    }
  }

  // ---- start

  #launch(kinds: readonly number[]): CellStdio {
    const { plan, filter, descriptions, request } = this.#start;
    if (aborted(request.signal)) {
      return this.#neverStart(kinds, abortError(reasonOf(request.signal)));
    }
    let descriptors: readonly number[];
    try {
      for (const directory of this.#start.workDirectories) {
        mkdirSync(directory, { mode: 0o700, recursive: true });
      }
      const spawned = this.#channel.spawn(encodePlan(plan, filter, descriptions), kinds, (event) => {
        this.#handle(event);
      });
      this.#cell = spawned.cell;
      this.#ending.cellIs(spawned.cell);
      descriptors = spawned.descriptors;
    } catch (error) {
      return this.#neverStart(kinds, localStartError(request.command, error, this.#channel.launcherPath));
    }
    this.ref();
    this.#stopListening = onAbort(request.signal, (reason) => {
      this.#abort(reason);
    });
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
    return new CellStdio(kinds, descriptors, this.#channel.addon, (stream, position) => {
      if (position >= this.#firstOutput) {
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

  #limitOutput(): void {
    const { output } = this.#start.request.policy.limits;
    if (output !== null) {
      this.#stdio.countOutput(
        new OutputLimit(output, () => {
          this.#ending.outputExceeded();
        }),
      );
    }
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
        this.#ended(event);
        break;
      case 'violation':
        this.#violations.push(event);
        break;
    }
  }

  #stageError(stage: number, errno: number, syscall: string, detail: string): CloisterError {
    const failure = { stage: stageName(stage), errno: -errno, syscall, detail };
    return startError(this.spawnfile, failure, this.#start.advice);
  }

  #started(pid: number, terminal: boolean, confirmed: ConfirmedState): void {
    const { plan, filter, expected } = this.#start;
    const missing = shortfalls(expectationOf(plan, filter), confirmed);
    this.#refusal ??= refusal(this.spawnfile, missing, plan.terminal !== null && !terminal);
    if (this.#refusal !== null) {
      this.#ending.kill();
      return;
    }
    this.#phase = 'running';
    this.pid = pid;
    this.#enforcement = confirmedEnforcement(expected, confirmed);
    this.#startedAt = performance.now();
    if (this.#size !== null) {
      this.#resize(this.#size);
    }
    this.#stdio.startReading();
    this.#ending.commandStarted();
    this.emit('spawn');
  }

  // ---- end

  #isAlive(): boolean {
    return this.#phase === 'starting' || this.#phase === 'running';
  }

  #abort(reason: unknown): void {
    if (this.#phase === 'starting') {
      // Told when nothing of it is left.
      this.#refusal ??= abortError(reason);
      this.#ending.kill();
    } else if (this.#phase === 'running') {
      this.#ending.terminate('aborted');
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

  #ended(ended: EndedEvent): void {
    if (this.#refusal !== null) {
      this.#fail(this.#refusal);
      return;
    }
    const { cause, causeTime } = ended;
    // A launcher that was lost can say neither how the command ended nor what was used: the kernel has killed the cell with it.
    const lost = cause === EndCause.launcherLost;
    const usage = usageOf(ended, lost ? performance.now() - this.#startedAt : ended.wallTime);
    const exited = this.#phase === 'exited';
    const signal = exited ? this.#exitSignal : SIGKILL;
    const { exitCode } = this;
    this.#stdio.drainCounted();
    this.#release();
    this.#outcome.resolve({
      reason: outcomeReason(
        { cause: lost && exited ? EndCause.none : cause, causeTime, signal },
        this.#ending.requests,
      ),
      exitCode,
      signal: signal === null ? null : signalName(signal),
      violations: nameViolations(this.#violations, this.#start.plan.violations),
      violationCount: ended.violations,
      usage,
      enforcement: ended.processesLeft === 0 ? this.#enforcement : withProcessesLeft(this.#enforcement),
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
    this.#closeInput();
    this.#stdio.startReading();
    this.#outcome.reject(error);
    this.#drainLater();
    try {
      this.#emitError(error);
    } finally {
      this.#maybeClose();
    }
  }

  #release(): void {
    this.#ending.over();
    this.unref();
  }

  // An 'error' event that nobody hears ends the program. Whoever has taken `outcome` is told there.
  #emitError(error: Error): void {
    if (this.listenerCount('error') > 0 || !this.#outcome.taken) {
      this.emit('error', error);
    }
  }

  // ---- streams

  #countCloses(): void {
    for (let position = this.#firstOutput; position < this.#stdio.length; position += 1) {
      this.#closesMissing += this.#stdio.isOpen(position) ? 1 : 0;
    }
  }

  #closeInput(): void {
    if (this.#firstOutput === 1 && !this.#stdio.closeUntouched(0)) {
      (this.#stdio.opened(0) as Writable | null)?.destroy();
    }
  }

  // Output that nobody reads would keep its stream from ending. On the next tick: a listener of 'exit' may still begin to read.
  #drainLater(): void {
    process.nextTick(() => {
      for (let position = this.#firstOutput; position < this.#stdio.length; position += 1) {
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

  #resize(size: TerminalSize): void {
    checkSize(size);
    if (this.#phase === 'starting') {
      this.#size = size;
    } else {
      this.#channel.addon.resizeTerminal(this.#cell, size.columns, size.rows);
    }
  }
}

function ignore(): void {
  // Listened to so that the event is not fatal.
}
