// Reads the #include lines of native/, for the checks that judge or follow them.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** All headers and sources, relative to the project. */
export function nativeFiles() {
  return readdirSync(path.join(root, 'native'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(h|cc)$/.test(name))
    .map((name) => `native/${name}`)
    .sort();
}

/** The includes of a file: { line, name, system }. */
export function includesOf(file) {
  return readFileSync(path.join(root, file), 'utf8')
    .split('\n')
    .flatMap((text, index) => {
      const match = /^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)/.exec(text);
      return match === null ? [] : [{ line: index + 1, name: match[1] ?? match[2], system: match[2] !== undefined }];
    });
}

/** A file and all files of the project that it includes, directly or not. */
export function closureOf(file) {
  const seen = new Set([file]);
  for (const current of seen) {
    for (const { name, system } of includesOf(current)) {
      if (!system && existsSync(path.join(root, name))) {
        seen.add(name);
      }
    }
  }
  return [...seen].sort();
}
