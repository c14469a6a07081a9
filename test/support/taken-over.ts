/** A copy of the package whose unpacker has been taken over: it runs the archive, which is JavaScript, with all that the cell has. */

import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { ExtractOptions } from '../../lib/archive.js';
import type { UnpackingResult } from './archives.js';
import { treeOf } from './archives.js';
import { inSubprocess, type User } from './in-subprocess.js';
import { listing, scratch } from './scratch.js';
import type { PlainError } from './subprocess-context.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** `fs`, `net`, `os`, `child_process` and `say`, a line on the channel to the other side, are there for the archive to use. */
const HOSTILE_UNPACKER = `
import * as fs from 'node:fs';
import * as net from 'node:net';
import * as os from 'node:os';
import * as child_process from 'node:child_process';
const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n');
const done = (bytes = 0) => say({ type: 'done', format: 'zip', entries: 1, bytes });
const attempt = (deed) => { try { return String(deed()); } catch (error) { return error.code ?? String(error); } };
const warn = (path, reason) => say({ type: 'warning', path, reason });
process.chdir('/out');
const body = fs.readFileSync(0, 'utf8');
const Async = (async () => undefined).constructor;
await new Async('fs', 'net', 'os', 'child_process', 'say', 'done', 'attempt', 'warn', body)(fs, net, os, child_process, say, done, attempt, warn);
process.exit(0);
`;

/** Folder of a copy of the package. */
function hostilePackage(user: User): string {
  const folder = scratch(user);
  for (const name of ['package.json', 'node_modules', 'build', 'native']) {
    symlinkSync(path.join(ROOT, name), path.join(folder, name));
  }
  cpSync(path.join(ROOT, 'dist'), path.join(folder, 'dist'), { recursive: true });
  writeFileSync(path.join(folder, 'dist/archive/worker.js'), HOSTILE_UNPACKER);
  return folder;
}

export interface Attack {
  /** JavaScript. */
  script: string;
  options?: ExtractOptions;
}

/** What extractArchive makes of each, what is at the destination, and what else is in the folder around it. */
export async function takeOver(
  user: User,
  attacks: readonly Attack[],
): Promise<(UnpackingResult & { left: string[] })[]> {
  const copy = hostilePackage(user);
  const given = attacks.map(({ script, options = {} }) => {
    const folder = scratch(user, { secret: 'of the host' });
    const archive = path.join(copy, `archive-${String(Math.random()).slice(2)}`);
    writeFileSync(archive, script);
    mkdirSync(path.join(folder, 'kept'));
    return { folder, archive, destination: path.join(folder, 'out'), options };
  });
  const ends = await inSubprocess(
    async ({ archive: load, failureOf, data }) => {
      const { module, all } = data as {
        module: string;
        all: { archive: string; destination: string; options: ExtractOptions }[];
      };
      const { extractArchive } = await load(module);
      const results: { result: unknown; failure: unknown }[] = [];
      for (const { archive, destination, options } of all) {
        let result: unknown = null;
        const failure = await failureOf(async () => {
          result = await extractArchive(archive, destination, options);
        });
        results.push({ result, failure });
      }
      return results;
    },
    { user, data: { module: path.join(copy, 'dist/archive.js'), all: given } },
  );
  return given.map(({ folder, destination }, index) => {
    const end = ends[index] as { result: UnpackingResult['result']; failure: PlainError | null };
    const names = listing(folder).map((line) => line.split(' ')[0] ?? '');
    return {
      ...end,
      tree: names.includes('out') ? treeOf(destination) : null,
      left: names.filter((name) => name !== 'out' && !name.startsWith('out/')),
    };
  });
}
