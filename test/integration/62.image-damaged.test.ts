/** Images that are not what they say: each is refused by name, and the cache stays as it was. */

import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import {
  aci,
  cacheContent,
  dockerSave,
  type Files,
  filesToTar,
  gzipLayer,
  type ImageRunEnd,
  type ImageSpec,
  nestedLayout,
  ociLayout,
  plainLayer,
  runImages,
  writeFiles,
} from '../support/images.js';
import { USERS } from '../support/in-subprocess.js';
import { tar } from '../support/raw-tar.js';
import { scratch } from '../support/scratch.js';

const LAYER = plainLayer({ name: 'fine', content: 'fine' });
const FINE: ImageSpec = { layers: [LAYER] };
const OTHER_MACHINE = process.arch === 'arm64' ? 'amd64' : 'arm64';

/** Changes one document of an image. */
type Change = NonNullable<ImageSpec['change']>;
const changed = (change: Change): Files => ociLayout({ ...FINE, change });
const ofLayer = (member: object): Files =>
  changed({
    manifest: (manifest) => ({ ...manifest, layers: [{ ...(manifest['layers'] as object[])[0], ...member }] }),
  });
const ofDescriptor = (member: object): Files =>
  changed({ index: (index) => ({ ...index, manifests: [{ ...(index['manifests'] as object[])[0], ...member }] }) });

/** The blob that holds the text. */
function blob(files: Files, text: string): string {
  return [...files].find(([name, bytes]) => name.startsWith('blobs/') && bytes.includes(text))?.[0] ?? '';
}
function withBlob(text: string, change: (files: Files, name: string, bytes: Buffer) => void): Files {
  const files = ociLayout(FINE);
  const name = blob(files, text);
  change(files, name, files.get(name) ?? Buffer.alloc(0));
  return files;
}
const MANIFEST = '"layers":[';
const CONFIG = 'diff_ids';
const CONTENT = 'fine\0';

type Case = readonly [problem: string, image: Files | Buffer | ((file: string) => void)];

