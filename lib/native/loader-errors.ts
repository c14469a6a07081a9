/** Messages for native parts that are missing or do not fit: what was tried, and what to do. */

import path from 'node:path';

import { CloisterError } from '../errors.js';

const BUILD_HINT =
  'build them with `npm run build:native` in the folder of the package; that needs a C++20 compiler, make and python3 ' +
  '(Debian, Ubuntu: apt-get install g++ make python3; Fedora: dnf install gcc-c++ libstdc++-static glibc-static make python3; ' +
  'Alpine: apk add g++ make python3 linux-headers)';

/** Places that node-gyp-build looks at. */
function triedPlaces(root: string): string[] {
  const prebuilds = path.join('prebuilds', `${process.platform}-${process.arch}`, '*.node');
  return [
    path.join(root, 'build', 'Release', '*.node'),
    path.join(root, 'build', 'Debug', '*.node'),
    path.join(root, prebuilds),
    path.join(path.dirname(process.execPath), prebuilds),
  ];
}

export function noBuildError(root: string, cause: unknown): CloisterError {
  const places = triedPlaces(root)
    .map((place) => `\n  ${place}`)
    .join('');
  return new CloisterError(
    `cannot find the native parts of cloister for ${process.platform}-${process.arch}; tried:${places}`,
    { hint: BUILD_HINT, cause },
  );
}

export function notLoadableError(file: string, cause: unknown): CloisterError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CloisterError(`cannot load ${file}: ${reason}`, { hint: loadHint(reason), path: file, cause });
}

export function staleBuildError(file: string, found: number, wanted: number): CloisterError {
  return new CloisterError(
    `${file} is of another version of cloister: wire version ${String(found)}, expected ${String(wanted)}`,
    { hint: BUILD_HINT, path: file },
  );
}

function loadHint(reason: string): string {
  if (/failed to map segment|operation not permitted/iu.test(reason)) {
    return 'the file is on a file system mounted noexec, or this process may not map executable memory: install the package elsewhere, and load cloister before restricting the process';
  }
  if (/GLIBC|GLIBCXX|musl|ld-linux/u.test(reason)) {
    return `the file was built for another C library: ${BUILD_HINT}`;
  }
  return BUILD_HINT;
}
