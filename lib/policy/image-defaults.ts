/** What an image says about its program, as the defaults of a call: whatever the call says itself wins. */

import { policyError } from '../errors.js';
import type { Caller } from './caller.js';
import type { ParsedOptions } from './schema.js';
import type { RunRequest, ValidStdio } from './valid.js';

/** A call whose root is an image: valid as far as that can be said without it. */
export interface ImageCall {
  /** Absolute. */
  readonly image: string;
  readonly reference: string | undefined;
  /** As written: '' is the image's own. */
  readonly command: string;
  readonly args: readonly string[];
  readonly stdio: readonly ValidStdio[];
  readonly signal: AbortSignal | undefined;
  readonly pty: { readonly columns: number; readonly rows: number } | null;
  /** @throws ERR_CLOISTER_POLICY */
  readonly complete: (found: ImageFound) => RunRequest;
}

/** Of the image; texts without NUL, the directory absolute, ids that are ones. */
export interface ImageFound {
  /** Where its tree is; absolute. */
  readonly directory: string;
  /** `true`: it is a copy for this cell alone. */
  readonly writable: true | 'discard';
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string | null;
  readonly user: { readonly uid: number; readonly gid: number } | null;
}

export function withImage(
  command: string,
  args: readonly string[],
  options: ParsedOptions,
  found: ImageFound,
  caller: Caller,
): { command: string; args: readonly string[]; options: ParsedOptions } {
  const { entrypoint, command: own, directory, writable } = found;
  const line = command === '' ? [...entrypoint, ...(args.length > 0 ? args : own)] : [command, ...args];
  const [program, ...rest] = line;
  if (program === undefined || program === '') {
    throw policyError([{ code: 'out-of-range', path: 'command', message: 'is empty, and the image names none' }]);
  }
  const user = { ...found.user, ...options.user };
  return {
    command: program,
    args: rest,
    options: {
      ...options,
      root: { directory, writable },
      env: mergeEnvironment(options.env, found.environment, caller),
      cwd: options.cwd ?? found.workingDirectory ?? undefined,
      ...(Object.keys(user).length === 0 ? {} : { user }),
    },
  };
}

/** Where everything of the caller's is wanted, defaults of cells have no place. */
const NO_DEFAULTS = { PATH: undefined, HOME: undefined, LANG: undefined, TERM: undefined };

function mergeEnvironment(
  given: ParsedOptions['env'],
  ofImage: Readonly<Record<string, string>>,
  caller: Caller,
): Record<string, string | undefined> {
  return given === 'inherit' ? { ...NO_DEFAULTS, ...ofImage, ...caller.environment } : { ...ofImage, ...given };
}
