/**
 * A directory that is held open. Names in it are reached through the descriptor (/proc/self/fd, proc_pid_fd(5)), so that whatever happens to the path that once
 * led there, it is this directory that is looked at: what openat(2) is for, which Node.js does not have.
 */

import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
} from 'node:fs';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
/** Only names it: open(2). Node.js has no constant for it; the number is the same on all machines that cloister runs on. */
const O_PATH = 0o10000000;
const OWNER_ALL = 0o700;

export class HeldDirectory {
  readonly #descriptor: number;

  /** `path` may lead through links, its last name is none. */
  constructor(path: string | Buffer) {
    this.#descriptor = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

  /** One name in it; no slash. Bytes where a name need not be UTF-8. */
  at(name: Buffer | string): Buffer | string {
    const above = `/proc/self/fd/${this.#descriptor}/`;
    return typeof name === 'string' ? above + name : Buffer.concat([Buffer.from(above), name]);
  }

  /** The directory itself, past the link that /proc shows. */
  get path(): string {
    return `/proc/self/fd/${this.#descriptor}/.`;
  }

  /** Where it is now, for those who need a path. */
  realPath(): string {
    return readlinkSync(`/proc/self/fd/${this.#descriptor}`);
  }

  open(name: Buffer | string): HeldDirectory {
    return new HeldDirectory(this.at(name));
  }

  /**
   * Opens a directory that may be closed to its owner, and makes it his. The name is looked up once: permissions are changed through a descriptor, so that a
   * symbolic link that takes the place of the directory meanwhile does not change those of what it leads to.
   */
  openOwned(name: Buffer | string): HeldDirectory {
    const place = openSync(this.at(name), O_PATH | O_DIRECTORY | O_NOFOLLOW);
    try {
      chmodSync(`/proc/self/fd/${place}`, OWNER_ALL);
      return new HeldDirectory(`/proc/self/fd/${place}/.`);
    } finally {
      closeSync(place);
    }
  }

  names(): Buffer[] {
    return readdirSync(this.path, { encoding: 'buffer' });
  }

  stat(): Stats {
    return fstatSync(this.#descriptor);
  }

  /** Device and inode, which are the same wherever it is seen. */
  identity(): string {
    const { dev, ino } = fstatSync(this.#descriptor, { bigint: true });
    return `${dev}:${ino}`;
  }

  /** Of what is there, links not followed; null where nothing is. */
  inspect(name: Buffer | string): Stats | null {
    return lstatSync(this.at(name), { throwIfNoEntry: false }) ?? null;
  }

  inspectExactly(name: Buffer | string): BigIntStats {
    return lstatSync(this.at(name), { bigint: true });
  }

  linkTarget(name: Buffer | string): Buffer {
    return readlinkSync(this.at(name), { encoding: 'buffer' });
  }

  chmod(mode: number): void {
    chmodSync(this.path, mode);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
