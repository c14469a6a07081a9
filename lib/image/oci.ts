/** OCI image layouts: from index.json by digests to one manifest, its configuration and its layers. */

import { readOciConfig } from './config.js';
import type { Description, Layer } from './description.js';
import { type Digest, digestText, parseDigest } from './digest.js';
import { choiceError, imageError } from './errors.js';
import type { Parts } from './parts.js';
import { hostPlatform, type Platform, platformText, readPlatform, runsOn } from './platform.js';
import { type Fields, fields, list, member, text, texts } from './values.js';

const INDEXES: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
]);
const MANIFESTS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
]);
const CONFIGURATIONS: ReadonlySet<string> = new Set([
  'application/vnd.oci.image.config.v1+json',
  'application/vnd.docker.container.image.v1+json',
]);
/** How they are compressed, the unpacker sees; layers that are elsewhere (`foreign`) or encrypted are not in the list. */
const LAYERS =
  /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.diff\.tar(?:\.gzip|\.zstd)?)$/u;

/** Indexes in indexes: a builder makes two. */
const MOST_DEPTH = 4;
const MOST_MANIFESTS = 1024;
const MOST_INDEXES = 64;
/** Docker's own limit is 127. */
const MOST_LAYERS = 128;

/** Annotations that name what a descriptor is for. */
const NAMES = ['org.opencontainers.image.ref.name', 'io.containerd.image.name'] as const;

/** A manifest that an index offers. */
interface Offer {
  readonly digest: Digest;
  readonly size: number;
  readonly platform: Platform | null;
  readonly names: readonly string[];
  /** Of the indexes on the way to it. */
  readonly above: readonly string[];
}

export function describeOci(parts: Parts, reference: string | undefined): Description {
  const layout = member(parts.readFile(['oci-layout'], 'oci-layout').value, 'imageLayoutVersion');
  if (text(layout)?.startsWith('1.') !== true) {
    throw imageError(parts.image, `has the layout version ${String(layout)}, which is unknown`);
  }
  const index = parts.readFile(['index.json'], 'index.json').value;
  const offers: Offer[] = [];
  collect(parts, index, { names: [], above: [], depth: 0, seen: new Set() }, offers);
  const offer = choose(parts.image, offers, reference);
  return describeManifest(parts, offer);
}

interface Way {
  readonly names: readonly string[];
  readonly above: readonly string[];
  readonly depth: number;
  /** Indexes that were read, whatever the way to them. One that is named again offers nothing new. */
  readonly seen: Set<string>;
}

function collect(parts: Parts, index: unknown, { names, above, depth, seen }: Way, offers: Offer[]): void {
  const { image } = parts;
  if (depth > MOST_DEPTH || seen.size > MOST_INDEXES) {
    throw imageError(
      image,
      `has more than ${MOST_INDEXES} indexes, or indexes in indexes more than ${MOST_DEPTH} deep`,
    );
  }
  const manifests = member(index, 'manifests');
  if (!Array.isArray(manifests)) {
    throw imageError(image, 'has an index without manifests');
  }
  for (const descriptor of manifests as readonly unknown[]) {
    const { digest, size, mediaType } = readDescriptor(image, descriptor, 'a manifest');
    const own = [...names, ...namesOf(descriptor)];
    if (INDEXES.has(mediaType)) {
      const name = digestText(digest);
      if (!seen.has(name)) {
        seen.add(name);
        const inner = checkedBlob(parts, digest, size, 'index');
        collect(parts, inner, { names: own, above: [...above, name], depth: depth + 1, seen }, offers);
      }
    } else if (MANIFESTS.has(mediaType)) {
      offers.push({ digest, size, platform: readPlatform(member(descriptor, 'platform')), names: own, above });
    } else {
      throw imageError(image, `has a manifest of the unknown media type ${mediaType}`);
    }
    if (offers.length > MOST_MANIFESTS) {
      throw imageError(image, `has more than ${MOST_MANIFESTS} manifests`);
    }
  }
}

function namesOf(descriptor: unknown): string[] {
  const annotations = fields(member(descriptor, 'annotations'));
  return NAMES.flatMap((key) => text(annotations[key]) ?? []);
}

/** One of what is offered: the one that the reference names, or the one for this machine. */
function choose(image: string, offers: readonly Offer[], reference: string | undefined): Offer {
  const named = reference === undefined ? offers : offers.filter((offer) => isNamed(offer, reference));
  const known = (): string => [...new Set(offers.flatMap(wordsFor))].join(', ');
  if (named.length === 0) {
    throw offers.length === 0
      ? imageError(image, 'has no manifest')
      : choiceError('root.reference', `${image} has no image '${String(reference)}'; it has ${known()}`);
  }
  const distinct = unique(named);
  if (distinct.length === 1 && (reference !== undefined || distinct[0]?.platform === null)) {
    return distinct[0] as Offer;
  }
  const machine = hostPlatform();
  const fitting = distinct.filter(({ platform }) => platform === null || runsOn(platform, machine));
  const [only, another] = fitting;
  if (only === undefined) {
    throw choiceError('root.image', `${image} has no image for ${platformText(machine)}; it has ${known()}`);
  }
  if (another !== undefined) {
    throw choiceError('root.reference', `${image} has more than one image, of which one must be named: ${known()}`);
  }
  return only;
}

