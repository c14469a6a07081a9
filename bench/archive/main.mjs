// Compares extractArchive with tar and unzip of the system: 5,000 small files, and one of 500 MB. The contenders take turns within one run; what counts are the ratios.
// Starting Node.js in a cell costs the same whatever the archive holds: it is measured apart, with an archive of one empty file.
//
//   node bench/archive/main.mjs [--rounds N] [--directory DIR]

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { extractArchive } from '../../dist/archive.js';

const FILES = 5000;
const LARGE = 500_000_000;
const LIMITS = { ratio: 10_000 };

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '7' }, directory: { type: 'string', default: '/var/tmp' } },
});
const rounds = Number(values.rounds);

const folder = fs.mkdtempSync(path.join(values.directory, 'cloister-bench-'));
const at = (name) => path.join(folder, name);

/** Text that compresses as source code does, different in each file. */
function words(seed, length) {
  let state = seed + 1;
  let text = '';
  while (text.length < length) {
    state = (state * 1103515245 + 12345) % 2147483648;
    text += `${(state % 997).toString(36)} `;
  }
  return text.slice(0, length);
}

function makeSources() {
  for (let index = 0; index < FILES; index++) {
    const directory = at(`small/${index % 50}/${index % 7}`);
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(path.join(directory, `file-${index}.txt`), words(index, 500 + (index % 20) * 300));
  }
  fs.mkdirSync(at('large'));
  const block = Buffer.from(words(7, 1_000_000));
  const file = fs.openSync(at('large/data'), 'w');
  for (let written = 0; written < LARGE; written += block.length) {
    // Not the same in each, lest one block be all that is unpacked.
    block.writeUInt32LE(written, (written / block.length) % 900_000);
    fs.writeSync(file, block);
  }
  fs.closeSync(file);
  fs.mkdirSync(at('one'));
  fs.writeFileSync(at('one/empty'), '');
}

function makeArchives(name) {
  const run = (command, ...args) => execFileSync(command, args, { cwd: folder, stdio: 'ignore' });
  run('tar', '-cf', `${name}.tar`, name);
  run('tar', '-czf', `${name}.tar.gz`, name);
  run('zip', '-qr', `${name}.zip`, name);
}

const SYSTEM = {
  tar: (archive, destination) => ['tar', '-xf', archive, '-C', destination],
  'tar.gz': (archive, destination) => ['tar', '-xzf', archive, '-C', destination],
  zip: (archive, destination) => ['unzip', '-q', archive, '-d', destination],
};

async function timed(action) {
  const destination = at('out');
  const began = performance.now();
  await action(destination);
  const took = performance.now() - began;
  fs.rmSync(destination, { recursive: true });
  return took;
}

const ours = (archive) => (destination) => extractArchive(archive, destination, { limits: LIMITS });
const system = (format, archive) => (destination) => {
  fs.mkdirSync(destination);
  const [command, ...args] = SYSTEM[format](archive, destination);
  execFileSync(command, args, { stdio: 'ignore' });
};

function median(list) {
  return list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
}

async function compare(name, format, startUp) {
  const archive = at(`${name}.${format}`);
  const times = { ours: [], system: [] };
  for (let round = -1; round < rounds; round++) {
    const both = { ours: await timed(ours(archive)), system: await timed(system(format, archive)) };
    if (round >= 0) {
      times.ours.push(both.ours);
      times.system.push(both.system);
    }
  }
  const [mine, theirs] = [median(times.ours), median(times.system)];
  const label = `${name}, ${format}`.padEnd(16);
  console.log(
    `${label} cloister ${mine.toFixed(0).padStart(6)} ms  system ${theirs.toFixed(0).padStart(6)} ms  ratio ${(mine / theirs).toFixed(2)}, ` +
      `without start-up ${((mine - startUp) / theirs).toFixed(2)}`,
  );
}

try {
  makeSources();
  ['small', 'large', 'one'].forEach(makeArchives);
  console.log(
    `${os.type()} ${os.release()}, Node ${process.version}, ${os.cpus().length} processors, load ${os.loadavg()[0].toFixed(1)}`,
  );
  const starts = [];
  for (let round = -2; round < Math.max(rounds, 9); round++) {
    const took = await timed(ours(at('one.tar')));
    if (round >= 0) {
      starts.push(took);
    }
  }
  const startUp = median(starts);
  console.log(`start-up: ${startUp.toFixed(0)} ms (an archive of one empty file)`);
  for (const name of ['small', 'large']) {
    for (const format of Object.keys(SYSTEM)) {
      await compare(name, format, startUp);
    }
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
