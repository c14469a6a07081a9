/** Typing into the caller's terminal: TIOCSTI (CVE-2017-5226 in bubblewrap, CVE-2016-2568), TIOCLINUX (CVE-2023-1523 in snapd), and stealing it. */

import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { DEEDS, deedsInCell } from '../support/cells.js';
import { deedsProgram, parseResults } from '../support/deeds.js';
import { USERS, type User } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const DIST = new URL('../../dist/index.js', import.meta.url).href;

/** Runs a shell command on a new terminal that is its controlling one; what it writes to the file. */
function onTerminal(user: User, command: string, output: string): string {
  const words =
    user === 'nobody' ? `setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all ${command}` : command;
  spawnSync('script', ['-qec', words, '/dev/null'], { stdio: ['ignore', 'ignore', 'ignore'], timeout: 20_000 });
  return readFileSync(output, 'utf8');
}

describe.each(USERS)('the caller’s terminal, as %s', (user) => {
  const deeds = [
    'is-terminal,0',
    'open-terminal',
    'tiocsti,0',
    'tiocsti-high,0',
    'tioclinux,0',
    'set-discipline,0',
    'steal-terminal,0',
  ];

  it('can be used and not be typed into, nor taken', () => {
    const folder = scratch(user, { inside: '', outside: '' });
    const file = path.join(folder, 'cell.mjs');
    const options = { mounts: [{ type: 'bind', source: deedsProgram(), target: DEEDS }] };
    writeFileSync(
      file,
      `import { openSync } from 'node:fs';
       import { spawnIsolated } from ${JSON.stringify(DIST)};
       const child = spawnIsolated('${DEEDS}', ${JSON.stringify(deeds)}, { ...${JSON.stringify(options)}, stdio: ['inherit', openSync('${folder}/inside', 'w'), 'inherit'] });
       await child.outcome;`,
    );
    chmodSync(file, 0o644);
    const inside = parseResults(onTerminal(user, `${process.execPath} ${file}`, path.join(folder, 'inside')));
    expect(inside).toEqual({
      'is-terminal,0': 'OK',
      'open-terminal': 'ENXIO',
      'tiocsti,0': 'EPERM',
      'tiocsti-high,0': 'EPERM',
      'tioclinux,0': 'EPERM',
      'set-discipline,0': 'EPERM',
      'steal-terminal,0': 'EPERM',
    });
    const program = `sh -c '${deedsProgram()} ${deeds.slice(0, 4).join(' ')} > ${folder}/outside'`;
    const outside = parseResults(onTerminal(user, program, path.join(folder, 'outside')));
    expect(outside).toMatchObject({ 'is-terminal,0': 'OK', 'open-terminal': 'OK' });
    // Kernels may be configured without TIOCSTI for anybody (dev.tty.legacy_tiocsti, 6.2).
    expect(outside['tiocsti,0']).toMatch(/^(OK|EIO)$/);
  });

  it('a terminal of the cell’s own can be used as one', async () => {
    expect(await deedsInCell(user, ['new-terminal', 'tiocsti,0'])).toMatchObject({ 'new-terminal': 'OK:/dev/pts/0' });
  });
});