const DIRECTORIES: readonly Case[] = [
  ['layer <digest> is missing', withBlob(CONTENT, (files, name) => files.delete(name))],
  ['configuration <digest> is missing', withBlob(CONFIG, (files, name) => files.delete(name))],
  ['manifest <digest> is missing', withBlob(MANIFEST, (files, name) => files.delete(name))],
  [
    'layer <digest> is something else: <digest>',
    withBlob(CONTENT, (files, name, bytes) => files.set(name, bytes.subarray(0, 700))),
  ],
  [
    'layer <digest> is something else: <digest>',
    withBlob(CONTENT, (files, name, bytes) => files.set(name, Buffer.from(bytes).fill(1, 512, 513))),
  ],
  [
    'manifest <digest> is something else: <digest>',
    withBlob(MANIFEST, (files, name, bytes) => files.set(name, Buffer.concat([bytes, Buffer.from(' ')]))),
  ],
  ['manifest <digest> is not JSON', withBlob(MANIFEST, (files, name, bytes) => files.set(name, bytes.subarray(1)))],
  [
    'manifest <digest> is neither an object nor an array',
    withBlob(MANIFEST, (files, name) => files.set(name, Buffer.from('7'))),
  ],
  [
    'manifest <digest> has 5242880 bytes, which is too many',
    withBlob(MANIFEST, (files, name) => files.set(name, Buffer.alloc(5 * 2 ** 20, ' '))),
  ],
  ['manifest <digest> has N bytes and not 3', ofDescriptor({ size: 3 })],
  ['describes a manifest without a size or a media type', ofDescriptor({ size: -1 })],
  ['describes a layer without a size or a media type', ofLayer({ size: 2 ** 60 })],
  [
    "names a manifest by 'sha256:../../../etc/passwd', which is no digest",
    ofDescriptor({ digest: 'sha256:../../../etc/passwd' }),
  ],
  ["names a layer by 'md5:00', which is no digest", ofLayer({ digest: 'md5:00' })],
  ['has a layer of the unknown media type application/x-other', ofLayer({ mediaType: 'application/x-other' })],
  ['has a manifest of the unknown media type text/plain', ofDescriptor({ mediaType: 'text/plain' })],
  [
    'is no root file system but has a configuration of the media type text/plain',
    changed({ manifest: (all) => ({ ...all, config: { ...(all['config'] as object), mediaType: 'text/plain' } }) }),
  ],
  [
    'describes the configuration without a size or a media type',
    changed({ manifest: (all) => ({ ...all, config: { digest: `sha256:${'0'.repeat(64)}` } }) }),
  ],
  [
    'has 0 layers, its configuration 1; from 1 to 128 are possible',
    changed({ manifest: (all) => ({ ...all, layers: [] }) }),
  ],
  [
    'has 1 layers, its configuration 0; from 1 to 128 are possible',
    changed({ config: (all) => ({ ...all, rootfs: { diff_ids: [] } }) }),
  ],
  [
    'has 129 layers, its configuration 129; from 1 to 128 are possible',
    ociLayout({ layers: Array.from({ length: 129 }, () => LAYER) }),
  ],
  [
    'has a configuration whose rootfs.diff_ids are no SHA-256 digests',
    changed({ config: (all) => ({ ...all, rootfs: { diff_ids: ['x'] } }) }),
  ],
  [
    'layer <digest> decompresses to <digest>, and not to <digest> (rootfs.diff_ids)',
    changed({ config: (all) => ({ ...all, rootfs: { diff_ids: [`sha256:${'1'.repeat(64)}`] } }) }),
  ],
  [
    'its configuration has an Entrypoint, Cmd or Env that is no array of strings',
    ociLayout({ ...FINE, config: { Cmd: '/fine' } }),
  ],
  [
    'its working directory home is not absolute',
    ociLayout({ ...FINE, config: { Cmd: ['/fine'], WorkingDir: 'home' } }),
  ],
  ['index.json is missing', new Map([['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')]])],
  [
    'has the layout version 2.0.0, which is unknown',
    new Map([...ociLayout(FINE), ['oci-layout', Buffer.from('{"imageLayoutVersion":"2.0.0"}')]]),
  ],
  ['index.json is not JSON', new Map([...ociLayout(FINE), ['index.json', Buffer.from('{"manifests":')]])],
  ['index.json is not JSON', new Map([...ociLayout(FINE), ['index.json', Buffer.from('"\u00ff"', 'latin1')]])],
  ['has an index without manifests', changed({ index: () => ({ manifests: {} }) })],
  ['has no manifest', changed({ index: () => ({ manifests: [] }) })],
  ['has more than 64 indexes, or indexes in indexes more than 4 deep', nestedLayout(6, FINE)],
  // A digest that is not its own is the only way in which an index can be named by what is in it.
  ['index <digest> is something else: <digest>', nestedLayout(0, FINE)],
  [
    'is a directory without oci-layout; a root file system is named by root: {directory}',
    new Map([['bin', Buffer.alloc(0)]]),
  ],
  [
    'layer <digest> is, or lies behind, a symbolic link or something else that is no directory',
    (folder) => {
      const files = ociLayout(FINE);
      const name = path.join(folder, blob(files, CONTENT));
      mkdirSync(folder);
      writeFiles(folder, files, 'root');
      renameSync(name, path.join(folder, 'moved'));
      symlinkSync('../../moved', name);
    },
  ],
  [
    'manifest <digest> is, or lies behind, a symbolic link or something else that is no directory',
    (folder) => {
      mkdirSync(folder);
      writeFiles(folder, ociLayout(FINE), 'root');
      renameSync(path.join(folder, 'blobs/sha256'), path.join(folder, 'moved'));
      symlinkSync('../moved', path.join(folder, 'blobs/sha256'));
    },
  ],
  [
    'layer <digest> is not a regular file',
    (folder) => {
      const files = ociLayout(FINE);
      const name = path.join(folder, blob(files, CONTENT));
      mkdirSync(folder);
      writeFiles(folder, files, 'root');
      rmSync(name);
      mkdirSync(name);
    },
  ],
];

