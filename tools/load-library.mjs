// Loads modules of lib/ from their TypeScript, for tools that write files from the data in them before anything is built.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const library = path.join(root, 'lib');

/**
 * @param {readonly string[]} sources files of lib/, and folders of it with all that lies below
 * @param {readonly string[]} wanted modules among them, such as 'policy/schema.js'
 * @returns {Promise<Record<string, unknown>>} what those export, together
 */
export async function loadLibrary(sources, wanted) {
  // Where the dependencies can be found.
  const cache = path.join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const output = mkdtempSync(path.join(cache, 'library-'));
  try {
    writeFileSync(path.join(output, 'package.json'), '{"type":"module"}');
    for (const file of sources.flatMap(filesOf)) {
      transpile(file, output);
    }
    const modules = await Promise.all(wanted.map((file) => import(pathToFileURL(path.join(output, file)).href)));
    return Object.assign({}, ...modules);
  } finally {
    rmSync(output, { recursive: true });
  }
}

function filesOf(source) {
  if (source.endsWith('.ts')) {
    return [source];
  }
  return readdirSync(path.join(library, source), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${source}/${name}`);
}

function transpile(file, output) {
  const { outputText } = ts.transpileModule(readFileSync(path.join(library, file), 'utf8'), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  });
  const target = path.join(output, file.replace(/\.ts$/, '.js'));
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, outputText);
}
