/** Images, made by the test itself, and run by one process for all of them. */

import { createHash } from 'node:crypto';
import { existsSync, lchownSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import type { RunOptions, RunResult } from '../../lib/index.js';
import { inSubprocess, type User } from './in-subprocess.js';
import { tar, type TarEntry } from './raw-tar.js';
import { idOf, listing } from './scratch.js';
import type { PlainError } from './subprocess-context.js';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';

/** In Go's words. */
const ARCHITECTURE: string = process.arch === 'x64' ? 'amd64' : process.arch;

function sha256(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

const BUSYBOX = '/bin/busybox';
const APPLETS = ['sh', 'cat', 'echo', 'ls', 'env', 'id', 'pwd', 'touch', 'stat', 'sleep', 'readlink', 'head', 'wc'];

let busybox: Buffer | undefined;

/** A root file system in one file, with links for what tests use, and two users. */
export function busyboxEntries(): TarEntry[] {
  busybox ??= readFileSync(BUSYBOX);
  return [
    ...['bin', 'etc', 'tmp', 'proc', 'dev', 'home', 'home/app'].map((name) => ({ name, type: '5', mode: 0o755 })),
    { name: 'bin/busybox', content: busybox, mode: 0o755 },
    ...APPLETS.map((name) => ({ name: `bin/${name}`, type: '2', link: 'busybox' })),
    { name: 'etc/passwd', content: 'root:x:0:0::/:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n' },
    { name: 'etc/group', content: 'root:x:0:\napp:x:1235:\nothers:x:1300:app\n' },
    { name: 'etc/layer', content: 'base\n' },
  ];
}

export interface LayerSpec {
  /** Of a tar, compressed or not. */
  bytes: Buffer;
  mediaType?: string;
  /** Decompressed. Default: of `bytes`. */
  tar?: Buffer;
}

export function plainLayer(...entries: TarEntry[]): LayerSpec {
  return { bytes: tar(...entries) };
}

export function gzipLayer(...entries: TarEntry[]): LayerSpec {
  const whole = tar(...entries);
  return { bytes: gzipSync(whole, { level: 1 }), tar: whole, mediaType: `${OCI_LAYER}+gzip` };
}

export interface ImageSpec {
  layers: LayerSpec[];
  /** Member `config` of the configuration. */
  config?: Record<string, unknown>;
  name?: string;
  architecture?: string;
  /** Changes documents before they are written. */
  change?: {
    config?: (config: Record<string, unknown>) => unknown;
    manifest?: (manifest: Record<string, unknown>) => unknown;
    index?: (index: Record<string, unknown>) => unknown;
  };
}

/** Name in the layout to content. */
export type Files = Map<string, Buffer>;

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: unknown;
  annotations?: Record<string, string>;
}

function addBlob(files: Files, mediaType: string, bytes: Buffer): Descriptor {
  const digest = sha256(bytes);
  files.set(`blobs/sha256/${digest}`, bytes);
  return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
}

function configOf(spec: ImageSpec): Buffer {
  const config = {
    os: 'linux',
    architecture: spec.architecture ?? ARCHITECTURE,
    config: spec.config ?? { Cmd: ['/bin/sh', '-c', 'cat /etc/layer'] },
    rootfs: { type: 'layers', diff_ids: spec.layers.map((layer) => `sha256:${sha256(layer.tar ?? layer.bytes)}`) },
  };
  return Buffer.from(JSON.stringify(spec.change?.config?.(config) ?? config));
}

/** Adds blobs of an image. */
function addImage(files: Files, spec: ImageSpec): Descriptor {
  const layers = spec.layers.map(({ bytes, mediaType = OCI_LAYER }) => addBlob(files, mediaType, bytes));
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: addBlob(files, OCI_CONFIG, configOf(spec)),
    layers,
  };
  const changed = spec.change?.manifest?.(manifest) ?? manifest;
  return {
    ...addBlob(files, OCI_MANIFEST, Buffer.from(JSON.stringify(changed))),
    ...(spec.architecture === undefined ? {} : { platform: { os: 'linux', architecture: spec.architecture } }),
    ...(spec.name === undefined ? {} : { annotations: { 'org.opencontainers.image.ref.name': spec.name } }),
  };
}

