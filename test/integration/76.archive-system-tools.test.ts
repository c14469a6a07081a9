/** examples/harden-extractors: each extractor of the system works in its cell, and one that attacks the machine instead gets nowhere. */

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lchownSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { USERS, type User } from '../support/in-subprocess.js';
import { idOf, scratch } from '../support/scratch.js';

const EXTRACT = fileURLToPath(new URL('../../examples/harden-extractors/extract.mjs', import.meta.url));

/** What stands in for an exploited extractor: a line for each deed, and what came of it. SECRET and OUTSIDE are paths of the host. */
const ATTACK = `#!/bin/bash
seen=$(mktemp)
try() {
  local what=$1; shift
  # Outside of the cell, for comparison, only what harms nobody is done.
  if [ "$HARMLESS" = 1 ]; then case $what in shadow|archive|system|device|setuid) return;; esac; fi
  if "$@" > "$seen" 2> /dev/null; then echo "$what: got $(head -c 40 "$seen" | tr '\\n\\0' '  ')"; else echo "$what: refused"; fi
}
try secret cat SECRET
try outside touch OUTSIDE/made
try shadow cat /etc/shadow
try archive sh -c 'echo x >> /archive'
try system touch /usr/bin/made
try victim kill -0 VICTIM
try network bash -c 'exec 3<>/dev/udp/127.0.0.1/9; ls /sys/class/net | grep -v "^lo$" || grep -v lo: /proc/net/dev | grep :'
try device mknod null c 1 3
try setuid sh -c 'cp /usr/bin/id su; chmod 4755 su'
try execute sh -c 'cp /usr/bin/id run; chmod 755 run; ./run'
rm -f su run "$seen"
echo unpacked > file
`;

interface Scene {
  folder: string;
  victim: number;
}

function run(user: User, words: readonly string[], cwd: string): { output: string; status: number | null } {
  const ids =
    user === 'nobody' ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'] : [];
  const [command = '', ...args] = [...ids, ...words];
  const { stdout, stderr, status } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 25_000 });
  return { output: `${stdout}${stderr}`, status };
}

function makeScene(user: User): Scene {
  const folder = scratch(user, { secret: 'of the host', 'source/file': 'unpacked\n', 'source/tool': '#!/bin/sh\n' });
  chmodSync(path.join(folder, 'source/tool'), 0o755);
  execFileSync('tar', ['-czf', 'archive.tar.gz', '-C', 'source', '.'], { cwd: folder });
  execFileSync('zip', ['-qr', '../archive.zip', '.'], { cwd: path.join(folder, 'source') });
  mkdirSync(path.join(folder, 'outside'));
  for (const name of ['archive.tar.gz', 'archive.zip', 'outside']) {
    lchownSync(path.join(folder, name), idOf(user), idOf(user));
  }
  return { folder, victim: process.pid };
}

function plant({ folder, victim }: Scene, name: string, text: string): string {
  const program = path.join(folder, name);
  const filled = text
    .replace('SECRET', path.join(folder, 'secret'))
    .replace('OUTSIDE', path.join(folder, 'outside'))
    .replace('VICTIM', String(victim));
  writeFileSync(program, filled, { mode: 0o755 });
  return program;
}

const TOOLS = [
  ['tar', 'archive.tar.gz'],
  ['bsdtar', 'archive.tar.gz'],
  ['unzip', 'archive.zip'],
] as const;

describe.each(USERS)('as %s', (user) => {
  it.each(TOOLS)('%s unpacks in its cell', (tool, archive) => {
    const { folder } = makeScene(user);
    const { output, status } = run(user, [process.execPath, EXTRACT, tool, archive, 'out'], folder);
    expect([output, status]).toEqual(['', 0]);
    expect(readFileSync(path.join(folder, 'out/file'), 'utf8')).toBe('unpacked\n');
    expect(readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it.each(TOOLS)('a program in the place of %s gets nowhere, and gets there without the cell', (tool, archive) => {
    const scene = makeScene(user);
    const { folder } = scene;
    const program = plant(scene, tool, ATTACK);
    const { output, status } = run(user, [process.execPath, EXTRACT, tool, archive, 'out', program], folder);
    const deeds = [
      'secret',
      'outside',
      'shadow',
      'archive',
      'system',
      'victim',
      'network',
      'device',
      'setuid',
      'execute',
    ];
    expect(output.trim().split('\n')).toEqual(deeds.map((deed) => `${deed}: refused`));
    expect(status).toBe(0);
    expect(readdirSync(path.join(folder, 'out'))).toEqual(['file']);
    expect(readdirSync(path.join(folder, 'outside'))).toEqual([]);

    mkdirSync(path.join(folder, 'plain'));
    lchownSync(path.join(folder, 'plain'), idOf(user), idOf(user));
    const outside = run(user, ['env', 'HARMLESS=1', program], path.join(folder, 'plain'));
    expect(outside.output).toContain('secret: got of the host');
    expect(outside.output).toContain('outside: got');
    expect(outside.output).toContain('execute: got uid=');
    expect(readdirSync(path.join(folder, 'outside'))).toEqual(['made']);
  });

  it.each([
    ['a link to the host', 'ln -s /etc/passwd link', 'link leads outside'],
    ['a link upwards', 'mkdir d; ln -s ../../../secret d/link', 'd/link'],
    ['a fifo', 'mkfifo pipe', 'pipe is no plain file'],
    ['nothing, with an error', 'exit 3', 'exit code 3'],
    ['too large a file', 'truncate -s 2G large', 'did not unpack'],
    ['more output than is read', 'yes', 'output'],
  ])('%s is not taken', (_, script, complaint) => {
    const scene = makeScene(user);
    const program = plant(scene, 'tar', `#!/bin/bash\nset -e\n${script}\n`);
    const { output, status } = run(
      user,
      [process.execPath, EXTRACT, 'tar', 'archive.tar.gz', 'out', program],
      scene.folder,
    );
    expect(output).toContain(complaint);
    expect(status).toBe(1);
    expect(existsSync(path.join(scene.folder, 'out'))).toBe(false);
    expect(readdirSync(scene.folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
