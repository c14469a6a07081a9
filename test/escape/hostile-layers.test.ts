/**
 * Layers of an image that try to get out of its tree, or to leave something in it that has power outside. Sources: the OCI image layer specification (whiteouts),
 * CVE-2018-15664 and CVE-2019-14271 (links followed while files are copied), CVE-2021-30465 (links exchanged under a mount).
 */

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import {
  cacheContent,
  filesToTar,
  type LayerSpec,
  ociLayout,
  plainLayer,
  runImages,
  writeFiles,
} from '../support/images.js';
import { USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const FILE = { name: 'fine', content: 'fine' };

describe.each(USERS)('hostile layers, as %s', (user) => {
  it('are refused where they mean a place outside, and the cache stays empty', async () => {
    const folder = scratch(user, { secret: 'precious' });
    const cache = path.join(scratch(user), 'cache');
    const outside = path.join(folder, 'secret');
    const cases: [string, ...LayerSpec[]][] = [
      ["../evil: has '..' in its path", plainLayer({ name: '../evil', content: 'x' })],
      ["a/../../evil: has '..' in its path", plainLayer({ name: 'a/../../evil', content: 'x' })],
      ["../.wh.secret: has '..' in its path", plainLayer({ name: '../.wh.secret' })],
      ['.wh...: is a whiteout of a directory above it, or of nothing', plainLayer({ name: '.wh...' })],
      ['d/.wh..: is a whiteout of a directory above it, or of nothing', plainLayer({ name: 'd/.wh..' })],
      ['.wh.: is a whiteout of a directory above it, or of nothing', plainLayer({ name: '.wh.' })],
      [
        `h: is a hard link to something that is no file of the image before it`,
        plainLayer({ name: 'h', type: '1', link: outside }),
      ],
      ["h: has '..' in its path", plainLayer(FILE, { name: 'h', type: '1', link: '../fine' })],
      [
        'l/a: lies behind symbolic links that lead around in a circle',
        plainLayer({ name: 'l', type: '2', link: 'l' }, { name: 'l/a' }),
      ],
      ['f/a: lies below a file (layer 2 of 2)', plainLayer({ name: 'f', content: 'x' }), plainLayer({ name: 'f/a' })],
    ];
    const runs = cases.map(([, ...layers], index) => {
      const image = path.join(folder, `image-${String(index)}`);
      mkdirSync(image);
      return { image: writeFiles(image, ociLayout({ layers }), user), command: '/fine' };
    });
    const ends = await runImages(user, cache, runs);
    expect(ends.map(({ failure }) => [failure?.code, failure?.message.replace(/^cannot unpack \S+: /u, '')])).toEqual(
      cases.map(([problem]) => ['ERR_CLOISTER_ARCHIVE', problem]),
    );
    expect(readFileSync(outside, 'utf8')).toBe('precious');
    expect(existsSync(path.join(folder, 'evil'))).toBe(false);
    expect(cacheContent(cache)).toEqual({ trees: new Map(), work: [] });
  });

  it('write through links inside the tree alone, whichever layer made them', async () => {
    const folder = scratch(user, { target: 'dir' });
    const cache = path.join(scratch(user), 'cache');
    const layers = [
      plainLayer(
        { name: 'real', type: '5' },
        { name: 'real/kept', content: 'kept' },
        { name: 'bin', type: '2', link: 'real' },
        { name: 'out', type: '2', link: path.join(folder, 'target') },
        { name: 'up', type: '2', link: '../../../../..' },
        { name: 'dir/old', content: 'old' },
      ),
      // A directory becomes a link, and is then written through.
      plainLayer(
        { name: 'bin/tool', content: 'tool', mode: 0o4755 },
        { name: 'out/evil', content: 'evil' },
        { name: 'up/evil', content: 'evil' },
        { name: 'dir', type: '2', link: path.join(folder, 'target') },
      ),
      plainLayer(
        { name: 'dir/evil2', content: 'evil' },
        { name: 'out/.wh.evil' },
        { name: 'again', type: '1', link: 'real/kept' },
        { name: 'bin/linked', type: '1', link: '/bin/tool' },
      ),
    ];
    const image = path.join(folder, 'image.tar');
    writeFileSync(image, filesToTar(ociLayout({ layers })));
    const [end] = await runImages(user, cache, [{ image, command: '/none' }]);
    expect(end?.failure?.code).toBe('ERR_CLOISTER_NOT_FOUND');
    const [tree = []] = [...cacheContent(cache).trees.values()];
    const inside = folder.slice(1);
    const found = tree.map((line) => line.replace(/ \d+:\d+/u, '')).filter((line) => !/ 40\d+$/u.test(line));
    expect(found.sort()).toEqual(
      [
        'again 100644 4',
        'bin 120777 -> real',
        `dir 120777 -> ${folder}/target`,
        'evil 100644 4',
        'out 120777 -> '.concat(folder, '/target'),
        'real/kept 100644 4',
        'real/linked 100755 4',
        'real/tool 100755 4',
        `${inside}/target/evil2 100644 4`,
        'up 120777 -> ../../../../..',
      ].sort(),
    );
    expect(existsSync(path.join(folder, 'target/evil'))).toBe(false);
    expect(existsSync(path.join(folder, 'target/evil2'))).toBe(false);
    expect(existsSync('/evil')).toBe(false);
  });

  it('leave no device, no set-id bit, and nothing of what a layer above took away', async () => {
    const folder = scratch(user);
    const cache = path.join(scratch(user), 'cache');
    const layers = [
      plainLayer(
        { name: 'dev/mem', type: '3' },
        { name: 'dev/sda', type: '4' },
        { name: 'pipe', type: '6' },
        { name: 'again', type: '1', link: 'pipe' },
        { name: 'su', content: 'x', mode: 0o6755 },
        { name: 'gone', content: 'x' },
        { name: 'opaque/old', content: 'x' },
        { name: 'opaque/deep/old', content: 'x' },
        { name: 'late/old', content: 'x' },
        { name: 'late/new', content: 'old' },
        { name: 'becomes', type: '5' },
        { name: 'becomes/file', content: 'x' },
        { name: 'a', content: 'one' },
        { name: 'b', type: '1', link: 'a' },
      ),
      plainLayer(
        { name: '.wh.gone' },
        { name: 'opaque/new', content: 'new' },
        { name: 'opaque/.wh..wh..opq' },
        { name: 'late/new', content: 'newer' },
        // Speaks of the layers below, although it comes behind what this one has put there.
        { name: '.wh.late' },
        { name: 'becomes', content: 'a file' },
        { name: 'a', content: 'three' },
        { name: '.wh..wh.plnk', type: '5' },
      ),
    ];
    const image = path.join(folder, 'image.tar');
    writeFileSync(image, filesToTar(ociLayout({ layers })));
    await runImages(user, cache, [{ image, command: '/none' }]);
    const [[name, tree] = ['', []]] = [...cacheContent(cache).trees];
    expect(tree.map((line) => line.replace(/ \d+:\d+/u, ''))).toEqual([
      'a 100644 5',
      'b 100644 3',
      'becomes 100644 6',
      'dev 40755',
      'late 40755',
      'late/new 100644 5',
      'opaque 40755',
      'opaque/new 100644 3',
      'su 100755 1',
    ]);
    const top = path.join(cache, 'cloister/images/trees', name);
    const record = JSON.parse(readFileSync(path.join(top, 'image.json'), 'utf8')) as { dropped: unknown };
    expect(record.dropped).toEqual([
      { path: 'dev/mem', reason: 'is a character device' },
      { path: 'dev/sda', reason: 'is a block device' },
      { path: 'pipe', reason: 'is a fifo' },
      { path: 'again', reason: 'is a hard link to something that was left out' },
      { path: 'su', reason: 'set-user-ID or set-group-ID bit dropped' },
    ]);
    // Nobody else gets to what is in the cache.
    expect(statSync(path.join(cache, 'cloister/images')).mode & 0o777).toBe(0o700);
  });
});
