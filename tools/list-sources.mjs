// Prints the C++ sources of one product, one path a line, relative to the project.
// binding.gyp, CMakeLists.txt and the checks all ask here, so the two builds cannot drift apart.

import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));

const shared = ['base', 'linux', 'plan', 'wire', 'seccomp', 'landlock', 'violations'];
const mechanisms = ['mounts', 'namespaces', 'caps', 'limits', 'probe'];

/** Folders below native/ whose sources make up each product. */
export const productFolders = {
  addon: [...shared, 'threads', 'binding'],
  launcher: [...shared, ...mechanisms, 'child', 'launcher'],
  // What C++ unit tests and fuzz targets link against: everything without a main() and without Node's headers.
  testable: [...shared, ...mechanisms, 'threads', 'child', 'launcher'],
  child: ['child'],
};

/**
 * Sources of a product in a stable order. A folder that does not exist has none.
 * @param {keyof typeof productFolders} product
 * @returns {string[]}
 */
export function listSources(product) {
  const sources = productFolders[product].flatMap((folder) => sourcesBelow(`native/${folder}`));
  return product === 'testable' ? sources.filter((source) => path.basename(source) !== 'main.cc') : sources;
}

function sourcesBelow(folder) {
  const directory = path.join(root, folder);
  if (!existsSync(directory)) {
    return [];
  }
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.cc'))
    .map((name) => `${folder}/${name}`)
    .sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const product = process.argv[2];
  if (!Object.hasOwn(productFolders, product ?? '')) {
    console.error(`usage: list-sources.mjs ${Object.keys(productFolders).join('|')}`);
    process.exit(2);
  }
  console.log(listSources(product).join('\n'));
}
