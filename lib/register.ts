/**
 * The preload: `CLOISTER_POLICY=policy.json node --import cloister/register app.js` restricts the process before the first line of the application
 * runs. Whatever goes wrong ends the process before that.
 */

import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

import { CloisterError } from './errors.js';
import { restrictSelf } from './restrict/self.js';

// Node.js preloads in every Worker as well. A Worker is a thread of a process that is restricted already, and may not read the file any more.
if (isMainThread) {
  restrictSelf(readPolicy(process.env['CLOISTER_POLICY']));
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
