// Builds the addons and launchers of a release into prebuilds/linux-ARCH/ for the npm tarball: x64 and arm64, glibc and musl, on one Debian machine of
// either architecture, each in a folder of its own below .cache/prebuild. An addon's name carries the C library (cloister.glibc.node,
// cloister.musl.node). The launcher is static, so one per platform serves both; the loader looks for it beside the addon.
//   npm run pack:prebuilds [-- TARGET...]     TARGET: x64-glibc, x64-musl, arm64-glibc, arm64-musl; none: all
//   node tools/prebuild.mjs --verify [--present]   instead: look at what is there; fails where a target is missing, unless --present

import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { checkAddon, checkLauncher } from './prebuild-checks.mjs';
import { plainCompilers, writeCompilers } from './prebuild-toolchain.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const launcherName = 'cloister-launcher';
const TARGETS = ['x64-glibc', 'x64-musl', 'arm64-glibc', 'arm64-musl'];

const split = (target) => target.split('-');
const platformFolder = (arch) => path.join(root, 'prebuilds', `linux-${arch}`);
const addonFile = (arch, libc) => path.join(platformFolder(arch), `cloister.${libc}.node`);

/** Node-API is the same in every version: the headers of this Node.js, or those that npm's `nodedir` names. */
function headersPrefix() {
  const beside = path.join(path.dirname(realpathSync(process.execPath)), '..');
  const found = [process.env.npm_config_nodedir, beside].find(
    (prefix) => prefix !== undefined && existsSync(path.join(prefix, 'include', 'node', 'node_api.h')),
  );
  if (found === undefined) {
    throw new Error('the headers of Node.js are missing: install them (Debian: libnode-dev) or set npm_config_nodedir');
  }
  return found;
}

/** A folder in which node-gyp builds without touching the checkout's own build/. */
function buildFolder(name) {
  const folder = path.join(root, '.cache', 'prebuild', name);
  mkdirSync(folder, { recursive: true });
  for (const entry of ['native', 'node_modules', 'package.json', 'binding.gyp']) {
    rmSync(path.join(folder, entry), { force: true });
    symlinkSync(path.join(root, entry), path.join(folder, entry));
  }
  // A copy: under a link it would not know itself as the program that was started.
  mkdirSync(path.join(folder, 'tools'), { recursive: true });
  copyFileSync(path.join(root, 'tools', 'list-sources.mjs'), path.join(folder, 'tools', 'list-sources.mjs'));
  return folder;
}

function build(folder, arch, compilers, product) {
  const env = { ...process.env, CC: compilers.cc, CXX: compilers.cxx, AR: compilers.ar, LINK: compilers.cxx };
  const run = (command, args) =>
    execFileSync(command, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'inherit'] });
  const gyp = path.join(root, 'node_modules', '.bin', 'node-gyp');
  run(gyp, ['configure', '--release', `--arch=${arch}`, `--nodedir=${headersPrefix()}`, '--loglevel=warn']);
  run('make', ['--directory=build', 'BUILDTYPE=Release', `--jobs=${availableParallelism()}`, product]);
  return path.join(folder, 'build', 'Release', product === 'cloister' ? 'cloister.node' : product);
}

function packLauncher(arch) {
  const product = build(buildFolder(`launcher-${arch}`), arch, plainCompilers(arch), launcherName);
  checkLauncher(product, arch);
  mkdirSync(platformFolder(arch), { recursive: true });
  copyFileSync(product, path.join(platformFolder(arch), launcherName));
  chmodSync(path.join(platformFolder(arch), launcherName), 0o755);
}

function packAddon(target) {
  const [arch, libc] = split(target);
  const folder = buildFolder(`addon-${target}`);
  const product = build(folder, arch, writeCompilers(arch, libc, path.join(folder, 'compilers')), 'cloister');
  const found = checkAddon(product, arch, libc);
  copyFileSync(product, addonFile(arch, libc));
  console.log(`${path.relative(root, addonFile(arch, libc))}: ${found}`);
}

function verify(onlyPresent) {
  let present = 0;
  for (const [arch, libc] of TARGETS.map(split)) {
    const launcher = path.join(platformFolder(arch), launcherName);
    const files = [addonFile(arch, libc), launcher];
    const missing = files.filter((file) => !existsSync(file)).map((file) => path.relative(root, file));
    if (missing.length > 0) {
      if (!onlyPresent) {
        throw new Error(`a release needs prebuilds for every target; missing: ${missing.join(', ')}`);
      }
      continue;
    }
    checkLauncher(launcher, arch);
    console.log(`linux-${arch} ${libc}: ${checkAddon(files[0], arch, libc)}`);
    present += 1;
  }
  if (present === 0) {
    throw new Error('there are no prebuilds: npm run pack:prebuilds');
  }
}

const args = process.argv.slice(2);
if (args.includes('--verify')) {
  verify(args.includes('--present'));
} else {
  const unknown = args.filter((target) => !TARGETS.includes(target));
  if (unknown.length > 0) {
    throw new Error(`no such target: ${unknown.join(', ')}; there are ${TARGETS.join(', ')}`);
  }
  const chosen = args.length > 0 ? args : TARGETS;
  for (const arch of new Set(chosen.map((target) => split(target)[0]))) {
    packLauncher(arch);
  }
  chosen.forEach(packAddon);
}
