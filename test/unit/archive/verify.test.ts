/** What an unpacker that has been taken over may leave, made here by hand; where the cell would not let it, that is the second line. */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { HeldDirectory } from '../../../lib/archive/held-directory.js';
import { spaceOf, Unexpected, verifyTree } from '../../../lib/archive/verify.js';

const LIMITS = {
  entries: 10,
  totalSize: 1_000_000,
  fileSize: 500_000,
  ratio: 1,
  ratioFrom: 0,
  wallTime: 1,
  memory: 1,
};
let outer = '';
let folder = '';

beforeEach(() => {
  outer = mkdtempSync(path.join(realpathSync(os.tmpdir()), 'cloister-verify-'));
  folder = path.join(outer, 'tree');
  mkdirSync(folder);
});
afterEach(() => {
  rmSync(outer, { recursive: true, force: true });
});

const at = (name: string): string => path.join(folder, name);
const file = (name: string, content = 'x', mode = 0o644): void => {
  writeFileSync(at(name), content);
  chmodSync(at(name), mode);
};

async function verify(umask = 0o022): Promise<unknown> {
  const top = new HeldDirectory(folder);
  try {
    return await verifyTree(top, { limits: LIMITS, umask, uid: process.geteuid?.() ?? 0 });
  } catch (error) {
    if (error instanceof Unexpected) {
      return `${error.entry}: ${error.message}`;
    }
    throw error;
  } finally {
    top.close();
  }
}

describe('a tree', () => {
  test('of plain files, directories, links inside and hard links among them passes', async () => {
    mkdirSync(at('d'));
    file('d/f', 'content');
    linkSync(at('d/f'), at('g'));
    symlinkSync('d/f', at('l'));
    symlinkSync('../g', at('d/up'));
    file('tool', '', 0o755);
    expect(await verify()).toEqual({ bytes: 7, names: 6 });
  });

  const fifo = (): void => {
    execFileSync('mkfifo', [at('p')]);
  };
  const outsideLink = (): void => {
    writeFileSync(path.join(outer, 'secret'), 'x');
    linkSync(path.join(outer, 'secret'), at('h'));
  };
  const preallocated = (): void => {
    file('f');
    execFileSync('fallocate', ['--keep-size', '--length', '4MiB', at('f')]);
  };
  const closed = (): void => {
    mkdirSync(at('d'));
    chmodSync(at('d'), 0o500);
  };
  const many = (): void => {
    for (let count = 0; count < 11; count++) {
      file(`f${String(count)}`);
    }
  };
  const deep = (): void => {
    mkdirSync(at('d/'.repeat(130)), { recursive: true });
  };
  const sparse = (...names: string[]): void => {
    for (const name of names) {
      file(name);
      truncateSync(at(name), 400_000);
    }
  };

  test.each<[title: string, said: RegExp, make: () => void]>([
    ['a fifo', /^p: is neither a file, a directory nor a link$/, fifo],
    [
      'a set-user-ID bit',
      /^f: has the permissions 4755$/,
      () => {
        file('f', '', 0o4755);
      },
    ],
    [
      'a set-group-ID bit',
      /^f: has the permissions 2755$/,
      () => {
        file('f', '', 0o2755);
      },
    ],
    [
      'what the umask takes',
      /^f: has the permissions 664$/,
      () => {
        file('f', '', 0o664);
      },
    ],
    ['a directory that its owner may not write to', /^d: has the permissions 500$/, closed],
    ['a hard link to a file outside', /^h: is a hard link to a file outside$/, outsideLink],
    [
      'a link upwards',
      /^l: is a symbolic link that leads outside$/,
      () => {
        symlinkSync('../secret', at('l'));
      },
    ],
    [
      'an absolute link',
      /^l: is a symbolic link with an absolute/,
      () => {
        symlinkSync('/etc/passwd', at('l'));
      },
    ],
    [
      'an escape sequence',
      /^a\\u001b: has a control character/,
      () => {
        file('a\x1b');
      },
    ],
    [
      'a backslash',
      /^a\\b: has a backslash/,
      () => {
        file('a\\b');
      },
    ],
    [
      'bytes that are no UTF-8',
      /^a\?: has a name that is not UTF-8/,
      () => {
        writeFileSync(Buffer.concat([Buffer.from(at('a')), Buffer.from([0xff])]), '');
      },
    ],
    [
      'too large a file',
      /^f: is larger than limits.fileSize$/,
      () => {
        file('f', 'x'.repeat(500_001));
      },
    ],
    [
      'too much in all, sparse',
      /^\w: goes beyond limits.totalSize$/,
      () => {
        sparse('a', 'b', 'c');
      },
    ],
    ['space behind the end of a file', /^f: goes beyond limits.totalSize$/, preallocated],
    ['too many names', /^f\d+: is one of more names than limits.entries$/, many],
    ['too deep', /: is one of more names than limits.entries$/, deep],
  ])('with %s does not', async (_, said, make) => {
    make();
    expect(await verify()).toMatch(said);
  });

  test.runIf(process.getuid?.() === 0)('with a file of somebody else does not', async () => {
    file('f');
    execFileSync('chown', ['65534', at('f')]);
    expect(await verify()).toBe('f: belongs to user 65534');
  });

  test('with what the umask takes passes where it takes nothing', async () => {
    file('f', '', 0o666);
    expect([await verify(0), await verify(0o027)]).toEqual([{ bytes: 0, names: 1 }, 'f: has the permissions 666']);
  });
});

test('half of the space that files hold counts, less what file systems add', () => {
  expect(spaceOf(8)).toBeLessThan(0);
  const name = path.join(outer, 'f');
  writeFileSync(name, Buffer.alloc(300_000, 1));
  expect(spaceOf(statSync(name).blocks)).toBeLessThan(300_000);
});
