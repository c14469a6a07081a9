/** Every error of cloister. Tell them apart by `code`; codes and stage names are public and never reused. */

import { getSystemErrorName } from 'node:util';

export type CloisterErrorCode =
  /** The policy or an argument is wrong: see `issues`. */
  | 'ERR_CLOISTER_POLICY'
  /** This machine, or this version, cannot enforce what was asked. */
  | 'ERR_CLOISTER_UNSUPPORTED'
  /** A system call failed while the cell was being built: see `stage`, `errno`, `path`. */
  | 'ERR_CLOISTER_SETUP'
  /** The command, or a path that the policy names, does not exist. */
  | 'ERR_CLOISTER_NOT_FOUND'
  /** An isolated module or function could not be called. */
  | 'ERR_CLOISTER_RPC'
  /** An archive is damaged or unsafe. */
  | 'ERR_CLOISTER_ARCHIVE';

/** One thing that is wrong with a policy. */
export interface PolicyIssue {
  /** Stable, lower case with dashes, e.g. `'unknown-key'`. */
  code: string;
  /** Where, as JavaScript would write it: `mounts[0].target`, `unveil["/srv/data"]`. Empty: the policy itself. */
  path: string;
  message: string;
}

export interface CloisterErrorDetails {
  /** Default `'ERR_CLOISTER_SETUP'`. */
  code?: CloisterErrorCode | undefined;
  hint?: string | undefined;
  issues?: readonly PolicyIssue[] | undefined;
  stage?: string | undefined;
  syscall?: string | undefined;
  /** Negative, as in Node.js. */
  errno?: number | undefined;
  path?: string | undefined;
  cause?: unknown;
}

// Registered, so that two copies of this package in one process (or a bundled one) know each other's errors.
const BRAND = Symbol.for('cloister.CloisterError');

/**
 * What cloister could not do. What the program in a cell did is an outcome, never an error.
 * Match on `code`, not on the message.
 */
export class CloisterError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'CloisterError', configurable: true, writable: true });
    Object.defineProperty(this.prototype, BRAND, { value: true });
  }

  declare readonly code: CloisterErrorCode;
  /** What to do next, where that is known. */
  declare readonly hint?: string;
  /** With ERR_CLOISTER_POLICY: everything that is wrong with the policy. */
  declare readonly issues?: readonly PolicyIssue[];
  /** Stage of the cell's start that failed, e.g. `'mounts'`. */
  declare readonly stage?: string;
  declare readonly syscall?: string;
  /** Negative, as in Node.js. */
  declare readonly errno?: number;
  declare readonly path?: string;

  constructor(message?: string, details: CloisterErrorDetails = {}) {
    const { code = 'ERR_CLOISTER_SETUP', cause, ...rest } = details;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    for (const [key, value] of Object.entries(rest)) {
      if (value !== undefined) {
        Object.defineProperty(this, key, { value, enumerable: true, configurable: true });
      }
    }
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== CloisterError) {
      return Function.prototype[Symbol.hasInstance].call(this, value);
    }
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}

/** More of them nobody reads; a hostile policy must not fill memory and log with millions. */
const MOST_ISSUES = 1000;

/** The error of a policy with at least one issue. The message lists all of them, up to a thousand. */
export function policyError(found: readonly PolicyIssue[], subject = 'policy'): CloisterError {
  const issues = found.slice(0, MOST_ISSUES);
  if (found.length > MOST_ISSUES) {
    issues.push({ code: 'too-long', path: '', message: `and ${String(found.length - MOST_ISSUES)} more issues` });
  }
  const lines = issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  const message =
    lines.length === 1
      ? `invalid ${subject}: ${lines.join('')}`
      : `invalid ${subject}:\n${lines.map((line) => `  ${line}`).join('\n')}`;
  return new CloisterError(message, { code: 'ERR_CLOISTER_POLICY', issues });
}

/** The error of a part that this machine or this version cannot enforce. */
export function unsupported(feature: string, reason: string, hint?: string): CloisterError {
  return new CloisterError(`cannot enforce ${feature}: ${reason}`, { code: 'ERR_CLOISTER_UNSUPPORTED', hint });
}

/** The error of a path that a policy or a call names and that is not there. `operation`: what could not be done, e.g. `'cannot bind'`. */
export function notFound(
  operation: string,
  path: string,
  details: { errno?: number; syscall?: string; hint?: string; cause?: unknown } = {},
): CloisterError {
  const { errno = -2, ...rest } = details;
  return new CloisterError(`${operation} ${path}: ${errnoName(errno)}`, {
    code: 'ERR_CLOISTER_NOT_FOUND',
    errno,
    path,
    ...rest,
  });
}

export interface SetupFailure {
  /** What could not be done and to what, e.g. `'cannot mount tmpfs on /work'`. */
  operation: string;
  stage: string;
  /** Negative, as in Node.js. */
  errno: number;
  syscall?: string | undefined;
  path?: string | undefined;
  hint?: string | undefined;
  cause?: unknown;
}

/** The error of a system call that failed while a cell was being built. */
export function setupError({ operation, ...details }: SetupFailure): CloisterError {
  return new CloisterError(`${operation}: ${errnoName(details.errno)} (stage ${details.stage})`, {
    code: 'ERR_CLOISTER_SETUP',
    ...details,
  });
}

/** A state that the code excludes. Whoever sees it has found a mistake of ours. */
export function bug(fact: string): CloisterError {
  return new CloisterError(`BUG: ${fact}, please report`);
}

/** Errors of Linux that Node.js does not name (asm-generic/errno.h, the same on x86_64 and aarch64). */
const FURTHER_ERRNOS: Readonly<Record<number, string>> = {
  8: 'ENOEXEC',
  80: 'ELIBBAD',
  87: 'EUSERS',
  109: 'ETOOMANYREFS',
};

/** `'ENOENT'` for -2; `'errno 512'` for one without a name. */
export function errnoName(errno: number): string {
  const name = errno < 0 ? getSystemErrorName(errno) : '';
  return /^E[A-Z0-9]+$/.test(name) ? name : (FURTHER_ERRNOS[-errno] ?? `errno ${Math.abs(errno)}`);
}