function unique(offers: readonly Offer[]): Offer[] {
  const found = new Map<string, Offer>();
  for (const offer of offers) {
    const key = digestText(offer.digest);
    const known = found.get(key);
    found.set(key, known === undefined ? offer : { ...known, names: [...new Set([...known.names, ...offer.names])] });
  }
  return [...found.values()];
}

/** A name, the tag of a name, a digest, or a platform. */
function isNamed({ digest, platform, names, above }: Offer, reference: string): boolean {
  return (
    nameMatches(names, reference) ||
    [digestText(digest), ...above].includes(reference) ||
    (platform !== null && [platformText(platform), platform.architecture].includes(reference))
  );
}

export function nameMatches(names: readonly string[], reference: string): boolean {
  return names.some((name) => name === reference || name.endsWith(`:${reference}`) || name.endsWith(`/${reference}`));
}

function wordsFor({ digest, platform, names }: Offer): string[] {
  const words = [...names, ...(platform === null ? [] : [platformText(platform)])];
  return words.length === 0 ? [digestText(digest)] : words;
}

function describeManifest(parts: Parts, offer: Offer): Description {
  const { image } = parts;
  const { digest, size, names } = offer;
  const manifest = checkedBlob(parts, digest, size, 'manifest');
  const wanted = readDescriptor(image, member(manifest, 'config'), 'the configuration');
  if (!CONFIGURATIONS.has(wanted.mediaType)) {
    throw imageError(image, `is no root file system but has a configuration of the media type ${wanted.mediaType}`);
  }
  const configuration = checkedBlob(parts, wanted.digest, wanted.size, 'configuration');
  const config = readOciConfig(configuration);
  if ('problem' in config) {
    throw imageError(image, config.problem);
  }
  const descriptors = list(member(manifest, 'layers'));
  const unpacked = readDiffIds(image, configuration, descriptors.length);
  return {
    kind: 'oci',
    names,
    platform: platformText(readPlatform(configuration) ?? offer.platform ?? hostPlatform()),
    digest,
    config: config.value,
    layers: descriptors.map((descriptor, position) => readLayer(parts, descriptor, unpacked[position] ?? null)),
    below: '',
  };
}

function readLayer(parts: Parts, descriptor: unknown, unpacked: string | null): Layer {
  const { digest, size, mediaType } = readDescriptor(parts.image, descriptor, 'a layer');
  if (!LAYERS.test(mediaType)) {
    throw imageError(parts.image, `has a layer of the unknown media type ${mediaType}`);
  }
  return { digest, size, unpacked, name: `layer ${digestText(digest)}`, open: () => parts.openBlob(digest, 'layer') };
}

/** SHA-256 of each layer as it decompresses. */
export function readDiffIds(image: string, configuration: unknown, layers: number): readonly string[] {
  const ids = texts(member(member(configuration, 'rootfs'), 'diff_ids'));
  const parsed = ids?.map(parseDigest);
  if (parsed === undefined || parsed.some((digest) => digest?.algorithm !== 'sha256')) {
    throw imageError(image, 'has a configuration whose rootfs.diff_ids are no SHA-256 digests');
  }
  if (parsed.length !== layers || layers === 0 || layers > MOST_LAYERS) {
    throw imageError(
      image,
      `has ${layers} layers, its configuration ${parsed.length}; from 1 to ${MOST_LAYERS} are possible`,
    );
  }
  return parsed.map((digest) => digest?.hex ?? '');
}

interface Descriptor {
  readonly digest: Digest;
  readonly size: number;
  readonly mediaType: string;
}

function readDescriptor(image: string, value: unknown, what: string): Descriptor {
  const { digest, size, mediaType }: Fields = fields(value);
  const parsed = parseDigest(digest);
  if (parsed === null) {
    throw imageError(image, `names ${what} by '${String(digest)}', which is no digest`);
  }
  if (!Number.isSafeInteger(size) || (size as number) < 0 || typeof mediaType !== 'string') {
    throw imageError(image, `describes ${what} without a size or a media type`);
  }
  return { digest: parsed, size: size as number, mediaType };
}

function checkedBlob(parts: Parts, digest: Digest, size: number, what: string): unknown {
  const { value, length } = parts.readBlob(digest, what);
  if (length !== size) {
    throw imageError(parts.image, `${what} ${digestText(digest)} has ${length} bytes and not ${size}`);
  }
  return value;
}
