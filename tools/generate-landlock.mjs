// Writes the TypeScript views of native/landlock/rights.def, the only list of Landlock's rights. --check compares instead of writing.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { writeGenerated } from './write-generated.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const listFile = 'native/landlock/rights.def';

function readRights() {
  return readFileSync(path.join(root, listFile), 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('//'))
    .map((line) => {
      const match = /^CLOISTER_LANDLOCK_(FS|NET|SCOPE)\("([a-z-]+)", (\d+), (\d+)(?:, (FILE|DIR))?\)$/.exec(line);
      if (match === null) {
        throw new Error(`${listFile}: cannot read ${JSON.stringify(line)}`);
      }
      const [, kind, name, bit, abi, file] = match;
      return { kind: kind.toLowerCase(), name, bit: Number(bit), abi: Number(abi), file: file === 'FILE' };
    });
}

const rights = readRights();
const head = `// Generated from ${listFile} by tools/generate-landlock.mjs.\n`;
const ofKind = (kind) => rights.filter((right) => right.kind === kind);
const union = (kind) =>
  ofKind(kind)
    .map(({ name }) => `'${name}'`)
    .join(' | ');
const masks = (kind) =>
  ofKind(kind)
    .map(({ name, bit }) => `  '${name}': ${2 ** bit},`)
    .join('\n');

writeGenerated(
  'lib/plan/landlock-rights.ts',
  `${head}
/** What may be done to files. */
export type FsRight = ${union('fs')};
/** What may be done with ports. */
export type NetRight = ${union('net')};
/** What is kept within the domain. */
export type ScopeName = ${union('scope')};

/** The ABI of Landlock that brought each right. */
export const FS_RIGHTS: Readonly<Record<FsRight, { readonly abi: number; readonly file: boolean }>> = {
${ofKind('fs')
  .map(({ name, abi, file }) => `  '${name}': { abi: ${abi}, file: ${file} },`)
  .join('\n')}
};
export const NET_RIGHTS: Readonly<Record<NetRight, { readonly abi: number }>> = {
${ofKind('net')
  .map(({ name, abi }) => `  '${name}': { abi: ${abi} },`)
  .join('\n')}
};
export const SCOPES: Readonly<Record<ScopeName, { readonly abi: number }>> = {
${ofKind('scope')
  .map(({ name, abi }) => `  '${name}': { abi: ${abi} },`)
  .join('\n')}
};
`,
);

writeGenerated(
  'lib/native/landlock-masks.ts',
  `${head}
import type { FsRight, NetRight, ScopeName } from '../plan/landlock-rights.js';

/** Masks of the kernel's, linux/landlock.h. */
export const FS_MASKS: Readonly<Record<FsRight, number>> = {
${masks('fs')}
};
export const NET_MASKS: Readonly<Record<NetRight, number>> = {
${masks('net')}
};
export const SCOPE_MASKS: Readonly<Record<ScopeName, number>> = {
${masks('scope')}
};
`,
);
