// Compiles lib/ to dist/ and writes the CommonJS doorways. Does nothing when dist/ is newer than its sources.
// --force compiles in any case.

import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The public entry points, from "exports" in package.json. */
const entries = Object.keys(JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).exports)
  .filter((name) => !name.endsWith('.json'))
  .map((name) => (name === '.' ? 'index' : name.slice('./'.length)));
const dist = path.join(root, 'dist');
const stamp = path.join(dist, '.built');

const shared = { config: false, platform: 'node', target: 'node20.19', clean: false, fixedExtension: false };

/** One output file per source, at the same depth: dist/ reads like lib/, and paths relative to a module are the same. */
function moduleBuild() {
  const entry = [...entries.map((name) => `lib/${name}.ts`), 'lib/cli/main.ts'];
  return {
    ...shared,
    entry: entry.filter((file) => existsSync(path.join(root, file))),
    format: 'esm',
    unbundle: true,
    // Left alone, the bundler follows the module to the library's own files and puts them into dist/node_modules.
    deps: { neverBundle: /\/zod\.js$/ },
    dts: true,
    logLevel: 'warn',
  };
}

/** The unpacker of cloister/archive: one file with its libraries, so that the cell it runs in needs no folder of packages. */
function unpackerBundle() {
  return {
    ...shared,
    entry: { 'archive/worker': 'lib/archive/worker/main.ts' },
    format: 'esm',
    dts: false,
    deps: { alwaysBundle: /^/, onlyBundle: false },
    // The package exports its stream only.
    alias: { 'tar-stream/headers': path.join(root, 'node_modules/tar-stream/headers.js') },
    logLevel: 'warn',
  };
}

/** The one module that brings a library along. */
const WITH_LIBRARY = 'policy/zod';

function libraryBuild() {
  return {
    ...shared,
    entry: { [WITH_LIBRARY]: `lib/${WITH_LIBRARY}.ts` },
    format: 'esm',
    dts: false,
    noExternal: ['zod', /^zod\//],
    // Its licence asks for that.
    banner: { js: `/*\n${readFileSync(path.join(root, 'node_modules/zod/LICENSE'), 'utf8').trim()}\n*/` },
    logLevel: 'error',
  };
}

/** Declarations for CommonJS callers, each with all that it needs. */
function commonJsDeclarations() {
  return {
    ...shared,
    entry: entries.map((name) => `lib/${name}.ts`),
    format: 'cjs',
    dts: { emitDtsOnly: true },
    logLevel: 'error',
  };
}

function newest(file) {
  const { mtimeMs } = statSync(file);
  if (!statSync(file).isDirectory()) {
    return mtimeMs;
  }
  // A folder's own time counts too: it changes when a file is removed.
  return Math.max(mtimeMs, ...readdirSync(file).map((name) => newest(path.join(file, name))));
}

function upToDate() {
  const inputs = ['lib', 'package.json', 'tsconfig.json', 'tools/build-ts.mjs'];
  return existsSync(stamp) && inputs.every((input) => newest(path.join(root, input)) < statSync(stamp).mtimeMs);
}

/**
 * `require('cloister')` gets the same module object, hence the same classes, as `import`: of the CommonJS build only
 * the declarations are kept, and one line stands for the code.
 */
function writeDoorways(folder, commonjs) {
  for (const name of readdirSync(commonjs).filter((file) => file.endsWith('.d.cts'))) {
    copyFileSync(path.join(commonjs, name), path.join(folder, name));
    const entry = name.slice(0, -'.d.cts'.length);
    if (existsSync(path.join(folder, `${entry}.js`))) {
      writeFileSync(path.join(folder, `${entry}.cjs`), `module.exports = require('./${entry}.js');\n`);
    }
  }
}

/** The licences of what is bundled have to go with it. Packages are told by the marks that the bundler leaves; one of them is a bundle itself and has none. */
function writeLicenses(bundle) {
  const marks = readFileSync(bundle, 'utf8').matchAll(/#region node_modules\/((?:@[^/\s]+\/)?[^/\s]+)/g);
  const texts = [...new Set(['xz-decompress', ...[...marks].map(([, name]) => name)])].sort().map((name) => {
    const folder = path.join(root, 'node_modules', name);
    const { version, license, author } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
    const holder = typeof author === 'string' ? author : (author?.name ?? '');
    const text = file === undefined ? `Copyright ${holder}`.trim() : readFileSync(path.join(folder, file), 'utf8');
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  writeFileSync(path.join(path.dirname(bundle), 'LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`));
}

async function main() {
  if (upToDate() && !process.argv.includes('--force')) {
    return;
  }
  const { build } = await import('tsdown');
  // Built aside and then swapped in: programs that run from dist/ meanwhile keep a whole tree.
  const scratch = path.join(root, '.cache', `dist-${process.pid}`);
  const [fresh, commonjs, library, old] = ['esm', 'cjs', 'library', 'old'].map((name) => path.join(scratch, name));
  const started = new Date();
  await build({ ...moduleBuild(), cwd: root, outDir: fresh });
  await build({ ...unpackerBundle(), cwd: root, outDir: fresh });
  writeLicenses(path.join(fresh, 'archive/worker.js'));
  await build({ ...commonJsDeclarations(), cwd: root, outDir: commonjs });
  await build({ ...libraryBuild(), cwd: root, outDir: library });
  renameSync(path.join(library, `${WITH_LIBRARY}.js`), path.join(fresh, `${WITH_LIBRARY}.js`));
  writeDoorways(fresh, commonjs);
  const command = path.join(fresh, 'cli', 'main.js');
  if (existsSync(command)) {
    chmodSync(command, 0o755);
  }
  writeFileSync(path.join(fresh, '.built'), `${started.toISOString()}\n`);
  if (existsSync(dist)) {
    renameSync(dist, old);
  }
  renameSync(fresh, dist);
  rmSync(scratch, { recursive: true, force: true });
}

await main();
