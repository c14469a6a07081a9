/** Sizes of pseudo-terminals. */

import { policyError } from '../errors.js';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** struct winsize has 16 bits for each. */
const MOST_CELLS = 65535;

/** Throws ERR_CLOISTER_POLICY. */
export function checkSize(size: TerminalSize): void {
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
