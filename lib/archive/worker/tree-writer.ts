/**
 * Writes entries below the working directory. Symbolic links come last: while files are written there is none, so no name can lead anywhere but where it says,
 * whatever the order of entries. Times and permissions of directories come after that, since making an entry changes the one and may be refused by the other.
 */

import {
  closeSync,
  constants,
  futimesSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  openSync,
  symlinkSync,
  utimesSync,
  chmodSync,
  writeSync,
} from 'node:fs';

import type { Admission } from './admission.js';
import type { EntryHead, EntrySink, FileOutput } from './entry.js';
import { Refusal } from './refusal.js';
import type { Reporter } from './reporter.js';

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const PERMISSIONS = 0o777;
const ANY_FILE = 0o666;
const ANY_DIRECTORY = 0o777;
const OWNER_ALL = 0o700;
const OWNER_READ = 0o400;

interface Link {
  readonly path: string;
  readonly to: string;
  readonly name: string;
  readonly mtime: number | null;
}

interface Directory {
  readonly path: string;
  readonly mode: number;
  readonly mtime: number | null;
}

export class TreeWriter implements EntrySink {
  readonly #admission: Admission;
  readonly #reporter: Reporter;
  readonly #skipUnsafe: boolean;
  readonly #umask: number;
  readonly #links: Link[] = [];
  readonly #directories: Map<string, Directory>;
  /** Unpacked, and dealt with. */
  entries = 0;
  seen = 0;
  bytes = 0;

  constructor(admission: Admission, reporter: Reporter, { skipUnsafe, umask }: { skipUnsafe: boolean; umask: number }) {
    this.#admission = admission;
    this.#reporter = reporter;
    this.#skipUnsafe = skipUnsafe;
    this.#umask = umask;
    // Without an entry of its own, the top is like any new directory.
    this.#directories = new Map([['', { path: '', mode: ANY_DIRECTORY & ~umask, mtime: null }]]);
  }

  begin(head: EntryHead): FileOutput | null {
    this.seen++;
    const verdict = this.#admission.admit(head);
    if ('unsafe' in verdict) {
      this.#refuse(head.name, verdict.unsafe);
      return null;
    }
    const { path, created, linkTo } = verdict;
    for (const directory of created) {
      mkdirSync(directory);
    }
    this.entries++;
    switch (head.kind) {
      case 'directory':
        this.#directory(path, head);
        return null;
      case 'symlink':
        this.#links.push({ path, to: head.target ?? '', name: head.name, mtime: head.mtime });
        return null;
      case 'hardlink':
        linkSync(linkTo ?? '', path);
        return null;
      default:
        return this.#file(path, head);
    }
  }

  #refuse(name: string, reason: string): void {
    if (!this.#skipUnsafe) {
      throw new Refusal('unsafe', reason, name);
    }
    this.#reporter.skipped(name, reason);
  }

  #directory(path: string, { mode, mtime }: EntryHead): void {
    // Named by more than one entry: the last one says what it is like.
    if (!this.#directories.has(path) && path !== '') {
      mkdirSync(path, { recursive: true });
    }
    const wanted = ((mode ?? ANY_DIRECTORY) & PERMISSIONS & ~this.#umask) | OWNER_ALL;
    this.#directories.set(path, { path, mode: wanted, mtime });
  }

  #file(path: string, { mode, mtime }: EntryHead): FileOutput {
    // The umask of this process is the caller's, so the kernel takes off what it takes off from any new file.
    const wanted = ((mode ?? ANY_FILE) & PERMISSIONS) | OWNER_READ;
    const descriptor = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, wanted);
    return {
      write: (chunk) => {
        for (let at = 0; at < chunk.length; ) {
          at += writeSync(descriptor, chunk, at);
        }
        this.bytes += chunk.length;
      },
      end: () => {
        if (mtime !== null) {
          futimesSync(descriptor, Date.now() / 1000, mtime / 1000);
        }
        closeSync(descriptor);
      },
    };
  }

  finish(): void {
    const links = this.#admission.settleLinks(this.#links, ({ name }, reason) => {
      this.entries--;
      this.#refuse(name, reason);
    });
    const now = Date.now() / 1000;
    for (const { path, to, mtime } of links) {
      symlinkSync(to, path);
      if (mtime !== null) {
        lutimesSync(path, now, mtime / 1000);
      }
    }
    // The innermost first: a directory without permission to search hides what is below.
    const directories = [...this.#directories.values()].sort((a, b) => b.path.length - a.path.length);
    for (const { path, mode, mtime } of directories) {
      chmodSync(path === '' ? '.' : path, mode);
      if (mtime !== null) {
        utimesSync(path === '' ? '.' : path, now, mtime / 1000);
      }
    }
  }
}