/** What shows in the tree only. */
const UNPACKED: readonly Case[] = [
  ['its command has a NUL in it', ociLayout({ ...FINE, config: { Cmd: ['/fi\0ne'] } })],
  [
    'it runs as the user web, which its /etc/passwd and /etc/group do not have',
    ociLayout({ ...FINE, config: { Cmd: ['/fine'], User: 'web' } }),
  ],
  [
    'it runs as the user 1:4294967295, which its /etc/passwd and /etc/group do not have',
    ociLayout({ ...FINE, config: { Cmd: ['/fine'], User: '1:4294967295' } }),
  ],
];

const docker = (change: (image: Record<string, unknown>) => unknown, ...more: Parameters<typeof tar>): Buffer => {
  const files = dockerSave(FINE);
  const [image] = JSON.parse(String(files.get('manifest.json'))) as Record<string, unknown>[];
  files.set('manifest.json', Buffer.from(JSON.stringify([change(image ?? {})])));
  return tar(...[...files].map(([name, content]) => ({ name, content })), ...more);
};
const truncated = gzipLayer({ name: 'fine', content: Buffer.alloc(5000, 'fine') });

const ARCHIVES: readonly Case[] = [
  [
    'is no image: it has neither oci-layout, nor manifest.json, nor the manifest of an App Container.<...>',
    tar({ name: 'bin/sh', content: 'x' }),
  ],
  ['is no archive of a known format', Buffer.from('#!/bin/sh\n')],
  ['is empty', Buffer.alloc(0)],
  ['<...>', filesToTar(ociLayout(FINE)).subarray(0, 3000)],
  ['<...>', gzipSync(filesToTar(ociLayout(FINE))).subarray(0, 500)],
  ['<...>', filesToTar(ociLayout({ layers: [{ ...truncated, bytes: truncated.bytes.subarray(0, 60) }] }))],
  ['is no tar', filesToTar(ociLayout({ layers: [{ bytes: Buffer.from('PK\u0003\u0004 zip') }] }))],
  ['layer <digest> is missing', filesToTar(withBlob(CONTENT, (files, name) => files.delete(name)))],
  [
    'layer <digest> is something else: <digest>',
    filesToTar(withBlob(CONTENT, (files, name, bytes) => files.set(name, bytes.subarray(0, 700)))),
  ],
  ['manifest.json is not JSON', tar({ name: 'manifest.json', content: '[' })],
  ['has a manifest.json without an image', tar({ name: 'manifest.json', content: '[]' })],
  [
    "has a manifest.json that names a layer by '../../etc/passwd', which is no path in it",
    docker((image) => ({ ...image, Layers: ['../../etc/passwd'] })),
  ],
  [
    "has a manifest.json that names its configuration by 'undefined', which is no path in it",
    docker(({ Layers }) => ({ Layers })),
  ],
  ['none.json is missing', docker((image) => ({ ...image, Config: 'none.json' }))],
  ['gone/layer.tar is missing', docker((image) => ({ ...image, Layers: ['gone/layer.tar'] }))],
  [
    'a/layer.tar: is a symbolic link that leads around in a circle',
    docker(
      (image) => ({ ...image, Layers: ['a/layer.tar'] }),
      { name: 'a/layer.tar', type: '2', link: '../b/layer.tar' },
      { name: 'b/layer.tar', type: '2', link: '../a/layer.tar' },
    ),
  ],
  [
    'has 2 layers, its configuration 1; from 1 to 128 are possible',
    docker((image) => ({ ...image, Layers: ['x', 'y'] })),
  ],
  [
    '<hex>.json is something else: <digest>',
    docker((image) => ({ ...image, Config: `${'0'.repeat(64)}.json` }), {
      name: `${'0'.repeat(64)}.json`,
      content: '{}',
    }),
  ],
  ['manifest is not JSON', tar({ name: 'manifest', content: 'x' })],
  ['has a manifest that is none of an App Container image', tar({ name: 'manifest', content: '{}' })],
  [
    'needs other images (dependencies), which are not in it',
    aci([], {}, { dependencies: [{ imageName: 'example.com/base' }] }),
  ],
  ['its manifest has an app whose exec or environment is not made of strings', aci([], { exec: [1] })],
];

