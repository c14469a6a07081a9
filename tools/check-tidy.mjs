// clang-tidy over native/, two files at a time. A file is looked at again only when it, something that it includes or the
// configuration has changed: what was found clean is noted in .cache/tidy. Arguments restrict the run to those files.

import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { closureOf, nativeFiles, root } from './native-includes.mjs';

const buildFolder = path.join(root, 'build-native', 'tidy');
const cacheFolder = path.join(root, '.cache', 'tidy');

/** Compile commands, one for each source: clang-tidy would look at a file once for every product that it is part of. */
function compileCommands() {
  execFileSync('cmake', ['-S', root, '-B', buildFolder], { stdio: ['ignore', 'ignore', 'inherit'] });
  const file = path.join(buildFolder, 'compile_commands.json');
  const unique = new Map(JSON.parse(readFileSync(file, 'utf8')).map((entry) => [entry.file, entry]));
  writeFileSync(file, JSON.stringify([...unique.values()]));
  return unique;
}

function keyOf(source, command) {
  const hash = createHash('sha256').update(command);
  for (const file of ['.clang-tidy', 'native/child/.clang-tidy', ...closureOf(source)]) {
    hash.update(file).update(readFileSync(path.join(root, file)));
  }
  return hash.digest('hex');
}

function tidy(source) {
  return new Promise((resolve) => {
    const args = ['-p', buildFolder, '--quiet', source];
    execFile('clang-tidy-19', args, { cwd: root, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      const failed = error !== null;
      resolve({ failed, text: failed ? stdout || stderr || error.message : '' });
    });
  });
}

const wanted = process.argv.slice(2);
const commands = compileCommands();
const sources = nativeFiles().filter((file) => file.endsWith('.cc') && (wanted.length === 0 || wanted.includes(file)));
mkdirSync(cacheFolder, { recursive: true });

const queue = sources
  .map((source) => ({ source, entry: commands.get(path.join(root, source)) }))
  .map(({ source, entry }) => ({ source, entry, clean: path.join(cacheFolder, keyOf(source, entry?.command ?? '')) }))
  .filter(({ clean }) => !existsSync(clean));
const toDo = queue.length;
let bad = 0;

async function work() {
  for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
    if (job.entry === undefined) {
      console.error(`${job.source}: no product is built from it (tools/list-sources.mjs)`);
      bad += 1;
      continue;
    }
    const { failed, text } = await tidy(job.source);
    if (failed) {
      console.error(text.trimEnd());
      bad += 1;
    } else {
      writeFileSync(job.clean, '');
    }
  }
}

await Promise.all(Array.from({ length: availableParallelism() }, work));
console.log(`${sources.length} files, ${toDo} looked at, ${bad} with findings`);
process.exit(bad > 0 ? 1 : 0);
