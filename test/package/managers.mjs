// The package managers: how each installs a tarball, runs a file and a command of the project, and removes a package.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { command } from './shell.mjs';

/** The newest that run on the oldest Node.js that the package is for. */
const PACKAGES = { pnpm: 'pnpm@10', yarn: 'yarn@1', 'yarn-pnp': '@yarnpkg/cli-dist@4' };

/** Installs the chosen ones into a folder of their own; npm is there already. */
export function installManagers(folder, env, chosen) {
  mkdirSync(folder);
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  const packages = chosen.flatMap((name) => PACKAGES[name] ?? []);
  if (packages.length > 0) {
    command('npm', ['install', '--no-package-lock', ...packages], { cwd: folder, env });
  }
  return path.join(folder, 'node_modules');
}

function emptyProject(project, extra = {}) {
  writeFileSync(path.join(project, 'package.json'), JSON.stringify({ name: 'stranger', private: true, ...extra }));
}

/** A manager that lays packages out in node_modules, where node finds them by itself. */
function inNodeModules(tool, { install, run, remove, prune }) {
  return ({ project, tarball, environment, managersHome }) => {
    const [file, ...fixed] = tool(managersHome);
    const call = (args, options = {}) =>
      command(file, [...fixed, ...args], { cwd: project, env: environment, ...options });
    return {
      install() {
        emptyProject(project);
        call([...install, tarball]);
      },
      node: (args, options = {}) => command('node', args, { cwd: project, env: environment, ...options }),
      command: (args, options = {}) => call([...run, ...args], options),
      remove() {
        call([...remove, 'cloister']);
        if (prune !== undefined) {
          call(prune);
        }
      },
    };
  };
}

/** Yarn's Plug'n'Play: no node_modules; packages with native files are unpacked into .yarn/unplugged. */
function plugAndPlay({ project, tarball, environment, managersHome }) {
  const yarn = path.join(managersHome, '@yarnpkg', 'cli-dist', 'bin', 'yarn.js');
  const env = {
    ...environment,
    YARN_NPM_REGISTRY_SERVER: environment.npm_config_registry,
    YARN_ENABLE_TELEMETRY: '0',
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    YARN_ENABLE_GLOBAL_CACHE: 'false',
  };
  const call = (args, options = {}) => command('node', [yarn, ...args], { cwd: project, env, ...options });
  return {
    install() {
      emptyProject(project);
      // Makes this folder a project of its own, whatever lies above it.
      writeFileSync(path.join(project, 'yarn.lock'), '');
      call(['add', `cloister@file:${tarball}`]);
    },
    node: (args, options = {}) => call(['node', ...args], options),
    command: (args, options = {}) => call(['exec', ...args], options),
    remove() {
      call(['remove', 'cloister']);
      call(['cache', 'clean']);
    },
  };
}

export const MANAGERS = {
  npm: inNodeModules(() => ['npm'], {
    install: ['install', '--no-package-lock'],
    run: ['exec', '--offline', '--'],
    remove: ['uninstall'],
  }),
  pnpm: inNodeModules((home) => ['node', path.join(home, 'pnpm', 'bin', 'pnpm.cjs')], {
    install: ['add'],
    run: ['exec'],
    remove: ['remove'],
    // It keeps the files of removed packages for a while.
    prune: ['prune'],
  }),
  yarn: inNodeModules((home) => ['node', path.join(home, 'yarn', 'bin', 'yarn.js')], {
    install: ['add'],
    run: ['run', '--silent'],
    remove: ['remove'],
  }),
  'yarn-pnp': plugAndPlay,
};
