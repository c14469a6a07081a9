/**
 * The Landlock domain of a cell. Every cell is fenced in: beyond its own root nothing can be opened, not even through a descriptor that somebody hands
 * in. Where letters of unveil(2) say more than a mount can, creating or writing is granted place by place.
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
 * The rights of a cell with these mounts. A right holds for everything below the place that it is granted at (landlock(7)): null where a restricted
 * directory lies below a place that must have more.
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
      restricted.some(({ permissions }) => !permissions.create && CREATING.includes(right)) ||
      restricted.some(({ permissions }) => !permissions.write && WRITING.includes(right)),
  );
  const withheld = readable === null ? distinguished : [...distinguished, ...READING];
  const everywhere = { path: '/', rights: handledFs.filter((right) => !withheld.includes(right)) };
  const reading = (readable ?? []).map((path) => ({ path, rights: READING, optional: true }) as const);
  if (distinguished.length === 0) {
    return { handledFs, rules: [everywhere, ...reading] };
  }
  const own = new Set(restricted.map(({ path }) => path));
  const writable = writablePlaces(mounts).filter((path) => !own.has(path));
  const conflict = restricted.find(({ path }) => writable.some((place) => isWithin(path, place)));
  if (conflict !== undefined) {
    return { conflict };
  }
  return {
    handledFs,
    rules: [
      everywhere,
      ...reading,
      ...writable.map((path) => ({ path, rights: distinguished })),
      ...restricted.map(({ path, permissions }) => ({
        path,
        rights: distinguished.filter((right) =>
          CREATING.includes(right) ? permissions.create : permissions.write && WRITING.includes(right),
        ),
      })),
    ].filter(({ rights }) => rights.length > 0),
  };
}

/** Where the mounts let something be written. /dev counts for its devices. */
function writablePlaces(mounts: readonly MountOperation[]): string[] {
  const sealed = new Set(mounts.flatMap((operation) => (operation.kind === 'seal' ? [operation.at.path] : [])));
  return mounts.flatMap((operation) => {
    const writes =
      operation.kind === 'dev' ||
      (operation.kind === 'tmpfs' && !sealed.has(operation.at.path)) ||
      (operation.kind === 'bind' && operation.writable) ||
      (operation.kind === 'overlay' && operation.upper !== undefined);
    return writes && operation.at.in === 'root' ? [operation.at.path] : [];
  });
}
