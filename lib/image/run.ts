/** runIsolated: run to the end and collect. */

import { cellChannel } from '../cell/channel.js';
import { decide } from '../cell/prepare.js';
import { CellProcess } from '../cell/process.js';
import { collect } from '../cell/run.js';
import { parseRunCall } from '../policy/parse.js';
import type { RunOptions, RunResult } from '../policy/types.js';
import { startImage } from './start.js';

/**
 * Runs a program in a cell to its end and collects what it wrote. What the program did, a non-zero exit code or a signal included, is the result; the promise
 * rejects where the program could not be started, where `input` is a stream that fails, or with Node's ERR_STRING_TOO_LONG where the output does not fit into a
 * string (512 MiB): `limits.output` bounds it, and without it the caller's memory does. The cell's end is the end: a process outside that was sent one of the
 * pipes is not waited for.
 *
 * @param command - As for spawnIsolated.
 * @param options - As for spawnIsolated, and `input`, `encoding`.
 */
export async function runIsolated(command: string, args?: readonly string[], options?: RunOptions): Promise<RunResult> {
  const call = parseRunCall(command, args, options);
  if ('image' in call) {
    const { child, request } = await startImage(call, call.signal);
    return await collect(child, request);
  }
  return await collect(new CellProcess(decide(call), cellChannel()), call);
}
