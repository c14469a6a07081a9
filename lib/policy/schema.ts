/** The one description of a policy: validation and the shipped JSON Schema both come from it. */

import { Stream } from 'node:stream';
import { types } from 'node:util';

import * as z from './zod.js';

import { alternatives, describe, unknownWord } from './issues.js';
import {
  abortSignal,
  boolean,
  bytes,
  cellPath,
  count,
  duration,
  hostPath,
  oneOf,
  type Schema,
  scalar,
  strict,
  text,
} from './schema-parts.js';
import { mountSchema, type ParsedMount } from './schema-mounts.js';
import { ociProfileSchema, seccompPolicySchema } from './schema-seccomp.js';
import type {
  IsolationPolicy,
  NetRequest,
  OciSeccompProfile,
  OnUnsupported,
  OnViolation,
  PledgePromise,
  SeccompPolicy,
  StdioEntry,
} from './types.js';
import { CAPABILITIES, capabilityName, ON_UNSUPPORTED, ON_VIOLATION, PROMISES } from './vocabulary.js';

export interface ParsedLimits {
  readonly wallTime?: number | undefined;
  readonly cpuTime?: number | undefined;
  readonly memory?: number | undefined;
  readonly processes?: number | undefined;
  readonly fileSize?: number | undefined;
  readonly openFiles?: number | undefined;
  readonly output?: number | undefined;
  readonly scratch?: number | undefined;
  readonly cpus?: number | undefined;
  readonly core?: number | undefined;
  readonly stack?: number | undefined;
  readonly addressSpace?: number | undefined;
}

export type ParsedRoot =
  | 'system'
  | 'host'
  | 'empty'
  | { readonly directory: string; readonly writable?: boolean | 'discard' | undefined }
  | { readonly image: string; readonly reference?: string | undefined };

export interface ParsedNetList {
  readonly allow: readonly string[];
  readonly deny?: readonly string[] | undefined;
  readonly ask?: ((request: NetRequest) => boolean | Promise<boolean>) | undefined;
}

/** A policy of the right shape, quantities read, words checked; paths and defaults are still as written. */
export interface ParsedPolicy {
  readonly pledge?: readonly PledgePromise[] | undefined;
  readonly unveil?: Readonly<Record<string, string>> | undefined;
  readonly tcp?:
    | { readonly connect?: readonly number[] | undefined; readonly bind?: readonly number[] | undefined }
    | undefined;
  readonly scope?: boolean | undefined;
  readonly seccomp?: SeccompPolicy | OciSeccompProfile | undefined;
  readonly capabilities?: readonly string[] | undefined;
  readonly onViolation?: OnViolation | undefined;
  readonly onUnsupported?: OnUnsupported | undefined;
  readonly root?: ParsedRoot | undefined;
  readonly mounts?: readonly ParsedMount[] | undefined;
  readonly net?: 'none' | 'host' | ParsedNetList | undefined;
  readonly hostname?: string | undefined;
  readonly user?:
    | { readonly uid?: number | undefined; readonly gid?: number | undefined; readonly hostRoot?: boolean | undefined }
    | undefined;
  readonly limits?: ParsedLimits | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | 'inherit' | undefined;
  readonly cwd?: string | undefined;
  readonly appArmorProfile?: string | undefined;
  readonly selinuxLabel?: string | undefined;
  readonly backend?: NonNullable<IsolationPolicy['backend']> | undefined;
}

