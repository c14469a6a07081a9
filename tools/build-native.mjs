// Builds the addon and the launcher with node-gyp into build/Release (build/Debug with --debug).
// Run it through npm (`npm run build:native`): npm puts node-gyp on the path and passes its settings on.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { listSources } from './list-sources.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const stampFile = path.join(root, 'build', 'cloister-configured');
const debug = process.argv.includes('--debug');

const installAdvice = `\
install a C++20 compiler (gcc 12 or clang 14, or newer), make, python3 and the static C library, then run
"npm run build:native" again:
  Debian, Ubuntu   apt-get install g++ make python3
  Fedora, RHEL     dnf install gcc-c++ make python3 glibc-static libstdc++-static
  Alpine           apk add g++ make python3 linux-headers
  Arch             pacman -S --needed base-devel python`;

function runs(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** What the build needs and this machine lacks, in words. */
function missingTools() {
  const compiler = process.env.CXX ?? 'c++';
  const missing = [];
  if (!runs('/bin/sh', ['-c', `${compiler} --version`])) {
    missing.push(`a C++ compiler (tried ${compiler})`);
  }
  if (!runs(process.env.MAKE ?? 'make', ['--version'])) {
    missing.push('make');
  }
  const pythons = [process.env.npm_config_python ?? process.env.PYTHON, 'python3', 'python'];
  if (!pythons.some((python) => python !== undefined && runs(python, ['--version']))) {
    missing.push('python3');
  }
  return missing;
}

/** Everything that a new `node-gyp configure` depends on; ordinary edits of sources are make's business. */
function configuration() {
  const hash = createHash('sha256');
  hash.update(readFileSync(path.join(root, 'binding.gyp')));
  hash.update(JSON.stringify([listSources('addon'), listSources('launcher'), debug, process.version, process.arch]));
  const environment = ['CC', 'CXX', 'CFLAGS', 'CXXFLAGS', 'LDFLAGS', 'CLOISTER_WERROR', 'npm_config_nodedir'];
  hash.update(JSON.stringify(environment.map((name) => process.env[name] ?? '')));
  return hash.digest('hex');
}

/** Headers that were installed along with this Node.js, so that node-gyp need not download them; undefined where there are none. */
function installedHeaders() {
  const prefix = path.join(path.dirname(realpathSync(process.execPath)), '..');
  const header = path.join(prefix, 'include', 'node', 'node_version.h');
  if (!existsSync(header)) {
    return undefined;
  }
  const text = readFileSync(header, 'utf8');
  const version = ['MAJOR', 'MINOR', 'PATCH'].map((part) => new RegExp(`NODE_${part}_VERSION (\\d+)`).exec(text)?.[1]);
  return version.join('.') === process.versions.node ? prefix : undefined;
}

const nodeDirectory = process.env.npm_config_nodedir ?? installedHeaders();

function nodeGyp(...args) {
  const env = nodeDirectory === undefined ? process.env : { ...process.env, npm_config_nodedir: nodeDirectory };
  const result = spawnSync('node-gyp', args, { cwd: root, stdio: 'inherit', env });
  if (result.error !== undefined) {
    fail(`cannot run node-gyp: ${result.error.message}\nUse "npm run build:native": npm brings node-gyp along.`);
  }
  if (result.status !== 0) {
    fail(
      `node-gyp ${args.join(' ')} failed; its messages are above.\n` +
        (nodeDirectory === undefined
          ? 'Where it could not download the headers of Node.js: install them (Debian: libnode-dev) and set npm_config_nodedir to their prefix.\n'
          : '') +
        `Where it misses other headers or libraries: ${installAdvice}`,
    );
  }
}

function fail(message) {
  console.error(`cloister: ${message}`);
  process.exit(1);
}

/** Two builds at once would write the same objects: the second one waits for the first, where flock(1) is there. */
function underLock() {
  if (process.env.CLOISTER_BUILD_LOCKED === '1') {
    return;
  }
  const lock = path.join(root, '.cache', 'build-native.lock');
  mkdirSync(path.dirname(lock), { recursive: true });
  const env = { ...process.env, CLOISTER_BUILD_LOCKED: '1' };
  const { error, status } = spawnSync('flock', [lock, process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env,
  });
  if (error === undefined) {
    process.exit(status ?? 1);
  }
}

if (process.platform !== 'linux') {
  console.log('cloister: the native parts exist on Linux only; nothing to build here');
  process.exit(0);
}
underLock();

const missing = missingTools();
if (missing.length > 0) {
  fail(`cannot build the native parts: this machine lacks ${missing.join(', ')}.\nTo mend this: ${installAdvice}`);
}

const mode = debug ? '--debug' : '--release';
const wanted = configuration();
const configured = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : '';
if (wanted !== configured) {
  nodeGyp('configure', mode, '--loglevel=warn');
  mkdirSync(path.dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, wanted);
}
nodeGyp('build', mode, '--jobs=max', '--loglevel=warn');
