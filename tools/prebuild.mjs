// Packs the addon and the launcher of this machine's platform into prebuilds/PLATFORM-ARCH/ for the npm tarball.
// The addon's name carries the C library (cloister.glibc.node, cloister.musl.node). The launcher is static, so one per
// platform serves both; the loader looks for it beside the addon, under the one name cloister-launcher.
//   --verify   instead: fail unless the prebuilds of all release targets are there

import { execFileSync } from 'node:child_process';
import { accessSync, chmodSync, constants, copyFileSync, existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const launcherName = 'cloister-launcher';
/** The C library is found in every Node process that can load the addon at all; nothing else is asked for. */
const allowedLibraries = /^(libc\.so\.6|libm\.so\.6|libpthread\.so\.0|libdl\.so\.2|ld-linux-.*|libc\.musl-.*)$/;

function releaseFiles() {
  return ['linux-x64', 'linux-arm64'].flatMap((platform) =>
    ['cloister.glibc.node', 'cloister.musl.node', launcherName].map((name) => `prebuilds/${platform}/${name}`),
  );
}

function readelf(option, file) {
  return execFileSync('readelf', ['--wide', option, file], { encoding: 'utf8' });
}

function checkProducts(addon, launcher) {
  if (readelf('--program-headers', launcher).includes('INTERP')) {
    throw new Error(`${launcher} is not static: it names a dynamic loader`);
  }
  const needed = [...readelf('--dynamic', addon).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1]);
  const foreign = needed.filter((library) => !allowedLibraries.test(library));
  if (foreign.length > 0) {
    throw new Error(`${addon} needs ${foreign.join(', ')}, which not every machine has`);
  }
}

function verify() {
  const missing = releaseFiles().filter((file) => !existsSync(path.join(root, file)));
  if (missing.length > 0) {
    console.error(`a release needs prebuilds for every target; missing: ${missing.join(', ')}`);
    process.exit(1);
  }
  for (const file of releaseFiles().filter((name) => name.endsWith(launcherName))) {
    accessSync(path.join(root, file), constants.X_OK);
  }
}

async function pack() {
  const { default: prebuildify } = await import('prebuildify');
  const options = { cwd: root, napi: true, tagLibc: true, strip: true, targets: [process.version], name: 'cloister' };
  await promisify(prebuildify)(options);

  const folder = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  const launcher = path.join(folder, launcherName);
  copyFileSync(path.join(root, 'build', 'Release', launcherName), launcher);
  chmodSync(launcher, 0o755);
  checkProducts(path.join(folder, `cloister.${libc}.node`), launcher);

  // prebuildify moves the addon out of build/Release, where this checkout's own programs look for it.
  execFileSync('npm', ['run', '--silent', 'build:native'], { cwd: root, stdio: 'inherit' });
  console.log(`packed ${path.relative(root, folder)}`);
}

if (process.argv.includes('--verify')) {
  verify();
} else {
  await pack();
}
