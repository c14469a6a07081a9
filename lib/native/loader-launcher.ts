/** Whether the launcher can be executed where it lies, and if not, why and what to do. */

import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

import { CloisterError, errnoName } from '../errors.js';

/** Returns the path to execute; throws ERR_CLOISTER_SETUP naming the mend. */
export function checkLauncher(file: string): string {
  const real = outsideArchive(file);
  const mode = fileMode(real);
  if (mode === undefined) {
    throw launcherError(
      real,
      -2,
      'the native parts are incomplete: build them again with `npm run build:native`, or install the package again',
    );
  }
  if ((mode & 0o111) === 0) {
    throw launcherError(real, -13, `it has lost its executable bit: chmod +x ${real}`);
  }
  try {
    accessSync(real, constants.X_OK);
  } catch (error) {
    throw launcherError(real, -13, executeHint(real), error);
  }
  return real;
}

/** What to do when a launcher that looked executable was refused with this errno (negative). */
export function launcherHint(file: string, errno: number): string | undefined {
  switch (errnoName(errno)) {
    case 'EACCES':
    case 'EPERM':
      return executeHint(file);
    case 'ENOENT':
      return 'the native parts have been removed since cloister was loaded: install the package again';
    case 'ENOEXEC':
      return 'the file is damaged or built for another architecture: build it again with `npm run build:native`';
    case 'EAGAIN':
      return 'a limit on processes has been reached: see RLIMIT_NPROC in getrlimit(2), and the pids controller of the cgroup';
    case 'EMFILE':
      return 'this process has too many open descriptors: raise the limit (ulimit -n)';
    default:
      return undefined;
  }
}

function fileMode(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mode;
}

function launcherError(file: string, errno: number, hint: string, cause?: unknown): CloisterError {
  return new CloisterError(`cannot execute the launcher ${file}: ${errnoName(errno)}`, {
    hint,
    errno,
    syscall: 'execve',
    path: file,
    cause,
  });
}

// The kernel cannot execute a file inside an archive, although a patched `fs` reads it.
function outsideArchive(file: string): string {
  const asar = `.asar${path.sep}`;
  if (file.includes(asar)) {
    const unpacked = file.replace(asar, `.asar.unpacked${path.sep}`);
    if (existsSync(unpacked)) {
      return unpacked;
    }
    throw launcherError(file, -20, 'it is inside an asar archive: add "**/node_modules/cloister/**" to asarUnpack');
  }
  if (file.includes(`.zip${path.sep}`) && process.versions['pnp'] !== undefined) {
    throw launcherError(
      file,
      -20,
      'it is inside a zip of Yarn PnP: set dependenciesMeta.cloister.unplugged to true in package.json, then `yarn install`',
    );
  }
  return file;
}

function executeHint(file: string): string {
  const mount = mountOf(file);
  if (mount?.options.includes('noexec') === true) {
    return `${mount.point} is mounted noexec: install the package elsewhere, or \`mount -o remount,exec ${mount.point}\``;
  }
  return 'this process may not execute it: a Landlock or LSM policy, or the permissions of a folder above it; start the first cell before restricting the process';
}

/** The mount that a path is on. Undefined where /proc cannot be read. */
function mountOf(file: string): { point: string; options: string[] } | undefined {
  let table: string;
  try {
    table = readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    // Only a better hint depends on it.
    return undefined;
  }
  let best: { point: string; options: string[] } | undefined;
  for (const line of table.split('\n')) {
    // proc_pid_mountinfo(5): id, parent, device, root, mount point, options...
    const [, , , , point, options] = line.split(' ');
    if (point === undefined || options === undefined) {
      continue;
    }
    const covers = point === '/' || file === point || file.startsWith(`${point}/`);
    // Later lines lie over earlier ones.
    if (covers && point.length >= (best?.point.length ?? 0)) {
      best = { point, options: options.split(',') };
    }
  }
  return best;
}
