/**
 * The border: whatever users hand over becomes a valid request here, or an ERR_CLOISTER_POLICY that lists everything that is wrong with it.
 * Nothing behind this file looks at what the user wrote.
 */

import { bug, CloisterError, type PolicyIssue, policyError, unsupported } from '../errors.js';
import { type Caller, currentCaller } from './caller.js';
import { conflicts } from './conflicts.js';
import { type ImageCall, type ImageFound, withImage } from './image-defaults.js';
import { describe } from './issues.js';
import { hostPathOf, normalizePolicy, normalizeStdio } from './normalize.js';
import { type ParsedOptions, policyFileSchema, policySchema, runOptionsSchema, spawnOptionsSchema } from './schema.js';
import type { Schema } from './schema-parts.js';
import { checkShape } from './shape.js';
import { Snapshot, withoutPrototypes } from './snapshot.js';
import type { IsolationPolicy } from './types.js';
import { unbuiltError } from './unbuilt.js';
import type { RunRequest, SpawnRequest } from './valid.js';

/**
 * The arguments of spawnIsolated, in either of its two forms. With an image as root, what remains to be completed by what the image says.
 *
 * @throws ERR_CLOISTER_POLICY with every issue; ERR_CLOISTER_UNSUPPORTED for parts that this version does not have.
 */
export function parseSpawnCall(
  command: unknown,
  args: unknown,
  options: unknown,
  caller: Caller = currentCaller(),
): SpawnRequest | ImageCall {
  return parseCall(command, args, options, spawnOptionsSchema, caller);
}

/** The arguments of runIsolated. Throws as parseSpawnCall does. */
export function parseRunCall(
  command: unknown,
  args: unknown,
  options: unknown,
  caller: Caller = currentCaller(),
): RunRequest | ImageCall {
  return parseCall(command, args, options, runOptionsSchema, caller);
}

/** As parseSpawnCall, where the root is no image. */
export function parseSpawn(
  command: unknown,
  args: unknown,
  options: unknown,
  caller: Caller = currentCaller(),
): SpawnRequest {
  const request = parseSpawnCall(command, args, options, caller);
  if ('image' in request) {
    throw bug('an image was to be a root before it was unpacked');
  }
  return request;
}

/** The argument of enterCell, for the program that is to be run again. Throws as parseSpawn does. */
export function parseEntry(
  command: string,
  args: readonly string[],
  policy: unknown,
  caller: Caller = currentCaller(),
): SpawnRequest {
  const request = parseCall(command, args, policy, policySchema, caller);
  if ('image' in request) {
    const reason = 'it runs this very program again, which is not in the image';
    throw unsupported('root: {image} in enterCell', reason, 'start a program of the image with spawnIsolated');
  }
  if (request.policy.limits.output !== null) {
    const message = 'cannot be held by enterCell: the program keeps its own standard output, which nobody counts';
    throw policyError([{ code: 'conflict', path: 'limits.output', message }]);
  }
  return request;
}

/**
 * A policy that was read from a JSON file; `$schema` is allowed in it. The result is as written, for spawnIsolated.
 *
 * @throws ERR_CLOISTER_POLICY with every issue.
 */
export function parsePolicyFile(json: unknown): IsolationPolicy {
  const snapshot = new Snapshot();
  const copy = snapshot.take(json);
  if (typeof copy === 'object' && copy !== null) {
    delete (copy as { $schema?: unknown }).$schema;
  }
  validate(snapshot, copy, policyFileSchema, []);
  // Validated just now: what JSON can hold of an IsolationPolicy.
  return copy as IsolationPolicy;
}

