// What must hold of the installed package, whoever installed it.

import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { command, ROOT } from './shell.mjs';

const USE = `
const { reason, stdout } = await runIsolated('sh', ['-c', 'echo inside; cat /etc/shadow 2>/dev/null || echo denied']);
console.log(reason, stdout.trim().split('\\n').join());
console.log(typeof extractArchive, typeof compile, probe().platform);
`;

const ESM = `
import { createRequire } from 'node:module';
import { CloisterError, probe, runIsolated } from 'cloister';
import { extractArchive } from 'cloister/archive';
import { compile } from 'cloister/seccomp';
${USE}
console.log(createRequire(import.meta.url)('cloister').CloisterError === CloisterError);
`;

const CJS = `
const { CloisterError, probe, runIsolated } = require('cloister');
const { extractArchive } = require('cloister/archive');
const { compile } = require('cloister/seccomp');
(async () => {
${USE}
console.log((await import('cloister')).CloisterError === CloisterError);
})();
`;

const EXPECTED = ['exited inside,denied', 'function function linux', 'true', ''].join('\n');

const TYPES = `
import { runIsolated, type RunOptions, type CloisterError } from 'cloister';
import { extractArchive } from 'cloister/archive';
import { compile } from 'cloister/seccomp';
const options: RunOptions = { limits: { wallTime: '1s' } };
export const code: Promise<number | null> = runIsolated('true', [], options).then(({ exitCode }) => exitCode);
// @ts-expect-error: a name that the policy does not have
export const wrong: RunOptions = { unvail: {} };
export const parts: unknown[] = [extractArchive, compile];
export type Failure = CloisterError;
`;

const RESOLUTIONS = {
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  node16: { module: 'node16', moduleResolution: 'node16' },
  bundler: { module: 'preserve', moduleResolution: 'bundler' },
};

function write(project, name, text) {
  writeFileSync(path.join(project, name), text);
  return name;
}

/** The compiler and the types of Node.js come from this checkout; everything else from the project. */
function typeCheck(project, environment, resolution) {
  const types = path.join(project, 'node_modules', '@types');
  mkdirSync(types, { recursive: true });
  for (const name of ['node']) {
    const target = path.join(types, name);
    command('rm', ['-f', target], { env: process.env });
    symlinkSync(realpathSync(path.join(ROOT, 'node_modules', '@types', name)), target);
  }
  const files = [write(project, 'types.mts', TYPES), write(project, 'types.cts', TYPES)];
  const compilerOptions = { ...RESOLUTIONS[resolution], strict: true, noEmit: true, target: 'es2022', types: ['node'] };
  write(
    project,
    'tsconfig.json',
    JSON.stringify({ compilerOptions: { ...compilerOptions, skipLibCheck: false }, files }),
  );
  command('node', [path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', project], {
    cwd: project,
    env: environment,
  });
}

/** Elsewhere than on Linux: nothing but this program knows that it is one. */
const OTHER_PLATFORM = `
Object.defineProperty(process, 'platform', { value: 'darwin' });
const { CloisterError, probe, restrictSelf, runIsolated } = await import('cloister');
await import('cloister/seccomp');
await import('cloister/archive');
console.log(probe().platform, probe().backends.length);
const codes = [
  await runIsolated('true').catch(({ code }) => code),
  await Promise.resolve().then(() => restrictSelf({ pledge: 'stdio' })).catch(({ code }) => code),
];
console.log(codes.join());
`;

const NO_PREBUILD = `
const { runIsolated } = await import('cloister');
const error = await runIsolated('true').catch((error) => error);
console.log(error.code, error.message, error.hint);
`;

/** With its prebuilds out of sight, as on a platform that has none. */
function withoutPrebuilds(project, deed) {
  const folder = path.join(realpathSync(path.join(project, 'node_modules', 'cloister')), 'prebuilds');
  renameSync(folder, `${folder}-away`);
  try {
    deed();
  } finally {
    renameSync(`${folder}-away`, folder);
  }
}

const laidOut = ['npm', 'pnpm', 'yarn'];

export const CHECKS = [
  {
    title: 'is imported by ESM',
    check: ({ project, manager }) => assert.equal(manager.node([write(project, 'use.mjs', ESM)]).stdout, EXPECTED),
  },
  {
    title: 'is required by CommonJS, with the same classes',
    check: ({ project, manager }) => assert.equal(manager.node([write(project, 'use.cjs', CJS)]).stdout, EXPECTED),
  },
  ...Object.keys(RESOLUTIONS).map((resolution) => ({
    title: `has types under ${resolution}`,
    only: laidOut,
    check: ({ project, environment }) => typeCheck(project, environment, resolution),
  })),
  {
    title: 'has a command',
    check: ({ manager }) => {
      assert.equal(manager.command(['cloister', 'run', 'echo', 'inside']).stdout, 'inside\n');
      assert.match(manager.command(['cloister', 'probe']).stdout, /backend/);
    },
  },
  {
    title: 'is imported on another platform and throws when used',
    check: ({ project, manager }) => {
      const { stdout } = manager.node([write(project, 'other.mjs', OTHER_PLATFORM)]);
      assert.equal(stdout, 'darwin 0\nERR_CLOISTER_UNSUPPORTED,ERR_CLOISTER_UNSUPPORTED\n');
    },
  },
  {
    title: 'says without a prebuild what was tried and how to build',
    only: laidOut,
    check: ({ project, manager }) => {
      withoutPrebuilds(project, () => {
        const { stdout } = manager.node([write(project, 'none.mjs', NO_PREBUILD)]);
        assert.match(stdout, /^ERR_CLOISTER_SETUP .*prebuilds.*npm run build:native/s);
        const { status, stderr } = manager.command(['cloister', 'run', 'true'], { allowFailure: true });
        assert.notEqual(status, 0);
        assert.match(stderr, /npm run build:native/);
      });
    },
  },
];
