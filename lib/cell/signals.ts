/** Names and numbers of signals. */

import { constants } from 'node:os';

import { policyError } from '../errors.js';

const HIGHEST = 64;
const FIRST_REAL_TIME = 34;

/** Number of a signal given by name or number; 0 asks whether the command is alive. Throws ERR_CLOISTER_POLICY. */
export function signalNumber(signal: NodeJS.Signals | number): number {
  const number = typeof signal === 'string' ? (constants.signals as Partial<Record<string, number>>)[signal] : signal;
  if (number === undefined || !Number.isInteger(number) || number < 0 || number > HIGHEST) {
    throw policyError(
      [{ code: 'unknown-signal', path: 'signal', message: `is no signal: ${String(signal)}` }],
      'argument',
    );
  }
  return number;
}

const NAMES: ReadonlyMap<number, NodeJS.Signals> = new Map(
  // Reversed: of two names for one number (SIGABRT, SIGIOT) the first one stays.
  Object.entries(constants.signals)
    .reverse()
    .map(([name, number]) => [number, name as NodeJS.Signals]),
);

/** Real-time signals have no name of their own in Node.js: they are named as kill(1) lists them. */
export function signalName(number: number): NodeJS.Signals {
  return NAMES.get(number) ?? (`SIGRTMIN+${String(number - FIRST_REAL_TIME)}` as NodeJS.Signals);
}
