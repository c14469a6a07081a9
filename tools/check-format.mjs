// Formatting: biome for TypeScript, JavaScript and JSON, clang-format for C++. --write formats instead of checking;
// file names restrict it to those files.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const write = process.argv.includes('--write');
const wanted = process.argv.slice(2).filter((argument) => argument !== '--write');
const isCpp = (name) => /\.(h|cc|c)$/.test(name);

function cppFiles() {
  return ['native', 'test/native', 'test/fuzz', 'test/sandboxee', 'bench', 'examples']
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter(isCpp)
        .map((name) => `${folder}/${name}`),
    );
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) {
    console.error(`cannot run ${command}: ${error.message} (tools/install-debian-packages.sh installs it)`);
  }
  return status === 0;
}

const cpp = wanted.length > 0 ? wanted.filter(isCpp) : cppFiles();
const others = wanted.length > 0 ? wanted.filter((name) => !isCpp(name)) : ['.'];
let good = true;
if (others.length > 0) {
  const biome = path.join(root, 'node_modules/.bin/biome');
  good = run(biome, ['format', '--max-diagnostics=200', ...(write ? ['--write'] : []), ...others]) && good;
}
if (cpp.length > 0) {
  good = run('clang-format-19', [...(write ? ['-i'] : ['--dry-run', '--Werror']), ...cpp]) && good;
}
process.exit(good ? 0 : 1);
