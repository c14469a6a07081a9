/** The program of test/sandboxee/deeds, built once, and what it says. */

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { User } from './in-subprocess.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCES = path.join(ROOT, 'test/sandboxee/deeds');
const NOBODY = 65534;

/** A deed as it was given, and its result: `OK`, `OK:value`, or an error's name. */
export type Results = Record<string, string>;

let built: string | undefined;

/** Path of the program: static, so that it runs in any root. */
export function deedsProgram(): string {
  built ??= build();
  return built;
}

function build(): string {
  const sources = readdirSync(SOURCES)
    .sort()
    .map((name) => path.join(SOURCES, name));
  const hash = createHash('sha256');
  for (const source of sources) {
    hash.update(readFileSync(source));
  }
  const folder = path.join(ROOT, '.cache', 'sandboxee');
  const program = path.join(folder, `deeds-${hash.digest('hex').slice(0, 16)}`);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const fresh = `${program}.${String(process.pid)}`;
    const units = sources.filter((source) => source.endsWith('.c'));
    execFileSync('gcc', ['-O1', '-D_GNU_SOURCE', '-static', '-pthread', '-o', fresh, ...units], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    // Test files run at the same time: whoever is first, the name always stands for a whole program.
    renameSync(fresh, program);
  }
  return program;
}

export function parseResults(stdout: string): Results {
  const results: Results = {};
  for (const line of stdout.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) {
      results[line.slice(0, at)] = line.slice(at + 1);
    }
  }
  return results;
}

export interface OutsideOptions {
  cwd?: string;
  /** In new namespaces and as their root: what every user may do to himself (unshare(1)). */
  ownNamespaces?: boolean;
}

/** The same deeds without any cell. */
export function deedsOutside(
  user: User,
  deeds: readonly string[],
  { cwd, ownNamespaces = false }: OutsideOptions = {},
): Results {
  const words = [
    ...(user === 'nobody'
      ? ['setpriv', `--reuid=${String(NOBODY)}`, `--regid=${String(NOBODY)}`, '--clear-groups', '--inh-caps=-all']
      : []),
    ...(ownNamespaces ? ['unshare', '-Urmnui'] : []),
    deedsProgram(),
    ...deeds,
  ];
  const [command = '', ...args] = words;
  const { stdout, stderr, status } = spawnSync(command, args, { cwd: cwd ?? '/', encoding: 'utf8', timeout: 20_000 });
  if (status !== 0) {
    throw new Error(`${words.join(' ')} ended with ${String(status)}\n${stderr}`);
  }
  return parseResults(stdout);
}
