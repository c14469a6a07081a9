/** From a call whose root is there to a process object. */

import type { SpawnOptions } from '../policy/types.js';
import { cellChannel } from './channel.js';
import { prepareSpawn } from './prepare.js';
import { CellProcess } from './process.js';

/** As spawnIsolated. */
export function spawnCell(command: string, args: readonly string[], options: SpawnOptions): CellProcess {
  return new CellProcess(prepareSpawn(command, args, options), cellChannel());
}
