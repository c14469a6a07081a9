/** Which files may be the command, in the order in which they are tried. */

import { PATH } from '../policy/defaults.js';
import type { CellPolicy, SpawnRequest } from '../policy/valid.js';
import { join } from '../util/paths.js';

/** As execvp(3) does in the cell: a name with a slash is itself, any other is looked for along the cell's own PATH. */
export function candidates(command: string, { environment }: CellPolicy): string[] {
  if (command.includes('/')) {
    return [command];
  }
  const line = environment.find((entry) => entry.startsWith('PATH='));
  const directories = (line?.slice('PATH='.length) ?? PATH).split(':');
  // An empty entry means the working directory.
  return [...new Set(directories.map((directory) => (directory === '' ? `./${command}` : join(directory, command))))];
}

/** The same as absolute paths of the cell. */
export function commandPaths({ command, policy }: SpawnRequest): string[] {
  return candidates(command, policy).map((path) => (path.startsWith('/') ? path : join(policy.cwd, path)));
}
