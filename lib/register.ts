/**
 * The preload: `CLOISTER_POLICY=policy.json node --import cloister/register app.js` restricts the process before the first line of the application
 * runs. Whatever goes wrong ends the process before that.
 */

import { readFileSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';

import { CloisterError, unsupported } from './errors.js';
import { loadNative } from './native/binding.js';
import { restrictSelf } from './restrict/self.js';
import { monotonicNow } from './util/clock.js';

/** For the main thread to get this far, where an earlier preload has started a Worker. */
const PATIENCE_MS = 2000;
const STANDARD_ERROR = 2;

if (isMainThread) {
  restrictOrEnd();
} else {
  awaitRestriction();
}

/** Nothing is left to handlers of uncaught errors: one of an earlier preload would let a process go on that is not restricted. */
function restrictOrEnd(): void {
  try {
    restrictSelf(readPolicy(process.env['CLOISTER_POLICY']));
  } catch (error) {
    try {
      writeSync(STANDARD_ERROR, `${inspect(error)}\n`);
    } finally {
      process.exit(1);
    }
  }
}

/**
 * Node.js preloads in every Worker as well, which is a thread of a process that is restricted already, and may not read the file any more. Unless
 * the Worker alone was given the preload: a thread cannot be restricted without the others, and must not run as if it were.
 */
function awaitRestriction(): void {
  const { addon } = loadNative();
  const pause = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  for (const end = monotonicNow() + PATIENCE_MS; !addon.landlockState().restricted; Atomics.wait(pause, 0, 0, 5)) {
    if (monotonicNow() > end) {
      throw unsupported(
        'CLOISTER_POLICY in a Worker',
        'its process was not restricted, and no thread can be without the others',
        'start the process itself with --import cloister/register',
      );
    }
  }
}

/** As written: restrictSelf checks it. */
function readPolicy(file: string | undefined): object {
  if (file === undefined || file === '') {
    throw new CloisterError('cannot restrict this process: CLOISTER_POLICY is not set', {
      code: 'ERR_CLOISTER_POLICY',
      hint: 'set CLOISTER_POLICY to the path of a policy file (JSON)',
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CloisterError(`cannot read the policy ${file}: ${reason}`, {
      code: 'ERR_CLOISTER_POLICY',
      path: file,
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CloisterError(`cannot use the policy ${file}: it must be an object`, {
      code: 'ERR_CLOISTER_POLICY',
      path: file,
    });
  }
  const policy: Record<string, unknown> = { ...value };
  delete policy['$schema'];
  return policy;
}
