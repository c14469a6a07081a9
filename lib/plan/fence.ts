/**
 * The Landlock domain of a cell. Every cell is fenced in: beyond its own root nothing can be opened, not even through a descriptor that somebody hands
 * in. Opening for writing is granted place by place, since a read-only mount does not keep anybody from writing to the named pipes in it; and where
 * letters of unveil(2) say more than a mount can, so are creating and truncating.
 */

import type { Permissions } from '../policy/valid.js';
import { isWithin } from '../util/paths.js';
import { FS_RIGHTS, type FsRight } from './landlock-rights.js';
import type { LandlockPlan, MountOperation } from './types.js';

/** A directory whose letters no mount holds. */
export interface Restricted {
  /** As it is called inside. */
  readonly path: string;
  readonly permissions: Permissions;
}

/** Before ABI 2 every domain that handles files forbids renaming from one directory to another. */
const FENCE_ABI = 2;
/** Truncating is a right of its own since ABI 3: before, it goes past Landlock. */
const TRUNCATE_ABI = 3;

const CREATING: readonly FsRight[] = [
  'remove-dir',
  'remove-file',
  'make-char',
  'make-dir',
  'make-reg',
  'make-sock',
  'make-fifo',
  'make-block',
  'make-sym',
];
const WRITING: readonly FsRight[] = ['write-file', 'truncate'];
const READING: readonly FsRight[] = ['read-file', 'read-dir'];

/** Whether a domain can hold these letters of a directory exactly. */
export function fenceHolds({ read, write, create }: Permissions, abi: number): boolean {
  return read && write !== create && abi >= (write ? FENCE_ABI : TRUNCATE_ABI);
}

/**
 * The rights of a cell with these mounts. A right holds for everything below the place that it is granted at (landlock(7)): a conflict where a
 * restricted directory lies below a place that must have more.
 *
 * @param readable what may be read when nothing else may; a place that is not there is nobody's loss. Null: all of the cell.
 */
export function planFence(
  abi: number,
  mounts: readonly MountOperation[],
  restricted: readonly Restricted[],
  readable: readonly string[] | null = null,
): Required<Pick<LandlockPlan, 'handledFs' | 'rules'>> | { readonly conflict: Restricted } | null {
  if (abi < FENCE_ABI) {
    return null;
  }
  const handledFs = (Object.keys(FS_RIGHTS) as FsRight[]).filter((right) => FS_RIGHTS[right].abi <= abi);
  const distinguished = handledFs.filter(
    (right) =>
      right === 'write-file' ||
      restricted.some(({ permissions }) => !permissions.create && CREATING.includes(right)) ||
      restricted.some(({ permissions }) => !permissions.write && WRITING.includes(right)),
  );
  const withheld = readable === null ? distinguished : [...distinguished, ...READING];
  const everywhere = { path: '/', rights: handledFs.filter((right) => !withheld.includes(right)) };
  const reading = (readable ?? []).map((path) => ({ path, rights: READING, optional: true }) as const);
  const own = new Set(restricted.map(({ path }) => path));
  const writable = writablePlaces(mounts).filter((path) => !own.has(path));
  const conflict = restricted.find(
    (inner) =>
      writable.some((place) => isWithin(inner.path, place)) ||
      restricted.some((outer) => allowsMoreBelow(outer, inner)),
  );
  if (conflict !== undefined) {
    return { conflict };
  }
  return {
    handledFs,
    rules: [
      everywhere,
      ...reading,
      // One that the cell's user cannot reach is no use to it.
      ...writable.map((path) => ({ path, rights: distinguished, optional: true })),
      ...restricted.map(({ path, permissions }) => ({
        path,
        rights: distinguished.filter((right) =>
          CREATING.includes(right) ? permissions.create : permissions.write && WRITING.includes(right),
        ),
      })),
    ].filter(({ rights }) => rights.length > 0),
  };
}

function allowsMoreBelow(outer: Restricted, inner: Restricted): boolean {
  const more = (letter: 'write' | 'create'): boolean => outer.permissions[letter] && !inner.permissions[letter];
  return outer !== inner && isWithin(inner.path, outer.path) && (more('write') || more('create'));
}

/** Where the mounts let something be written. Devices are written to whatever their mount says. */
function writablePlaces(mounts: readonly MountOperation[]): string[] {
  const sealed = new Set(mounts.flatMap((operation) => (operation.kind === 'seal' ? [operation.at.path] : [])));
  return mounts.flatMap((operation) => {
    const writes =
      operation.kind === 'dev' ||
      (operation.kind === 'tmpfs' && !sealed.has(operation.at.path)) ||
      (operation.kind === 'bind' && (operation.writable || operation.devices)) ||
      (operation.kind === 'overlay' && operation.upper !== undefined);
    return writes && operation.at.in === 'root' ? [operation.at.path] : [];
  });
}
