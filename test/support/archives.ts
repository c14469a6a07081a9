/** Archives that a test makes, unpacked by one process for all of them, as the user that the test names. */

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'vitest';

import type { ExtractOptions, ExtractResult, ListResult } from '../../lib/archive.js';
import { inSubprocess, type User } from './in-subprocess.js';
import { listing, scratch } from './scratch.js';
import type { PlainError } from './subprocess-context.js';

export interface Unpacking {
  bytes: Buffer;
  options?: ExtractOptions;
}

export interface UnpackingResult {
  result: ExtractResult | null;
  failure: PlainError | null;
  /** Lines of listing() of the destination, without owners; null where there is none. */
  tree: string[] | null;
}

interface Given {
  archive: string;
  destination: string;
  options: ExtractOptions;
}

/** Unpacks each; fails where anything but archives and destinations is there afterwards. */
export async function unpackAll(
  user: User,
  unpackings: readonly Unpacking[],
  before?: string,
): Promise<UnpackingResult[]> {
  const folder = scratch(user);
  const given: Given[] = unpackings.map(({ bytes, options = {} }, index) => {
    const archive = path.join(folder, `archive-${String(index)}`);
    writeFileSync(archive, bytes);
    return { archive, destination: path.join(folder, `out-${String(index)}`), options };
  });
  const ends = await inSubprocess(
    async ({ archive: load, failureOf, data }) => {
      const { extractArchive } = await load();
      const all: { result: unknown; failure: unknown }[] = [];
      for (const { archive, destination, options } of data as Given[]) {
        let result: unknown = null;
        const failure = await failureOf(async () => {
          result = await extractArchive(archive, destination, options);
        });
        all.push({ result, failure });
      }
      return all;
    },
    { user, data: given, ...(before === undefined ? {} : { before }) },
  );
  expect(readdirSync(folder).filter((name) => !/^(archive|out)-\d+$/u.test(name))).toEqual([]);
  return given.map(({ destination }, index) => ({
    ...(ends[index] as { result: ExtractResult | null; failure: PlainError | null }),
    tree: existsSync(destination) ? treeOf(destination) : null,
  }));
}

/** `path mode size -> target`, in the order of names. */
export function treeOf(folder: string): string[] {
  return listing(folder).map((line) => line.replace(/ \d+:\d+/u, ''));
}

/** One that must be unpacked. */
export async function unpack(
  user: User,
  bytes: Buffer,
  options?: ExtractOptions,
): Promise<{ result: ExtractResult; tree: string[] }> {
  const [end] = await unpackAll(user, [{ bytes, ...(options === undefined ? {} : { options }) }]);
  if (end === undefined || end.result === null || end.tree === null) {
    throw new Error(`not unpacked: ${JSON.stringify(end)}`);
  }
  return { result: end.result, tree: end.tree };
}

export async function list(user: User, bytes: Buffer): Promise<ListResult> {
  const folder = scratch(user);
  const archive = path.join(folder, 'archive');
  writeFileSync(archive, bytes);
  return await inSubprocess(
    async ({ archive: load, data }) => {
      const { listArchive } = await load();
      return await listArchive(data as string);
    },
    { user, data: archive },
  );
}
