/** The files that an image is made of, in a directory. Links are not followed, whoever made them; nothing is believed of a file but what it is. */

import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

import type { HeldDirectory } from '../archive/held-directory.js';
import { errnoName } from '../errors.js';
import { type Digest, digestOfBytes, digestText, sameDigest } from './digest.js';
import { imageError, systemError } from './errors.js';

/** Bytes of an index, a manifest or a configuration. Beyond any that is read by a person or made for a program. */
const MOST_JSON = 4 * 2 ** 20;
const MOST_LINKS = 4;

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;

export interface Document {
  readonly value: Readonly<Record<string, unknown>> | readonly unknown[];
  readonly digest: Digest;
  /** Bytes. */
  readonly length: number;
}

export class Parts {
  /** For messages. */
  readonly image: string;
  /** Nobody else has a way to it: what was looked at stays as it is. */
  readonly isPrivate: boolean;
  readonly #top: HeldDirectory;

  constructor(image: string, top: HeldDirectory, isPrivate: boolean) {
    this.image = image;
    this.#top = top;
    this.isPrivate = isPrivate;
  }

  has(name: string): boolean {
    return this.#top.inspect(name)?.isFile() === true;
  }

  /** A blob of an OCI image layout. The caller closes it. */
  openBlob(digest: Digest, what: string): number {
    return this.openFile(['blobs', digest.algorithm, digest.hex], `${what} ${digestText(digest)}`);
  }

  /** A regular file, opened for reading; `path`: names, none of which is '..'. The caller closes it. */
  openFile(path: readonly string[], what: string): number {
    const directories: HeldDirectory[] = [];
    try {
      let at = this.#top;
      for (const name of path.slice(0, -1)) {
        at = at.open(name);
        directories.push(at);
      }
      // Not to wait for a writer where it is a fifo.
      const descriptor = openSync(at.at(path.at(-1) ?? ''), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
      if (isRegular(descriptor)) {
        return descriptor;
      }
      closeSync(descriptor);
      throw imageError(this.image, `${what} is not a regular file`);
    } catch (error) {
      throw this.#openError(error, what);
    } finally {
      for (const directory of directories) {
        directory.close();
      }
    }
  }

  #openError(error: unknown, what: string): unknown {
    switch (errnoName((error as NodeJS.ErrnoException).errno ?? 0)) {
      case 'ENOENT':
        return imageError(this.image, `${what} is missing`, error);
      case 'ENOTDIR':
      case 'ELOOP':
        return imageError(
          this.image,
          `${what} is, or lies behind, a symbolic link or something else that is no directory`,
          error,
        );
      default:
        return systemError('cannot read', this.image, error);
    }
  }

  /** Names that a path of ours leads to, links in the archive followed: older forms of `docker save` name a layer that two images share by a link. */
  follow(path: readonly string[]): readonly string[] {
    let names = path;
    for (let links = 0; links < MOST_LINKS; links++) {
      const parent = names.length === 1 ? this.#top : this.#openParent(names);
      try {
        const base = names.at(-1) ?? '';
        if (parent.inspect(base)?.isSymbolicLink() !== true) {
          return names;
        }
        names = resolve(names.slice(0, -1), parent.linkTarget(base).toString('utf8'));
      } finally {
        if (parent !== this.#top) {
          parent.close();
        }
      }
    }
    throw imageError(this.image, `${path.join('/')} leads around in a circle`);
  }

  #openParent(names: readonly string[]): HeldDirectory {
    let at = this.#top;
    for (const name of names.slice(0, -1)) {
      const above = at;
      try {
        at = above.open(name);
      } catch (error) {
        throw this.#openError(error, names.join('/'));
      } finally {
        if (above !== this.#top) {
          above.close();
        }
      }
    }
    return at;
  }

  readBlob(digest: Digest, what: string): Document {
    const descriptor = this.openBlob(digest, what);
    const document = this.#parse(descriptor, `${what} ${digestText(digest)}`, digest.algorithm);
    if (!sameDigest(document.digest, digest)) {
      throw imageError(this.image, `${what} ${digestText(digest)} is something else: ${digestText(document.digest)}`);
    }
    return document;
  }

  readFile(path: readonly string[], what: string): Document {
    return this.#parse(this.openFile(path, what), what, 'sha256');
  }

  /** Closes the descriptor. */
  #parse(descriptor: number, what: string, algorithm: Digest['algorithm']): Document {
    let bytes: Buffer;
    try {
      const { size } = fstatSync(descriptor);
      if (size > MOST_JSON) {
        throw imageError(this.image, `${what} has ${size} bytes, which is too many`);
      }
      bytes = readAll(descriptor, size);
    } finally {
      closeSync(descriptor);
    }
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch (error) {
      throw imageError(this.image, `${what} is not JSON`, error);
    }
    if (typeof value !== 'object' || value === null) {
      throw imageError(this.image, `${what} is neither an object nor an array`);
    }
    return { value: value as Document['value'], digest: digestOfBytes(bytes, algorithm), length: bytes.length };
  }
}

/** Closes the descriptor where that cannot be told. */
function isRegular(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
}

function readAll(descriptor: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let filled = 0;
  while (filled < size) {
    const count = readSync(descriptor, bytes, filled, size - filled, filled);
    if (count === 0) {
      break;
    }
    filled += count;
  }
  return bytes.subarray(0, filled);
}

function resolve(above: readonly string[], target: string): string[] {
  const names = target.startsWith('/') ? [] : [...above];
  for (const name of target.split('/')) {
    if (name === '..') {
      names.pop();
    } else if (name !== '' && name !== '.') {
      names.push(name);
    }
  }
  return names;
}
