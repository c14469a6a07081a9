// What a prebuilt file may need of the machine that it will run on, read from the file itself.

import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { muslLibrary, OLDEST_GLIBC } from './prebuild-toolchain.mjs';

/** The C library is found in every Node process that can load the addon at all; nothing else is asked for. */
const ALLOWED_LIBRARIES = {
  glibc: /^(libc\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-.*)$/,
  // The name under which musl answers for itself, on every distribution.
  musl: /^libc\.so$/,
};
const MACHINES = { x64: 'X86-64', arm64: 'AArch64' };

const readelf = (option, file) => execFileSync('readelf', ['--wide', option, file], { encoding: 'utf8' });

function checkMachine(file, arch) {
  if (!readelf('--file-header', file).includes(MACHINES[arch])) {
    throw new Error(`${file} is not for ${arch}`);
  }
}

export function checkLauncher(file, arch) {
  checkMachine(file, arch);
  accessSync(file, constants.X_OK);
  if (readelf('--program-headers', file).includes('INTERP')) {
    throw new Error(`${file} is not static: it names a dynamic loader`);
  }
}

const compareVersions = (a, b) => {
  const [[majorA, minorA], [majorB, minorB]] = [a, b].map((version) => version.split('.').map(Number));
  return majorA - majorB || minorA - minorB;
};

/** The newest version of glibc that a symbol of the file asks for. */
function neededGlibc(file) {
  const versions = [...readelf('--version-info', file).matchAll(/Name: GLIBC_(\d+\.\d+)/g)].map(
    ([, version]) => version,
  );
  return versions.sort(compareVersions).at(-1);
}

function definedBy(library) {
  const lines = execFileSync('nm', ['--dynamic', '--defined-only', library], { encoding: 'utf8' }).split('\n');
  return new Set(lines.map((line) => line.split(' ').at(-1)));
}

/** Weak ones may stay without a definition. */
function undefinedIn(file) {
  const lines = execFileSync('nm', ['--dynamic', '--undefined-only', file], { encoding: 'utf8' }).split('\n');
  return lines.map((line) => line.trim().split(' ')).flatMap(([kind, name]) => (kind === 'U' ? [name] : []));
}

/** Throws where the addon needs more than its C library; otherwise says in words what it needs. */
export function checkAddon(file, arch, libc) {
  checkMachine(file, arch);
  const needed = [...readelf('--dynamic', file).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1]);
  const foreign = needed.filter((library) => !ALLOWED_LIBRARIES[libc].test(library));
  if (foreign.length > 0) {
    throw new Error(`${file} needs ${foreign.join(', ')}, which not every machine has`);
  }
  const names = undefinedIn(file).filter((name) => !name.startsWith('napi_'));
  if (libc === 'glibc') {
    const version = neededGlibc(file);
    if (compareVersions(version, OLDEST_GLIBC) > 0) {
      const newer = names.filter(
        (name) => compareVersions(/@GLIBC_(\d+\.\d+)/.exec(name)?.[1] ?? '0.0', OLDEST_GLIBC) > 0,
      );
      throw new Error(`${file} needs glibc ${version}, more than ${OLDEST_GLIBC}: ${newer.join(', ')}`);
    }
    return `glibc ${version} or newer`;
  }
  const known = definedBy(muslLibrary(arch));
  const absent = names.filter((name) => !known.has(name));
  if (absent.length > 0) {
    throw new Error(`${file} needs what musl does not have: ${absent.join(', ')}`);
  }
  return `musl, ${names.length} of its symbols`;
}
