/** The form of a profile. Keys that are not known are refused: they could change what a rule means, as includes and excludes do. */

import * as z from '../zod.js';

import { describe } from '../issues.js';
import { count, oneOf, type Schema, scalar, strict } from '../schema-parts.js';
import { ACTION_NAMES, OPERATOR_NAMES } from './names.js';

const LARGEST_DATA = 0xffff;

const text = z.string();
const texts = z.array(text);
/** Go writes empty members as null. */
const nothingOr = <Part extends z.core.SomeType>(part: Part): z.ZodMiniOptional<z.ZodMiniNullable<Part>> =>
  z.optional(z.nullable(part));

export interface Condition {
  index: number;
  value: number | bigint;
  valueTwo?: number | bigint | null;
  op: string;
}

export interface Selection {
  caps?: string[] | null;
  arches?: string[] | null;
  minKernel?: string | null;
}

export interface Entry {
  names?: string[] | null;
  name?: string | null;
  action: string;
  errnoRet?: number | null;
  args?: Condition[] | null;
  includes?: Selection | null;
  excludes?: Selection | null;
  comment?: string | null;
}

export interface Profile {
  defaultAction: string;
  defaultErrnoRet?: number | null;
  architectures?: string[] | null;
  archMap?: { architecture: string; subArchitectures?: string[] | null }[] | null;
  flags?: string[] | null;
  listenerPath?: string | null;
  listenerMetadata?: string | null;
  syscalls?: Entry[] | null;
}

const action = oneOf(ACTION_NAMES);

/** uint64 of the specification. JSON numbers beyond 2^53 have lost digits on the way. */
const word: Schema<number | bigint> = scalar<number | bigint>(
  'out-of-range',
  { type: 'integer', minimum: 0 },
  (value) => {
    const exact =
      typeof value === 'bigint'
        ? value >= 0n && value < 2n ** 64n
        : typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
    return exact
      ? { value: value as number | bigint }
      : { problem: `must be a whole number from 0 that is exact, or a bigint, not ${describe(value)}` };
  },
);

const selection = strict({ caps: nothingOr(texts), arches: nothingOr(texts), minKernel: nothingOr(text) });

const entry = strict({
  names: nothingOr(texts),
  name: nothingOr(text),
  action,
  errnoRet: nothingOr(count(0, LARGEST_DATA)),
  args: nothingOr(
    z.array(strict({ index: count(0, 5), value: word, valueTwo: nothingOr(word), op: oneOf(OPERATOR_NAMES) })),
  ),
  includes: nothingOr(selection),
  excludes: nothingOr(selection),
  comment: nothingOr(text),
});

export const profileSchema: Schema<Profile> = strict({
  defaultAction: action,
  defaultErrnoRet: nothingOr(count(0, LARGEST_DATA)),
  architectures: nothingOr(texts),
  archMap: nothingOr(z.array(strict({ architecture: text, subArchitectures: nothingOr(texts) }))),
  flags: nothingOr(texts),
  listenerPath: nothingOr(text),
  listenerMetadata: nothingOr(text),
  syscalls: nothingOr(z.array(entry)),
}) as unknown as Schema<Profile>;
