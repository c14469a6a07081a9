/** Schema of mounts. */

import * as z from './zod.js';

import { suggest } from '../util/suggest.js';
import { alternatives, describe } from './issues.js';
import { boolean, bytes, cellPath, hostPath, mode, type Schema, scalar, strict } from './schema-parts.js';

/** A mount with its quantities read; paths are still as written. */
export type ParsedMount =
  | {
      readonly type: 'bind';
      readonly source: string;
      readonly target?: string | undefined;
      readonly writable?: boolean | undefined;
      readonly optional?: boolean | undefined;
      readonly executable?: boolean | undefined;
    }
  | {
      readonly type: 'tmpfs';
      readonly target: string;
      readonly size?: number | undefined;
      readonly mode?: number | undefined;
      readonly executable?: boolean | undefined;
    }
  | {
      readonly type: 'overlay';
      readonly lower: string | readonly string[];
      readonly target: string;
      readonly upper?: string | undefined;
    }
  | {
      readonly type: 'file';
      readonly target: string;
      readonly content: string | Uint8Array;
      readonly mode?: number | undefined;
      readonly writable?: boolean | undefined;
    }
  | { readonly type: 'directory'; readonly target: string; readonly mode?: number | undefined }
  | { readonly type: 'symlink'; readonly target: string; readonly to: string }
  | { readonly type: 'proc'; readonly target?: string | undefined }
  | { readonly type: 'dev'; readonly target?: string | undefined };

const TYPES = ['bind', 'tmpfs', 'overlay', 'file', 'directory', 'symlink', 'proc', 'dev'] as const;

function unknownType(mount: unknown): string {
  const type = typeof mount === 'object' && mount !== null && 'type' in mount ? mount.type : undefined;
  const nearest = typeof type === 'string' ? suggest(type, TYPES) : undefined;
  return `must be ${alternatives(TYPES)}, not ${describe(type)}${nearest === undefined ? '' : `; did you mean '${nearest}'?`}`;
}

// kMaxOverlayLayers of the launcher, less the one for what the cell writes.
const MOST_LAYERS = 60;

const content: Schema<string | Uint8Array> = scalar('wrong-type', { type: 'string' }, (value) =>
  typeof value === 'string' || value instanceof Uint8Array
    ? { value }
    : { problem: 'must be a string or a Uint8Array' },
);

// An empty tmpfs size would mean no limit at all (tmpfs(5)).
const size = bytes(4096);

const linkTarget: Schema<string> = scalar('bad-path', { type: 'string', minLength: 1 }, (value) =>
  typeof value === 'string' && value !== '' ? { value } : { problem: 'must be a text that is not empty' },
);

export const mountSchema: Schema<ParsedMount> = z.discriminatedUnion(
  'type',
  [
    strict({
      type: z.literal('bind'),
      source: hostPath,
      target: z.optional(cellPath),
      writable: z.optional(boolean),
      optional: z.optional(boolean),
      executable: z.optional(boolean),
    }),
    strict({
      type: z.literal('tmpfs'),
      target: cellPath,
      size: z.optional(size),
      mode: z.optional(mode),
      executable: z.optional(boolean),
    }),
    strict({
      type: z.literal('overlay'),
      lower: z.union([hostPath, z.array(hostPath).check(z.minLength(1), z.maxLength(MOST_LAYERS))]),
      target: cellPath,
      upper: z.optional(hostPath),
    }),
    strict({
      type: z.literal('file'),
      target: cellPath,
      content,
      mode: z.optional(mode),
      writable: z.optional(boolean),
    }),
    strict({ type: z.literal('directory'), target: cellPath, mode: z.optional(mode) }),
    strict({ type: z.literal('symlink'), target: cellPath, to: linkTarget }),
    strict({ type: z.literal('proc'), target: z.optional(cellPath) }),
    strict({ type: z.literal('dev'), target: z.optional(cellPath) }),
  ],
  { error: ({ input }) => unknownType(input) },
);
