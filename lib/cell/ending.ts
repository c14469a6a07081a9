/** Everything this process does to end a cell: signals to its command, the time between SIGTERM and SIGKILL, and the record of who asked first. */

import type { CloisterAddon } from '../native/functions.js';
import { monotonicNow } from '../util/clock.js';
import { grace } from './grace.js';
import type { EndRequests } from './outcome.js';

const SIGTERM = 15;
const SIGKILL = 9;

export class CellEnding {
  readonly requests: EndRequests = { first: null, at: 0, signals: new Set() };
  readonly #addon: CloisterAddon;
  #cell = 0;
  #started = false;
  /** Signals for a command that is not there yet. */
  #held: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(addon: CloisterAddon) {
    this.#addon = addon;
  }

  cellIs(cell: number): void {
    this.#cell = cell;
  }

  /** Sends what was kept for the command. */
  commandStarted(): void {
    this.#started = true;
    const held = this.#held;
    this.#held = [];
    for (const signal of held) {
      this.#deliver(signal);
    }
  }

  /** To the command; SIGKILL to the whole cell. Before the start it is kept. False when the cell is gone. */
  signal(number: number): boolean {
    if (number === SIGKILL) {
      this.#askFor('killed');
    }
    this.requests.signals.add(number);
    return this.#send(number);
  }

  /** SIGTERM, after `grace` SIGKILL to the whole cell. */
  terminate(why: 'aborted' | 'disposed'): void {
    this.#askFor(why);
    this.#send(SIGTERM);
    this.#killLater();
  }

  /** The command wrote more than it may. After its end this only says why it counts as ended. */
  outputExceeded(): void {
    this.#askFor('output');
    this.kill();
  }

  /** At once, and started or not. */
  kill(): boolean {
    return this.#addon.kill(this.#cell);
  }

  /** Nothing is left to be ended. */
  over(): void {
    clearTimeout(this.#timer);
  }

  #askFor(what: NonNullable<EndRequests['first']>): void {
    if (this.requests.first === null) {
      this.requests.first = what;
      this.requests.at = monotonicNow();
    }
  }

  #send(signal: number): boolean {
    if (this.#started) {
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
    return signal === SIGKILL ? this.kill() : this.#addon.signal(this.#cell, signal);
  }

  #killLater(): void {
    this.#timer ??= setTimeout(() => {
      this.kill();
    }, grace);
  }
}
