/** Images of every kind that people have lying around, run by what they say themselves. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';

import { describe, expect, it } from 'vitest';

import {
  aci,
  busyboxEntries,
  cacheContent,
  dockerSave,
  filesToTar,
  gzipLayer,
  type ImageSpec,
  ociLayout,
  OCI_LAYER,
  plainLayer,
  runImages,
  writeFiles,
} from '../support/images.js';
import { USERS } from '../support/in-subprocess.js';
import { tar } from '../support/raw-tar.js';
import { scratch } from '../support/scratch.js';

function zstdLayer(...entries: Parameters<typeof tar>): { bytes: Buffer; tar: Buffer; mediaType: string } {
  const whole = tar(...entries);
  return {
    bytes: spawnSync('zstd', ['-1', '-c'], { input: whole, maxBuffer: 1e8 }).stdout,
    tar: whole,
    mediaType: `${OCI_LAYER}+zstd`,
  };
}

const TWO_LAYERS: ImageSpec = {
  layers: [plainLayer(...busyboxEntries()), gzipLayer({ name: 'etc/layer', content: 'second\n' })],
};

describe.each(USERS)('images, as %s', (user) => {
  it('run from a directory, a tar, docker save and an App Container, with layers plain, gzip and zstd', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const put = (name: string, bytes: Buffer): string => {
      writeFileSync(path.join(folder, name), bytes);
      return path.join(folder, name);
    };
    const layout = path.join(folder, 'layout');
    mkdirSync(layout);
    const zstd: ImageSpec = {
      layers: [plainLayer(...busyboxEntries()), zstdLayer({ name: 'etc/layer', content: 'zstd\n' })],
    };
    const app = {
      exec: ['/bin/sh', '-c', 'echo $NAME in $(pwd)'],
      environment: [{ name: 'NAME', value: 'app' }],
      workingDirectory: '/home/app',
    };
    const container = aci(busyboxEntries(), app);
    const runs = [
      writeFiles(layout, ociLayout(TWO_LAYERS), user),
      put('oci.tar', filesToTar(ociLayout(TWO_LAYERS))),
      put(
        'docker.tar',
        filesToTar(
          dockerSave({ layers: TWO_LAYERS.layers.map(({ bytes, tar: plain }) => ({ bytes: plain ?? bytes })) }),
        ),
      ),
      put('docker.tar.gz', gzipSync(filesToTar(dockerSave(TWO_LAYERS)), { level: 1 })),
      put('zstd.tar', filesToTar(ociLayout(zstd))),
      put('plain.aci', container),
      put('gzip.aci', gzipSync(container, { level: 1 })),
    ].map((image) => ({ image }));
    const ends = await runImages(user, cache, runs);
    expect(ends.map(({ failure }) => failure)).toEqual(runs.map(() => null));
    expect(ends.map(({ result }) => result?.stdout)).toEqual([
      'second\n',
      'second\n',
      'second\n',
      'second\n',
      'zstd\n',
      'app in /home/app\n',
      'app in /home/app\n',
    ]);
    expect(ends[0]?.result?.enforcement.image).toEqual({
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/u) as string,
      view: 'overlay',
    });
    // Content decides what a tree is called: the first three that have the same layers are one.
    expect(cacheContent(cache).trees.size).toBe(5);
    expect(cacheContent(cache).work).toEqual([]);
  });
});
