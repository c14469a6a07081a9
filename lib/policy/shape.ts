/** Whether a copy of what the caller handed over has the form that a schema asks for. */

import type { PolicyIssue } from '../errors.js';
import { translate } from './issues.js';
import type { PathPart } from './path.js';
import type { Schema } from './schema-parts.js';
import type { Snapshot } from './snapshot.js';
import * as z from './zod.js';

/**
 * The parsed value, or what is wrong with it beyond what the snapshot has found: what could not be copied is missing from the copy, and the schema would
 * only say it a second time, in other words.
 *
 * @param base where the copy came from
 */
export function checkShape<Output>(
  schema: Schema<Output>,
  snapshot: Snapshot,
  copy: unknown,
  base: readonly PathPart[] = [],
): { data: Output } | { issues: PolicyIssue[] } {
  const result = parse(schema, copy);
  if (result === undefined) {
    return { issues: [{ code: 'too-long', path: '', message: 'has too many mistakes to list them' }] };
  }
  if (result.success) {
    return { data: result.data };
  }
  const known = new Set(snapshot.issues.map(({ path }) => path));
  return { issues: translate(result.error.issues, copy, base).filter(({ path }) => !known.has(path)) };
}

/** Undefined where the library gives up: it hands on issues as arguments of one call, of which the stack holds some hundred thousand. */
function parse<Output>(
  schema: Schema<Output>,
  copy: unknown,
): ReturnType<typeof z.safeParse<Schema<Output>>> | undefined {
  try {
    return z.safeParse(schema, copy);
  } catch (error) {
    if (error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}
