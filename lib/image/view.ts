/** What a cell sees of a tree in the cache: it may write, and the tree stays as it is. */

import { chmodSync, constants, copyFileSync, linkSync, lutimesSync, mkdirSync, symlinkSync, utimesSync } from 'node:fs';

import { HeldDirectory } from '../archive/held-directory.js';
import type { ImageCache, Lease } from './cache.js';

const PERMISSIONS = 0o777;
const WRITABLE = 0o700;
const BATCH = 256;

export interface TreeView {
  readonly kind: 'overlay' | 'copy';
  /** Absolute. */
  readonly directory: string;
  /** When the cell is gone. */
  readonly release: () => Promise<void>;
}

/** `overlay`: the kernel lets cells have one. Otherwise each gets a copy of its own, which takes the time and the space of one. */
export async function makeView(lease: Lease, cache: ImageCache, overlay: boolean): Promise<TreeView> {
  if (overlay) {
    const release = (): Promise<void> => {
      lease.release();
      return Promise.resolve();
    };
    return { kind: 'overlay', directory: lease.root, release };
  }
  const work = cache.work();
  const release = async (): Promise<void> => {
    lease.release();
    await work.remove();
  };
  try {
    const directory = work.make('rootfs');
    await new TreeCopy().copy(lease.root, directory);
    return { kind: 'copy', directory, release };
  } catch (error) {
    await release();
    throw error;
  }
}

class TreeCopy {
  /** Files with several names, by number. */
  readonly #linked = new Map<bigint, Buffer>();
  #done = 0;

  async copy(from: string, to: string): Promise<void> {
    const source = new HeldDirectory(from);
    const target = new HeldDirectory(to);
    try {
      await this.#directory(source, target);
    } finally {
      source.close();
      target.close();
    }
  }

  async #directory(source: HeldDirectory, target: HeldDirectory): Promise<void> {
    for (const name of source.names()) {
      await this.#entry(source, target, name);
      if (++this.#done % BATCH === 0) {
        await new Promise(setImmediate);
      }
    }
    const { mode, atimeMs, mtimeMs } = source.stat();
    target.chmod(mode & PERMISSIONS);
    utimesSync(target.path, atimeMs / 1000, mtimeMs / 1000);
  }

  async #entry(source: HeldDirectory, target: HeldDirectory, name: Buffer): Promise<void> {
    const status = source.inspectExactly(name);
    const at = target.at(name);
    const times = [Number(status.atimeMs) / 1000, Number(status.mtimeMs) / 1000] as const;
    if (status.isDirectory()) {
      mkdirSync(at, WRITABLE);
      const [inner, copy] = [source.open(name), target.open(name)];
      try {
        await this.#directory(inner, copy);
      } finally {
        inner.close();
        copy.close();
      }
    } else if (status.isSymbolicLink()) {
      symlinkSync(source.linkTarget(name), at);
      lutimesSync(at, ...times);
    } else {
      const known = this.#linked.get(status.ino);
      if (known !== undefined) {
        linkSync(known, at);
        return;
      }
      // Shares the blocks where the file system can (ioctl_ficlone(2)).
      copyFileSync(source.at(name), at, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      chmodSync(at, Number(status.mode) & PERMISSIONS);
      utimesSync(at, ...times);
      if (status.nlink > 1n) {
        this.#linked.set(status.ino, Buffer.from(`${target.realPath()}/${name.toString('latin1')}`, 'latin1'));
      }
    }
  }
}