/** Digests and sizes stand for themselves. */
function plainMessage(message: string | undefined): string {
  return (message ?? 'no failure')
    .replace(/^cannot (?:use image|unpack) \S+: /u, '')
    .replaceAll(/sha256:[0-9a-f]{64}/gu, '<digest>')
    .replaceAll(/\b[0-9a-f]{64}\b/gu, '<hex>')
    .replace(/has \d{3,4} bytes and/u, 'has N bytes and');
}

/** Of one process, which has only so much patience. */
const AT_ONCE = 8;

describe.each(USERS)('images that are not whole, as %s', (user) => {
  const check = async (cases: readonly Case[]): Promise<{ before: unknown; after: unknown }> => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const fine = path.join(folder, 'fine.tar');
    writeFileSync(fine, filesToTar(ociLayout({ layers: [plainLayer({ name: 'another', content: 'whole' })] })));
    await runImages(user, cache, [{ image: fine, command: '/none' }]);
    const before = cacheContent(cache);
    expect(before.trees.size).toBe(1);
    const runs = cases.map(([, what], index) => {
      const image = path.join(folder, String(index));
      if (typeof what === 'function') {
        what(image);
      } else if (Buffer.isBuffer(what)) {
        writeFileSync(image, what);
      } else {
        mkdirSync(image);
        writeFiles(image, what, user);
      }
      return { image, command: '' };
    });
    const ends: ImageRunEnd[] = [];
    for (let from = 0; from < runs.length; from += AT_ONCE) {
      ends.push(...(await runImages(user, cache, runs.slice(from, from + AT_ONCE))));
    }
    const told = ends.map(({ failure }, index) => {
      const message = plainMessage(failure?.message);
      const wanted = cases[index]?.[0] ?? '';
      return [failure?.code, wanted.endsWith('<...>') && message.startsWith(wanted.slice(0, -5)) ? wanted : message];
    });
    expect(told).toEqual(cases.map(([problem]) => ['ERR_CLOISTER_ARCHIVE', problem]));
    return { before, after: cacheContent(cache) };
  };

  it('are refused by name where they are layouts, as directories', { timeout: 60_000 }, async () => {
    const { before, after } = await check(DIRECTORIES);
    expect(after).toEqual(before);
  });

  it('are refused by name where they are archives', { timeout: 60_000 }, async () => {
    const { before, after } = await check(ARCHIVES);
    expect(after).toEqual(before);
  });

  it('are refused by name where only their tree shows it', async () => {
    const { after } = await check(UNPACKED);
    expect(after).toMatchObject({ work: [] });
  });

  it('are refused where they have not what was asked for', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const put = (name: string, ...specs: ImageSpec[]): string => {
      mkdirSync(path.join(folder, name));
      return writeFiles(path.join(folder, name), ociLayout(...specs), user);
    };
    const two = put('two', { ...FINE, name: 'one:1' }, { ...FINE, config: {}, name: 'two:2' });
    const ends = await runImages(user, cache, [
      { image: put('other', { ...FINE, architecture: OTHER_MACHINE }) },
      { image: two },
      { image: two, reference: 'three' },
      { image: put('none', { ...FINE, config: {} }) },
      { image: path.join(folder, 'gone') },
    ]);
    expect(ends.map(({ failure }) => [failure?.code, failure?.message.replaceAll(`${folder}/`, '')])).toEqual([
      ['ERR_CLOISTER_POLICY', expect.stringContaining(`other has no image for linux/`)],
      [
        'ERR_CLOISTER_POLICY',
        expect.stringContaining('two has more than one image, of which one must be named: one:1, two:2'),
      ],
      ['ERR_CLOISTER_POLICY', expect.stringContaining("two has no image 'three'; it has one:1, two:2")],
      ['ERR_CLOISTER_POLICY', expect.stringContaining('is empty, and the image names none')],
      ['ERR_CLOISTER_NOT_FOUND', expect.stringContaining('cannot use the image gone')],
    ]);
  });
});
