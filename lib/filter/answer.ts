/** Actions as users write them, and the 32-bit answers of seccomp(2) that they stand for. */

import { errnoNameOf, errnoNumber } from '../policy/errno.js';
import type { SeccompAction } from '../policy/seccomp-types.js';

const ACTION_MASK = 0xffff0000;
const DATA_MASK = 0xffff;

/** SECCOMP_RET_*, linux/seccomp.h. */
const WORDS = {
  'kill-process': 0x80000000,
  'kill-thread': 0x00000000,
  trap: 0x00030000,
  notify: 0x7fc00000,
  log: 0x7ffc0000,
  allow: 0x7fff0000,
} as const;

/** SECCOMP_RET_ALLOW. */
export const ALLOW: number = WORDS.allow;

const ERRNO = 0x00050000;
const TRACE = 0x7ff00000;

/** Data of SECCOMP_RET_ERRNO above this would be cut to it. */
const LARGEST_ERRNO = 4095;

/** The answer for an action, or what is wrong with it. `mayPretend`: an error number of 0 is meant, with which a call succeeds without being made. */
export function answerOf(action: SeccompAction, mayPretend = false): number | { problem: string } {
  if (typeof action === 'string') {
    return WORDS[action];
  }
  if ('trace' in action) {
    return (TRACE | action.trace) >>> 0;
  }
  const number = typeof action.errno === 'string' ? errnoNumber(action.errno) : action.errno;
  if (number === undefined) {
    return { problem: `unknown error name '${String(action.errno)}'` };
  }
  if (number < (mayPretend ? 0 : 1) || number > LARGEST_ERRNO) {
    // With zero the call would appear to have succeeded.
    return { problem: `must be an error from 1 to ${LARGEST_ERRNO}, not ${number}` };
  }
  return (ERRNO | number) >>> 0;
}

/** The action that an answer stands for. Errors by name, where they have one. */
export function actionOf(answer: number): SeccompAction {
  const action = (answer & ACTION_MASK) >>> 0;
  const data = answer & DATA_MASK;
  if (action === ERRNO) {
    return { errno: errnoNameOf(data) ?? data };
  }
  if (action === TRACE) {
    return { trace: data };
  }
  for (const [word, value] of Object.entries(WORDS)) {
    if (value === action) {
      return word as SeccompAction;
    }
  }
  // The kernel treats actions that it does not know like this one.
  return 'kill-process';
}

/** Of two answers to one call the kernel takes the lower action, compared as signed numbers; here the first where they are equal. */
export function strictest(first: number, second: number): number {
  return (second & ACTION_MASK) < (first & ACTION_MASK) ? second : first;
}

/** Whether the call does not go through, whoever is asked. */
export function refuses(answer: number): boolean {
  const action = (answer & ACTION_MASK) >>> 0;
  return (
    action === WORDS['kill-process'] || action === WORDS['kill-thread'] || action === WORDS.trap || action === ERRNO
  );
}
