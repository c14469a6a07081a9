/** What `docker save` wrote before it wrote OCI image layouts, and what others still write. */

import { readOciConfig } from './config.js';
import type { Description, Layer } from './description.js';
import { digestOfFile, digestText, type Digest } from './digest.js';
import { choiceError, imageError } from './errors.js';
import { nameMatches, readDiffIds } from './oci.js';
import type { Parts } from './parts.js';
import { hostPlatform, platformText, readPlatform } from './platform.js';
import { list, member, text, texts } from './values.js';
import { closeSync } from 'node:fs';

export async function describeDocker(
  parts: Parts,
  reference: string | undefined,
  signal: AbortSignal | undefined,
): Promise<Description> {
  const { image } = parts;
  const { entry, names } = choose(image, list(parts.readFile(['manifest.json'], 'manifest.json').value), reference);
  const path = splitPath(image, text(member(entry, 'Config')), 'its configuration');
  const { value: configuration, digest } = parts.readFile(path, path.join('/'));
  refuseOtherName(image, path, digest);
  const config = readOciConfig(configuration);
  if ('problem' in config) {
    throw imageError(image, config.problem);
  }
  const files = texts(member(entry, 'Layers'));
  if (files === null) {
    throw imageError(image, 'has a manifest.json with layers that are no paths');
  }
  const unpacked = readDiffIds(image, configuration, files.length);
  const layers: Layer[] = [];
  for (const [position, file] of files.entries()) {
    layers.push(await readLayer(parts, file, unpacked[position] ?? null, signal));
  }
  return {
    kind: 'docker',
    names,
    platform: platformText(readPlatform(configuration) ?? hostPlatform()),
    digest,
    config: config.value,
    layers,
    below: '',
  };
}

function choose(
  image: string,
  entries: readonly unknown[],
  reference: string | undefined,
): { entry: unknown; names: readonly string[] } {
  const offers = entries.map((entry) => ({ entry, names: texts(member(entry, 'RepoTags')) ?? [] }));
  const known = offers.flatMap(({ names }) => names).join(', ') || 'images without a name';
  const named = reference === undefined ? offers : offers.filter(({ names }) => nameMatches(names, reference));
  const [only, another] = named;
  if (only === undefined) {
    throw reference === undefined
      ? imageError(image, 'has a manifest.json without an image')
      : choiceError('root.reference', `${image} has no image '${reference}'; it has ${known}`);
  }
  if (another !== undefined) {
    throw choiceError('root.reference', `${image} has more than one image, of which one must be named: ${known}`);
  }
  return only;
}

async function readLayer(
  parts: Parts,
  file: string,
  unpacked: string | null,
  signal: AbortSignal | undefined,
): Promise<Layer> {
  const names = splitPath(parts.image, file, 'a layer');
  const open = (): number => parts.openFile(parts.follow(names), file);
  const descriptor = open();
  try {
    const digest = await digestOfFile(descriptor, 'sha256', signal);
    refuseOtherName(parts.image, names, digest);
    return { digest, size: null, unpacked, name: file, open };
  } finally {
    closeSync(descriptor);
  }
}

/** A file that is called by its digest, as blobs and configurations are, must be what it is called. */
function refuseOtherName(image: string, path: readonly string[], digest: Digest): void {
  const claimed = /^([0-9a-f]{64})(?:\.json)?$/u.exec(path.at(-1) ?? '')?.[1];
  if (claimed !== undefined && claimed !== digest.hex) {
    throw imageError(image, `${path.join('/')} is something else: ${digestText(digest)}`);
  }
}

function splitPath(image: string, path: string | undefined, what: string): string[] {
  const names = path?.split('/') ?? [];
  if (names.length === 0 || names.some((name) => name === '' || name === '.' || name === '..' || name.includes('\0'))) {
    throw imageError(image, `has a manifest.json that names ${what} by '${String(path)}', which is no path in it`);
  }
  return names;
}
