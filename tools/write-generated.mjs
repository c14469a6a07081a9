// What every tools/generate-*.mjs ends with: writes its output, or with --check tells whether the file is up to date.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The text as the formatters want it, so that a generated file passes the format check. */
function formatted(file, text) {
  const options = { cwd: root, input: text, encoding: 'utf8' };
  if (/\.(ts|mts|js|mjs|json)$/.test(file)) {
    return execFileSync('node_modules/.bin/biome', ['format', `--stdin-file-path=${file}`], options);
  }
  if (/\.(h|cc)$/.test(file)) {
    return execFileSync('clang-format-19', [`--assume-filename=${file}`], options);
  }
  return text;
}

/**
 * @param {string} file relative to the project
 * @param {string} text
 */
export function writeGenerated(file, text) {
  const wanted = formatted(file, text);
  const target = path.join(root, file);
  const present = existsSync(target) ? readFileSync(target, 'utf8') : undefined;
  if (present === wanted) {
    return;
  }
  if (process.argv.includes('--check')) {
    console.error(`${file} is out of date: run node ${path.relative(root, process.argv[1])}`);
    process.exitCode = 1;
    return;
  }
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, wanted);
}
