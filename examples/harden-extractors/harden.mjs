// An application that has always called tar, unzip or bsdtar goes on doing so, in a cell: the program sees the archive and an empty directory, and nothing else that
// is not part of the system. See README.md for what changes and what does not.

import fs from 'node:fs';
import path from 'node:path';

import { runIsolated } from 'cloister';

/** What each program is called with; the archive is /archive and the directory to unpack to is the working directory. */
const TOOLS = {
  tar: ['--extract', '--file=/archive', '--no-same-owner', '--no-same-permissions'],
  bsdtar: ['-x', '-f', '/archive', '--no-same-owner', '--no-same-permissions'],
  unzip: ['-q', '-n', '/archive'],
};

const LIMITS = { wallTime: '2m', memory: '512MiB', processes: 8, fileSize: '1GiB', output: '1MiB' };

/** Unpacks `archive` to `destination`, which must not exist. `program` stands for the system's own in tests. */
export async function extract(tool, archive, destination, { program = `/usr/bin/${tool}` } = {}) {
  // Beside the destination, so that it can be moved there in one step; readable for nobody until it has been looked at.
  const staging = fs.mkdtempSync(path.join(path.dirname(destination), '.unpacking-'));
  const output = path.join(staging, 'tree');
  fs.mkdirSync(output);
  try {
    const { reason, exitCode, stderr, stdout } = await runIsolated('/extractor', TOOLS[tool], {
      mounts: [
        { type: 'bind', source: program, target: '/extractor' },
        { type: 'bind', source: archive, target: '/archive', executable: false },
        { type: 'bind', source: output, target: '/out', writable: true, executable: false },
      ],
      cwd: '/out',
      limits: LIMITS,
    });
    if (reason !== 'exited' || exitCode !== 0) {
      throw new Error(`${tool} did not unpack ${archive} (${reason}, exit code ${exitCode}): ${stderr}`);
    }
    inspect(output, output);
    fs.renameSync(output, destination);
    return stdout;
  } finally {
    fs.rmSync(staging, { recursive: true, force: true });
  }
}

/** The cell kept the program in; what it left may still be a trap for whoever reads it. */
function inspect(directory, top) {
  for (const name of fs.readdirSync(directory)) {
    const file = path.join(directory, name);
    const status = fs.lstatSync(file);
    if (status.isDirectory()) {
      inspect(file, top);
    } else if (status.isSymbolicLink()) {
      // Followed to its end, also through other links. One that leads nowhere is refused as well.
      if (!`${fs.realpathSync(file)}/`.startsWith(`${fs.realpathSync(top)}/`)) {
        throw new Error(`${path.relative(top, file)} leads outside`);
      }
    } else if (!status.isFile() || (status.mode & 0o6000) !== 0) {
      throw new Error(`${path.relative(top, file)} is no plain file`);
    }
  }
}