function layoutOf(
  manifests: readonly unknown[],
  files: Files,
  change?: (index: Record<string, unknown>) => unknown,
): Files {
  const index = { schemaVersion: 2, manifests };
  files.set('oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  files.set('index.json', Buffer.from(JSON.stringify(change?.(index) ?? index)));
  return files;
}

/** An OCI image layout with these images. */
export function ociLayout(...specs: ImageSpec[]): Files {
  const files: Files = new Map();
  const manifests = specs.map((spec) => addImage(files, spec));
  return layoutOf(manifests, files, specs[0]?.change?.index);
}

/** Indexes in indexes, `depth` of them, the innermost with the image. 0: an index that holds itself, under a digest that cannot be its own. */
export function nestedLayout(depth: number, spec: ImageSpec): Files {
  const files: Files = new Map();
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  if (depth === 0) {
    const digest = sha256('itself');
    const self = { mediaType, digest: `sha256:${digest}`, size: 200 };
    files.set(`blobs/sha256/${digest}`, Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [self] })));
    return layoutOf([self], files);
  }
  let descriptor = addImage(files, spec);
  for (let level = 0; level < depth; level++) {
    const index = { schemaVersion: 2, manifests: [descriptor] };
    descriptor = addBlob(files, mediaType, Buffer.from(JSON.stringify(index)));
  }
  return layoutOf([descriptor], files);
}

/** What `docker save` wrote before it wrote layouts. */
export function dockerSave(spec: ImageSpec, tags: string[] = ['example:latest']): Files {
  const files: Files = new Map();
  const config = configOf(spec);
  files.set(`${sha256(config)}.json`, config);
  const layers = spec.layers.map(({ bytes }, index) => {
    const name = `${sha256(String(index))}/layer.tar`;
    files.set(name, bytes);
    return name;
  });
  files.set(
    'manifest.json',
    Buffer.from(JSON.stringify([{ Config: `${sha256(config)}.json`, RepoTags: tags, Layers: layers }])),
  );
  files.set('repositories', Buffer.from('{}'));
  return files;
}

export function filesToTar(files: Files): Buffer {
  return tar(...[...files].map(([name, content]) => ({ name, content })));
}

/** An App Container image. */
export function aci(entries: TarEntry[], app: Record<string, unknown>, more: Record<string, unknown> = {}): Buffer {
  const manifest = {
    acKind: 'ImageManifest',
    acVersion: '0.8.11',
    name: 'example.com/app',
    labels: [
      { name: 'os', value: 'linux' },
      { name: 'arch', value: ARCHITECTURE },
      { name: 'version', value: '1.2' },
    ],
    app: { user: '0', group: '0', ...app },
    ...more,
  };
  return tar(
    { name: 'manifest', content: JSON.stringify(manifest) },
    { name: 'rootfs', type: '5', mode: 0o755 },
    ...entries.map((entry) => ({
      ...entry,
      name: `rootfs/${String(entry.name)}`,
      ...(entry.type === '1' ? { link: `rootfs/${entry.link ?? ''}` } : {}),
    })),
  );
}

/** Puts files, owned by the user, into a directory. */
export function writeFiles(folder: string, files: Files, user: User): string {
  for (const [name, content] of files) {
    const file = path.join(folder, name);
    const made = mkdirSync(path.dirname(file), { recursive: true });
    if (made !== undefined) {
      own(made, user);
    }
    writeFileSync(file, content);
  }
  own(folder, user);
  return folder;
}

function own(file: string, user: User): void {
  if (user === 'nobody') {
    lchownSync(file, idOf(user), idOf(user));
    if (lstatSync(file).isDirectory()) {
      for (const name of readdirSync(file)) {
        own(path.join(file, name), user);
      }
    }
  }
}

export interface ImageRun {
  image: string;
  reference?: string;
  command?: string;
  args?: string[];
  options?: RunOptions;
}

export interface ImageRunEnd {
  result: RunResult | null;
  failure: PlainError | null;
}

/** Runs each, in order, in one process with that cache. */
export async function runImages(user: User, cache: string, runs: readonly ImageRun[]): Promise<ImageRunEnd[]> {
  return (await inSubprocess(
    async ({ runIsolated, failureOf, data }) => {
      const ends: unknown[] = [];
      for (const { image, reference, command = '', args = [], options = {} } of data as ImageRun[]) {
        let result: unknown = null;
        const root = { image, ...(reference === undefined ? {} : { reference }) };
        const failure = await failureOf(async () => {
          result = await runIsolated(command, args, { ...options, root });
        });
        ends.push({ result, failure });
      }
      return ends;
    },
    { user, data: runs, environment: { XDG_CACHE_HOME: cache } },
  )) as ImageRunEnd[];
}

/** Lines of listing() of all trees in a cache, by their names, and what lies beside them. */
export function cacheContent(cache: string): { trees: Map<string, string[]>; work: string[] } {
  const top = path.join(cache, 'cloister/images');
  if (!existsSync(top)) {
    return { trees: new Map(), work: [] };
  }
  const trees = readdirSync(path.join(top, 'trees')).map(
    (name) => [name, listing(path.join(top, 'trees', name, 'rootfs'))] as const,
  );
  return { trees: new Map(trees), work: readdirSync(path.join(top, 'work')) };
}
