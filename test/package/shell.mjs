// Commands for the package's test, and a PATH on which nothing can compile.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Runs it; throws with all that it printed when it fails, unless `allowFailure`. */
export function command(file, args, { cwd, env, allowFailure = false }) {
  const { status, signal, error, stdout, stderr } = spawnSync(file, args, {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 300_000,
  });
  if (!allowFailure && status !== 0) {
    const how = error?.message ?? String(status ?? signal);
    throw new Error(`${path.basename(file)} ${args.join(' ')}: ${how}\n${stdout ?? ''}${stderr ?? ''}`);
  }
  return { status, stdout, stderr };
}

/** What package managers and their scripts call. Neither a compiler nor make or python is among it. */
const TOOLS = ['sh', 'env', 'uname', 'dirname', 'basename', 'readlink', 'sed', 'cat', 'find'];

export function pathWithoutCompilers(folder) {
  mkdirSync(folder, { recursive: true });
  symlinkSync(process.execPath, path.join(folder, 'node'));
  const places = (process.env.PATH ?? '').split(':');
  const find = (tool) => places.map((place) => path.join(place, tool)).find((file) => existsSync(file));
  for (const tool of [...TOOLS, 'npm', 'npx']) {
    const found = find(tool);
    if (found === undefined) {
      throw new Error(`there is no ${tool} on the path`);
    }
    symlinkSync(realpathSync(found), path.join(folder, tool));
  }
  return folder;
}
