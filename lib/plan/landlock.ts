/** From the letters of unveil(2), ports and scopes to Landlock's rights, and what a kernel lacks of them. Pure: no kernel is asked. */

import { unveilPath } from '../policy/normalize.js';
import type { Permissions, UnveilEntry } from '../policy/valid.js';
import { dirname } from '../util/paths.js';
import { FS_RIGHTS, type FsRight, NET_RIGHTS, type NetRight, type ScopeName, SCOPES } from './landlock-rights.js';

/** What the kernel says of its Landlock. */
export interface LandlockKernel {
  /** 0: none. */
  readonly abi: number;
  /** Mask of the errata that it has mended: native/landlock/rights.h. */
  readonly errata: number;
}

/** The ABI whose restrict call reaches all threads of a process (Linux 7.0). */
export const THREAD_SYNC_ABI = 8;

/** The ABI that decides about connecting to Unix sockets by path (Linux 7.1). */
export const SOCKETS_ABI = 9;

/** Erratum 2: before it was mended, the signal scope parted the threads of a process. */
const THREAD_SIGNALS_MENDED = 1 << 1;

const LETTER_RIGHTS: Readonly<Record<keyof Permissions, readonly FsRight[]>> = {
  read: ['read-file', 'read-dir'],
  // A device is steered by ioctl(2), a server by connecting to its socket: both act, so they are writing.
  write: ['write-file', 'truncate', 'ioctl-dev', 'resolve-unix'],
  execute: ['execute'],
  // Nodes of devices are never created: no letter stands for that.
  create: ['remove-dir', 'remove-file', 'make-dir', 'make-reg', 'make-sock', 'make-fifo', 'make-sym', 'refer'],
};

/** What a promise does with files by itself, and what has to be handled so that it does that in its own places only. */
const USES: Readonly<Record<ImpliedUse, readonly FsRight[]>> = {
  reading: ['read-file', 'read-dir'],
  temporary: ['make-reg', 'remove-file'],
};
export type ImpliedUse = 'reading' | 'temporary';

/** A domain that handles any right of files forbids moving them between directories, unless it handles and grants that (landlock(7), REFER). */
const MOVING: FsRight = 'refer';

/** The rights that letters stand for, on a kernel of this ABI. `directory` false: those that a single file can have. */
export function rightsOfLetters(permissions: Permissions, abi: number, directory: boolean): FsRight[] {
  return (Object.keys(LETTER_RIGHTS) as (keyof Permissions)[])
    .filter((letter) => permissions[letter])
    .flatMap((letter) => LETTER_RIGHTS[letter])
    .filter((right) => FS_RIGHTS[right].abi <= abi && (directory || FS_RIGHTS[right].file));
}

/** What is asked of Landlock. */
export interface LandlockWish {
  /** A list: nothing else than these. */
  readonly files: 'all' | readonly ImpliedUse[];
  readonly tcp: boolean;
  /** Undefined: only where it costs nothing. */
  readonly scope: boolean | undefined;
  /** A filter refuses truncate(2) and O_TRUNC. */
  readonly truncationFiltered: boolean;
}

export interface LandlockRights {
  readonly handledFs: readonly FsRight[];
  readonly handledNet: readonly NetRight[];
  readonly scoped: readonly ScopeName[];
}

export interface Missing {
  readonly feature: string;
  readonly reason: string;
}

