/** Entries of an archive as `ls -l` shows files. Names come with control characters replaced. */

import type { ArchiveEntry } from '../archive/types.js';

const KINDS: Readonly<Record<ArchiveEntry['type'], string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  hardlink: 'h',
  other: '?',
};

export function describeEntries(entries: readonly ArchiveEntry[]): string {
  const width = Math.max(1, ...entries.map(({ size }) => String(size).length));
  return entries.map((entry) => `${describeEntry(entry, width)}\n`).join('');
}

function describeEntry({ path, type, size, mode, mtime, target, unsafe }: ArchiveEntry, width: number): string {
  return [
    `${KINDS[type]}${permissions(mode)}`,
    String(size).padStart(width),
    time(mtime),
    `${path}${target === undefined ? '' : ` -> ${target}`}${unsafe === undefined ? '' : `  [unsafe: ${unsafe}]`}`,
  ].join('  ');
}

function permissions(mode: number | null): string {
  if (mode === null) {
    return '?????????';
  }
  const letters = Array.from('rwxrwxrwx', (letter, index) => ((mode >> (8 - index)) & 1 ? letter : '-'));
  // As ls(1): set-id and sticky bits in the place of x, in capitals where x itself is missing.
  for (const [bit, place, letter] of [
    [0o4000, 2, 's'],
    [0o2000, 5, 's'],
    [0o1000, 8, 't'],
  ] as const) {
    if ((mode & bit) !== 0) {
      letters[place] = letters[place] === 'x' ? letter : letter.toUpperCase();
    }
  }
  return letters.join('');
}

function time(mtime: number | null): string {
  return mtime === null ? ' '.repeat(16) : new Date(mtime).toISOString().slice(0, 16).replace('T', ' ');
}
