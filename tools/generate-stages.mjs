// Writes lib/native/stages.ts from native/plan/stages.def, the only list of stages. --check compares instead of writing.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { writeGenerated } from './write-generated.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const listFile = 'native/plan/stages.def';

function readStages() {
  return readFileSync(path.join(root, listFile), 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('//'))
    .map((line) => {
      const match = /^CLOISTER_STAGE\((\w+), "[^"]+"\)$/.exec(line);
      if (match === null) {
        throw new Error(`${listFile}: cannot read ${JSON.stringify(line)}`);
      }
      return match[1];
    });
}

const stages = readStages();
writeGenerated(
  'lib/native/stages.ts',
  `// Generated from ${listFile} by tools/generate-stages.mjs.

/** The stages of a cell's start, in the order in which the launcher runs them; the index is the number on the wire. */
export const STAGE_NAMES = [${stages.map((name) => `'${name}'`).join(', ')}] as const;
`,
);