export interface ParsedOptions extends ParsedPolicy {
  readonly stdio?: 'pipe' | 'ignore' | 'inherit' | readonly StdioEntry[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly argv0?: string | undefined;
  readonly pty?: { readonly columns: number; readonly rows: number } | undefined;
  readonly input?: string | Uint8Array | Stream | undefined;
  readonly encoding?: BufferEncoding | 'buffer' | undefined;
}

const promise: Schema<PledgePromise> = scalar('unknown-promise', { enum: PROMISES }, (value) =>
  PROMISES.includes(value as PledgePromise)
    ? { value: value as PledgePromise }
    : { problem: unknownWord('promise', describeWord(value), PROMISES) },
);

const promises: Schema<PledgePromise[]> = scalar('unknown-promise', { type: 'string' }, (value) => {
  if (typeof value !== 'string') {
    return { problem: `must be promises as text or as an array, not ${describe(value)}` };
  }
  const words = [...new Set(value.split(/\s+/).filter((word) => word !== ''))];
  const unknown = words.filter((word) => !PROMISES.includes(word as PledgePromise));
  return unknown.length === 0
    ? { value: words as PledgePromise[] }
    : { problem: unknown.map((word) => unknownWord('promise', word, PROMISES)).join('; ') };
});

const pledge: Schema<PledgePromise[]> = z.union([z.array(promise), promises], {
  error: 'must be promises as text or as an array',
});

const letters: Schema<string> = scalar('unknown-letter', { type: 'string', pattern: '^[rwxc]*$' }, (value) => {
  if (typeof value !== 'string') {
    return { problem: `must be letters of 'rwxc', not ${describe(value)}` };
  }
  const unknown = value.match(/[^rwxc]/gu) ?? [];
  return unknown.length === 0
    ? { value }
    : { problem: `unknown letter ${alternatives(unknown.slice(0, 4))}, known are r, w, x and c` };
});

const unveil: Schema<Record<string, string>> = z.record(hostPath, letters);

const capability: Schema<string> = scalar('unknown-capability', { type: 'string' }, (value) => {
  const name = typeof value === 'string' ? capabilityName(value) : undefined;
  if (name !== undefined) {
    return { value: name };
  }
  const word = describeWord(value);
  return {
    problem: unknownWord(
      'capability',
      word,
      /^cap_/i.test(word) ? CAPABILITIES : CAPABILITIES.map((known) => known.slice('CAP_'.length)),
    ),
  };
});

function describeWord(value: unknown): string {
  return typeof value === 'string' ? value : describe(value);
}

const port = count(0, 65535);

const restriction = {
  pledge: z.optional(pledge),
  unveil: z.optional(unveil),
  tcp: z.optional(strict({ connect: z.optional(z.array(port)), bind: z.optional(z.array(port)) })),
  scope: z.optional(boolean),
  seccomp: z.optional(
    z.union([seccompPolicySchema, ociProfileSchema], {
      error: 'must be a filter with rules, or a profile in the OCI format',
    }),
  ),
  capabilities: z.optional(z.array(capability)),
  onViolation: z.optional(oneOf(ON_VIOLATION)),
  onUnsupported: z.optional(oneOf(ON_UNSUPPORTED)),
};

const limits: Schema<ParsedLimits> = strict({
  wallTime: z.optional(duration(1)),
  cpuTime: z.optional(duration(1)),
  memory: z.optional(bytes(1)),
  processes: z.optional(count(1, 4194304)),
  fileSize: z.optional(bytes()),
  openFiles: z.optional(count(3, 1048576)),
  output: z.optional(bytes()),
  scratch: z.optional(bytes(4096)),
  cpus: z.optional(
    scalar('out-of-range', { type: 'number', exclusiveMinimum: 0 }, (value) =>
      typeof value === 'number' && Number.isFinite(value) && value > 0
        ? { value }
        : { problem: `must be a number above 0, not ${describe(value)}` },
    ),
  ),
  core: z.optional(bytes()),
  stack: z.optional(bytes(4096)),
  addressSpace: z.optional(bytes(1)),
});

// 4294967295 means "leave it" to setresuid(2).
const id = count(0, 4294967294);

const root: Schema<ParsedRoot> = z.union(
  [
    oneOf(['system', 'host', 'empty']),
    strict({
      directory: hostPath,
      writable: z.optional(z.union([boolean, oneOf(['discard'])], { error: "must be true, false or 'discard'" })),
    }),
    strict({ image: hostPath, reference: z.optional(text()) }),
  ],
  { error: "must be 'system', 'host', 'empty', {directory} or {image}" },
);

const ask: Schema<(request: NetRequest) => boolean | Promise<boolean>> = scalar('wrong-type', {}, (value) =>
  typeof value === 'function'
    ? { value: value as (request: NetRequest) => boolean }
    : { problem: `must be a function, not ${describe(value)}` },
);

/** A file cannot hold a function. */
function net(members: 'code' | 'file'): Schema<'none' | 'host' | ParsedNetList> {
  const list = { allow: z.array(text()), deny: z.optional(z.array(text())) };
  const error = "must be 'none', 'host' or {allow}";
  const object = members === 'code' ? strict({ ...list, ask: z.optional(ask) }) : strict(list);
  return z.union([oneOf(['none', 'host']), object], { error });
}

const hostname: Schema<string> = scalar(
  'bad-hostname',
  { type: 'string', pattern: '^[A-Za-z0-9._-]{1,64}$' },
  (value) =>
    typeof value === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(value)
      ? { value }
      : { problem: `must be 1 to 64 letters, digits, dots, dashes or underscores, not ${describe(value)}` },
);

const variableName: Schema<string> = scalar('bad-name', { type: 'string', pattern: '^[^=]+$' }, (value) =>
  typeof value === 'string' && value !== '' && !value.includes('=')
    ? { value }
    : { problem: 'is no name of an environment variable' },
);

const env: Schema<Record<string, string | undefined> | 'inherit'> = z.union(
  [oneOf(['inherit']), z.record(variableName, z.optional(text()))],
  {
    error: "must be an object of strings, or 'inherit'",
  },
);

function policyShape(members: 'code' | 'file') {
  return {
    ...restriction,
    root: z.optional(root),
    mounts: z.optional(z.array(mountSchema)),
    net: z.optional(net(members)),
    hostname: z.optional(hostname),
    user: z.optional(strict({ uid: z.optional(id), gid: z.optional(id), hostRoot: z.optional(boolean) })),
    limits: z.optional(limits),
    env: z.optional(env),
    cwd: z.optional(cellPath),
    appArmorProfile: z.optional(text()),
    selinuxLabel: z.optional(text()),
    backend: z.optional(oneOf(['auto', 'namespaces', 'landlock', 'chroot'])),
  };
}

const STDIO_WORDS = ['pipe', 'ignore', 'inherit'] as const;

function isStdioEntry(value: unknown): value is StdioEntry {
  return (
    value === undefined ||
    value === null ||
    STDIO_WORDS.includes(value as 'pipe') ||
    (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fffffff) ||
    value instanceof Stream
  );
}

const stdioEntry: Schema<StdioEntry> = scalar('bad-stdio', {}, (value) =>
  isStdioEntry(value)
    ? { value }
    : { problem: `must be ${alternatives(STDIO_WORDS)}, a descriptor or a stream, not ${describe(value)}` },
);

// The launcher takes this many descriptors with one request (SCM_MAX_FD less its own).
const MOST_DESCRIPTORS = 250;

const terminalSize = count(1, 65535);

const spawnShape = {
  ...policyShape('code'),
  stdio: z.optional(
    z.union([oneOf(STDIO_WORDS), z.array(stdioEntry).check(z.maxLength(MOST_DESCRIPTORS))], {
      error: `must be ${alternatives(STDIO_WORDS)}, or an array`,
    }),
  ),
  signal: z.optional(abortSignal),
  argv0: z.optional(text()),
  pty: z.optional(strict({ columns: terminalSize, rows: terminalSize })),
};

const input: Schema<string | Uint8Array | Stream> = scalar('wrong-type', {}, (value) =>
  typeof value === 'string' || types.isUint8Array(value) || value instanceof Stream
    ? { value }
    : { problem: `must be a string, a Uint8Array or a readable stream, not ${describe(value)}` },
);

const encoding: Schema<BufferEncoding | 'buffer'> = scalar('unknown-value', {}, (value) =>
  value === 'buffer' || (typeof value === 'string' && Buffer.isEncoding(value))
    ? { value }
    : { problem: `must be an encoding that Buffer knows, or 'buffer', not ${describe(value)}` },
);

/** Of a policy in a file: what JSON can hold. */
export const policyFileSchema: Schema<ParsedPolicy> = strict(policyShape('file'));
/** Of RestrictionPolicy. */
export const restrictionSchema: Schema<ParsedPolicy> = strict(restriction);
/** Of IsolationPolicy. */
export const policySchema: Schema<ParsedOptions> = strict(policyShape('code'));
/** Of SpawnOptions. */
export const spawnOptionsSchema: Schema<ParsedOptions> = strict(spawnShape);
/** Of RunOptions. */
export const runOptionsSchema: Schema<ParsedOptions> = strict({
  ...spawnShape,
  input: z.optional(input),
  encoding: z.optional(encoding),
});