function parseCall(
  command: unknown,
  args: unknown,
  options: unknown,
  schema: Schema<ParsedOptions>,
  caller: Caller,
): RunRequest | ImageCall {
  const shifted = options === undefined && typeof args === 'object' && args !== null && !Array.isArray(args);
  const given = shifted ? args : options;
  const issues: PolicyIssue[] = [];
  const snapshot = new Snapshot();
  const copy = snapshot.take(given === undefined ? {} : given);
  const program = parseCommand(command, issues, hasImage(copy));
  const words = parseArguments(shifted ? undefined : args, issues);
  const parsed = validate(snapshot, copy, schema, issues);
  const unbuilt = unbuiltError(parsed);
  if (unbuilt !== null) {
    throw unbuilt;
  }
  const { root } = parsed;
  if (typeof root !== 'object' || !('image' in root)) {
    return makeRequest(program, words, parsed, caller);
  }
  // Whatever is wrong with the rest is told at once: the tree of the image has no part in it.
  makeRequest(program, words, { ...parsed, root: 'empty' }, caller);
  return {
    image: hostPathOf(caller, root.image),
    reference: root.reference,
    command: program,
    args: words,
    stdio: normalizeStdio(parsed.stdio),
    signal: parsed.signal,
    pty: parsed.pty ?? null,
    complete: (found: ImageFound) => {
      const { command: own, args: rest, options: completed } = withImage(program, words, parsed, found, caller);
      return makeRequest(own, rest, completed, caller);
    },
  };
}

function makeRequest(program: string, words: readonly string[], parsed: ParsedOptions, caller: Caller): RunRequest {
  const { policy, issues } = normalizePolicy(parsed, caller);
  if (issues.length > 0) {
    throw policyError(issues);
  }
  return {
    command: program,
    args: words,
    argv0: parsed.argv0 ?? program,
    policy,
    stdio: normalizeStdio(parsed.stdio),
    signal: parsed.signal,
    pty: parsed.pty ?? null,
    input: parsed.input,
    encoding: parsed.encoding ?? 'utf8',
  };
}

/** Of options that may be anything: whether a command of '' would be the image's own. */
function hasImage(options: unknown): boolean {
  const root: unknown = typeof options === 'object' && options !== null && 'root' in options ? options.root : undefined;
  return typeof root === 'object' && root !== null && 'image' in root;
}

/** The parsed value, or an error with `earlier`, the snapshot's issues and the schema's. */
export function validate<Output>(
  snapshot: Snapshot,
  copy: unknown,
  schema: Schema<Output>,
  earlier: readonly PolicyIssue[],
): Output {
  const result = checkShape(schema, snapshot, copy);
  if ('data' in result && snapshot.issues.length === 0 && earlier.length === 0) {
    const crossed = conflicts(copy);
    if (crossed.length === 0) {
      return withoutPrototypes(result.data);
    }
    throw policyError(crossed);
  }
  const found = 'data' in result ? [] : result.issues;
  const error = policyError([...earlier, ...snapshot.issues, ...found, ...conflicts(copy)]);
  if (snapshot.cause === undefined) {
    throw error;
  }
  throw new CloisterError(error.message, { code: 'ERR_CLOISTER_POLICY', issues: error.issues, cause: snapshot.cause });
}

function parseCommand(command: unknown, issues: PolicyIssue[], mayBeEmpty: boolean): string {
  if (typeof command !== 'string') {
    issues.push({ code: 'wrong-type', path: 'command', message: `must be a string, not ${describe(command)}` });
    return '';
  }
  if (command === '' && !mayBeEmpty) {
    issues.push({ code: 'out-of-range', path: 'command', message: 'is empty' });
  }
  issues.push(...textIssues(command, 'command'));
  return command;
}

function parseArguments(args: unknown, issues: PolicyIssue[]): string[] {
  if (args === undefined) {
    return [];
  }
  const snapshot = new Snapshot();
  const copy = snapshot.take(args);
  if (!Array.isArray(copy)) {
    issues.push({ code: 'wrong-type', path: 'args', message: `must be an array of strings, not ${describe(args)}` });
    return [];
  }
  const known = new Set<string>();
  for (const issue of snapshot.issues) {
    issues.push({ ...issue, path: `args${issue.path}` });
    known.add(issue.path);
  }
  for (const [index, word] of copy.entries()) {
    if (typeof word !== 'string' && !known.has(`[${String(index)}]`)) {
      issues.push({
        code: 'wrong-type',
        path: `args[${String(index)}]`,
        message: `must be a string, not ${describe(word)}`,
      });
    }
  }
  return copy as string[];
}

function textIssues(text: string, path: string): PolicyIssue[] {
  const snapshot = new Snapshot();
  snapshot.take(text);
  return snapshot.issues.map((issue) => ({ ...issue, path }));
}
