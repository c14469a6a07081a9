/** Finds and loads the native parts: the addon and, beside it, the launcher. Nothing else knows where they are. */

import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { CloisterError, unsupported } from '../errors.js';
import type { CloisterAddon } from './functions.js';
import { checkLauncher } from './loader-launcher.js';
import { noBuildError, notLoadableError, staleBuildError } from './loader-errors.js';

export interface Native {
  readonly addon: CloisterAddon;
  readonly launcherPath: string;
}

/** kVersion of native/wire/messages.h: this side and the built parts belong together. */
const WIRE_VERSION = 3;
const LAUNCHER_NAME = 'cloister-launcher';
const ARCHITECTURES: readonly string[] = ['x64', 'arm64'];

/** lib/native and dist/native are at the same depth. */
const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));

const require = createRequire(import.meta.url);

let loaded: Native | undefined;

/**
 * The addon and the path of the launcher, loaded at the first call.
 * Throws ERR_CLOISTER_UNSUPPORTED elsewhere than on Linux (x64, arm64), ERR_CLOISTER_SETUP where the native parts are missing or cannot run, with the mend.
 */
export function loadNative(): Native {
  loaded ??= load();
  return loaded;
}

/**
 * loadNative() ahead of its first use: once another thread has restricted the process, this one could not read the files any more.
 * A failure is told at the first use.
 */
export function preloadNative(): void {
  try {
    loadNative();
  } catch (error) {
    if (!(error instanceof CloisterError)) {
      throw error;
    }
  }
}

/** Whether this platform is one that the native parts exist for. */
export function isSupportedPlatform(): boolean {
  return process.platform === 'linux' && ARCHITECTURES.includes(process.arch);
}

function load(): Native {
  if (!isSupportedPlatform()) {
    throw unsupported(
      'anything',
      `cloister needs Linux on x64 or arm64, this is ${process.platform} on ${process.arch}`,
    );
  }
  const file = findAddon();
  const addon = requireAddon(file);
  if (addon.wireVersion !== WIRE_VERSION) {
    throw staleBuildError(file, addon.wireVersion, WIRE_VERSION);
  }
  return { addon, launcherPath: checkLauncher(path.join(path.dirname(file), LAUNCHER_NAME)) };
}

function findAddon(): string {
  try {
    const finder = require('node-gyp-build') as { resolve(directory: string): string };
    return finder.resolve(PACKAGE_ROOT);
  } catch (error) {
    throw noBuildError(PACKAGE_ROOT, error);
  }
}

function requireAddon(file: string): CloisterAddon {
  try {
    return require(file) as CloisterAddon;
  } catch (error) {
    throw error instanceof CloisterError ? error : notLoadableError(file, error);
  }
}
