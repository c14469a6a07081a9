/** Files of the host for one test, owned by the user who runs its cells. */

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { onTestFinished } from 'vitest';

import type { User } from './in-subprocess.js';

const NOBODY = 65534;

/** Host ids of a user. */
export function idOf(user: User): number {
  return user === 'nobody' ? NOBODY : (process.getuid?.() ?? 0);
}

/** Name to what is there: text is a file's content, `dir` and `-> target` are what they look like, `fifo` and `socket` too. */
export type Layout = Readonly<Record<string, string>>;

/** A new directory with these files, removed when the test is over. `beside`: for tests that /tmp, where cells have something of their own, is in the way of. */
export function scratch(user: User, layout: Layout = {}, beside: string = os.tmpdir()): string {
  const folder = mkdtempSync(path.join(beside, 'cloister-test-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  give(folder, user);
  chmodSync(folder, 0o755);
  for (const [name, what] of Object.entries(layout)) {
    place(path.join(folder, name), what, user, folder);
  }
  return folder;
}

function place(file: string, what: string, user: User, top: string): void {
  const parent = path.dirname(file);
  if (parent !== top && lstatSync(parent, { throwIfNoEntry: false }) === undefined) {
    place(parent, 'dir', user, top);
  }
  if (what === 'dir') {
    mkdirSync(file);
  } else if (what.startsWith('-> ')) {
    symlinkSync(what.slice(3), file);
  } else if (what === 'fifo') {
    spawnSync('mkfifo', [file]);
  } else {
    writeFileSync(file, what);
  }
  give(file, user);
}

function give(file: string, user: User): void {
  if (user === 'nobody') {
    lchownSync(file, NOBODY, NOBODY);
  }
}

/** Everything below a directory: path, kind and permissions, owner, and where links lead; in the order of names. */
export function listing(folder: string): string[] {
  const found: string[] = [];
  const visit = (directory: string): void => {
    for (const name of readdirSync(directory).sort()) {
      const file = path.join(directory, name);
      const status = lstatSync(file);
      const link = status.isSymbolicLink() ? ` -> ${readlinkSync(file)}` : '';
      const size = status.isFile() ? ` ${String(status.size)}` : '';
      found.push(
        `${path.relative(folder, file)} ${status.mode.toString(8)} ${String(status.uid)}:${String(status.gid)}${size}${link}`,
      );
      if (status.isDirectory()) {
        visit(file);
      }
    }
  };
  visit(folder);
  return found;
}
