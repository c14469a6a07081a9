/** spawnIsolated: from a call to a process object. */

import { cellChannel } from '../cell/channel.js';
import { decide } from '../cell/prepare.js';
import { CellProcess } from '../cell/process.js';
import { parseSpawnCall } from '../policy/parse.js';
import type { IsolatedProcess, SpawnOptions } from '../policy/types.js';
import { PendingProcess } from './pending-process.js';

/**
 * Runs a program in a cell. The shape is that of `spawn` of node:child_process; the options say what the program may do, and their defaults are narrow.
 *
 * The process object is returned at once. A command that cannot be started shows as an `'error'` event and a rejected `outcome`, as a failed start does
 * in node:child_process; who takes `outcome` needs no listener for `'error'`.
 *
 * With an image as root the object is returned before the image is unpacked, and what turns out to be wrong with it is a failed start too.
 *
 * @param command - Looked up in the cell's PATH where it has no slash. `''`, with an image as root: the image's own.
 * @param args - Without the command itself. Default: none.
 * @throws ERR_CLOISTER_POLICY with every mistake in the arguments and options; ERR_CLOISTER_UNSUPPORTED for what this machine cannot enforce.
 */
export function spawnIsolated(command: string, args?: readonly string[], options?: SpawnOptions): IsolatedProcess;
export function spawnIsolated(command: string, options?: SpawnOptions): IsolatedProcess;
export function spawnIsolated(
  command: string,
  argsOrOptions?: readonly string[] | SpawnOptions,
  options?: SpawnOptions,
): IsolatedProcess {
  const call = parseSpawnCall(command, argsOrOptions, options);
  return 'image' in call ? new PendingProcess(call) : new CellProcess(decide(call), cellChannel());
}