/** The rights to handle for a process that restricts itself, and the parts of the wish that this kernel cannot hold. */
export function downgrade(wish: LandlockWish, kernel: LandlockKernel): { rights: LandlockRights; missing: Missing[] } {
  const missing: Missing[] = [];
  const need = (feature: string, abi: number, release: string): boolean => {
    if (kernel.abi >= abi) {
      return true;
    }
    const has = kernel.abi === 0 ? 'no Landlock' : `Landlock ABI ${kernel.abi}`;
    missing.push({ feature, reason: `this kernel has ${has}; it takes ABI ${abi} (Linux ${release})` });
    return false;
  };
  const files =
    wish.files.length > 0 && need(wish.files === 'all' ? 'unveil' : 'pledge: files that a promise opens', 1, '5.13');
  if (files && wish.files === 'all' && !wish.truncationFiltered) {
    need('unveil: files that may not be written are not truncated', 3, '6.2');
  }
  const tcp = wish.tcp && need('tcp', 4, '6.7');
  return {
    rights: {
      handledFs: files ? knownRights(FS_RIGHTS, kernel.abi).filter((right) => isHandled(right, wish.files)) : [],
      handledNet: tcp ? knownRights(NET_RIGHTS, kernel.abi).filter((right) => right.endsWith('-tcp')) : [],
      scoped: wantsScope(wish, kernel, missing, need) ? knownRights(SCOPES, kernel.abi) : [],
    },
    missing,
  };
}

function isHandled(right: FsRight, files: LandlockWish['files']): boolean {
  return files === 'all' || right === MOVING || files.some((use) => USES[use].includes(right));
}

/** What is granted in the places of a use. */
export function rightsOfUse(use: ImpliedUse): readonly FsRight[] {
  return USES[use];
}

function wantsScope(
  { scope }: LandlockWish,
  { abi, errata }: LandlockKernel,
  missing: Missing[],
  need: (feature: string, abi: number, release: string) => boolean,
): boolean {
  if (scope !== true) {
    return scope === undefined && abi >= THREAD_SYNC_ABI;
  }
  if (!need('scope', 6, '6.12')) {
    return false;
  }
  if (abi < THREAD_SYNC_ABI && (errata & THREAD_SIGNALS_MENDED) === 0) {
    missing.push({
      feature: 'scope',
      reason: "this kernel's signal scope parts the threads of a process from each other (mended in Linux 6.15)",
    });
    return false;
  }
  return true;
}

/** Those of them that a kernel of this ABI has. */
export function knownRights<Name extends string>(
  rights: Readonly<Record<Name, { readonly abi: number }>>,
  abi: number,
): Name[] {
  return (Object.keys(rights) as Name[]).filter((name) => rights[name].abi <= abi);
}

/** Landlock grants below a path add up: what lies in a wider grant cannot be narrower, or hidden. */
export function widened(granted: ReadonlyMap<string, UnveilEntry>, hidden: readonly UnveilEntry[]): Missing[] {
  const missing: Missing[] = [];
  const inner = [
    ...[...granted].map(([real, entry]) => ({ real, entry })),
    ...hidden.map((entry) => ({ real: entry.path, entry })),
  ];
  for (const { real, entry } of inner) {
    const outer = widerGrant(granted, real, entry.letters);
    if (outer !== undefined) {
      missing.push({
        feature: `${unveilPath(entry.written)}: '${entry.letters}'`,
        reason: `it lies in ${outer.path}, which is unveiled with '${outer.letters}', and Landlock takes nothing away inside a grant`,
      });
    }
  }
  return missing;
}

function widerGrant(granted: ReadonlyMap<string, UnveilEntry>, real: string, letters: string): UnveilEntry | undefined {
  for (let path = real; path !== '/'; ) {
    path = dirname(path);
    const outer = granted.get(path);
    if (outer !== undefined && [...outer.letters].some((letter) => !letters.includes(letter))) {
      return outer;
    }
  }
  return undefined;
}

/** To execute a file the kernel opens it for reading, and asks Landlock for both. */
export function unreadable(entries: readonly UnveilEntry[]): Missing[] {
  return entries
    .filter(({ permissions }) => permissions?.execute === true && !permissions.read)
    .map(({ written, letters }) => ({
      feature: `${unveilPath(written)}: '${letters}'`,
      reason: "Landlock lets nothing be executed that may not be read: add 'r'",
    }));
}
