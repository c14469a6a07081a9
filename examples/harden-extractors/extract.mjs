// Unpacks an archive with a program of the system that runs in a cell.
//
//   node examples/harden-extractors/extract.mjs tar|bsdtar|unzip ARCHIVE DESTINATION [PROGRAM]

import path from 'node:path';

import { extract } from './harden.mjs';

const [tool, archive, destination, program] = process.argv.slice(2);
if (!['tar', 'bsdtar', 'unzip'].includes(tool) || archive === undefined || destination === undefined) {
  console.error('use: node extract.mjs tar|bsdtar|unzip ARCHIVE DESTINATION [PROGRAM]');
  process.exit(2);
}

try {
  process.stdout.write(await extract(tool, path.resolve(archive), path.resolve(destination), { program }));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
