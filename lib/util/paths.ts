/** Paths as text. Nothing here looks at a file system. */

import { posix } from 'node:path';

/** The names of a path, without empty ones and `.`; `..` is kept. */
export function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** Without repeated and trailing slashes and `.`; `..` is kept, since what it means depends on links. */
export function tidy(path: string): string {
  return `/${components(path).join('/')}`;
}

export function hasParentReference(path: string): boolean {
  return path.split('/').includes('..');
}

export function isAbsolute(path: string): boolean {
  return path.startsWith('/');
}

/** Absolute and normalised: `~/x` in `home`, anything else relative in `cwd`. Resolves `..` as text, like path.resolve. */
export function resolveFrom(cwd: string, home: string, path: string): string {
  if (path === '~' || path.startsWith('~/')) {
    return posix.resolve(home, path.slice(2));
  }
  return posix.resolve(cwd, path);
}

/** Whether `path` is `ancestor` or lies below it; both absolute and normalised. */
export function isWithin(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(ancestor === '/' ? '/' : `${ancestor}/`);
}

export function join(directory: string, name: string): string {
  return directory === '/' ? `/${name}` : `${directory}/${name}`;
}

export function dirname(path: string): string {
  return posix.dirname(path);
}

/** The path itself and every directory above it, up to '/'. Absolute and normalised. */
export function withParents(path: string): string[] {
  const paths = [path];
  for (let above = path; above !== '/'; ) {
    above = dirname(above);
    paths.push(above);
  }
  return paths;
}
