/** spawnIsolated: from a call to a process object. */

import type { IsolatedProcess, SpawnOptions } from '../policy/types.js';
import { cellChannel } from './channel.js';
import { prepareSpawn } from './prepare.js';
import { CellProcess } from './process.js';

/**
 * Runs a program in a cell. The shape is that of `spawn` of node:child_process; the options say what the program may do, and their defaults are narrow.
 *
 * The process object is returned at once. A command that cannot be started shows as an `'error'` event and a rejected `outcome`, as a failed start does
 * in node:child_process; who takes `outcome` needs no listener for `'error'`.
 *
 * @param command - Looked up in the cell's PATH where it has no slash.
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
  const start = prepareSpawn(command, argsOrOptions, options);
  return new CellProcess(start, cellChannel());
}
