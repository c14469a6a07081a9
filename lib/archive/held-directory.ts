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

export class HeldDirectory {
  readonly #descriptor: number;

  /** `path` may lead through links, its last name is none. */
  constructor(path: string | Buffer) {
    this.#descriptor = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  }

  /** One name in it; no slash. Bytes, since a name need not be UTF-8. */
  at(name: Buffer | string): Buffer {
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.#descriptor}/`), Buffer.from(name)]);
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

  names(): Buffer[] {
    return readdirSync(this.path, { encoding: 'buffer' });
  }

  stat(): Stats {
    return fstatSync(this.#descriptor);
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
