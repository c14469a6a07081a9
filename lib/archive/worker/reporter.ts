/** The unpacker's side of the conversation: lines of JSON on a pipe. */

import { writeSync } from 'node:fs';

import { MOST_OUTPUT, REPORT_DESCRIPTOR, type Report } from '../messages.js';
import { showName } from '../names.js';
import { Refusal } from './refusal.js';

const PROGRESS_EVERY_MS = 50;
/** Kept free for the last line. */
const RESERVE = 2 ** 16;
const FLUSH_AT = 2 ** 15;

export class Reporter {
  #progressAt = 0;
  #sent = 0;
  #pending = '';

  progress(entries: number, bytes: number, fraction: number): void {
    const now = performance.now();
    if (now - this.#progressAt >= PROGRESS_EVERY_MS) {
      this.#progressAt = now;
      this.#queue({ type: 'progress', entries, bytes, fraction: Math.min(1, fraction) });
      this.#flush();
    }
  }

  skipped(path: string, reason: string): void {
    this.#queue({ type: 'skipped', path: showName(path), reason });
  }

  warning(path: string, reason: string): void {
    this.#queue({ type: 'warning', path: showName(path), reason });
  }

  entry(report: Extract<Report, { type: 'entry' }>): void {
    this.#queue(report);
  }

  last(report: Report): void {
    this.#pending += `${JSON.stringify(report)}\n`;
    this.#flush();
  }

  #queue(report: Report): void {
    const line = `${JSON.stringify(report)}\n`;
    this.#sent += Buffer.byteLength(line);
    if (this.#sent > MOST_OUTPUT - RESERVE) {
      throw new Refusal('limit', 'has more to report than fits into a report');
    }
    this.#pending += line;
    if (this.#pending.length > FLUSH_AT) {
      this.#flush();
    }
  }

  #flush(): void {
    let rest: Uint8Array = Buffer.from(this.#pending);
    this.#pending = '';
    while (rest.length > 0) {
      rest = rest.subarray(writeSync(REPORT_DESCRIPTOR, rest));
    }
  }
}
