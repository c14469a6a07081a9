/** What cloister itself says: errors with all that is known of them, remarks on how a cell ended, and both as JSON. */

import { CloisterError } from '../errors.js';
import type { Enforcement, Outcome } from '../policy/types.js';

/** The option that a place in the policy came from. */
export type OriginOf = (path: string) => string | undefined;

/** An error in words, without the leading `cloister:`. Issues one a line, hint last. */
export function describeError(error: unknown, originOf: OriginOf = () => undefined): string {
  if (!(error instanceof CloisterError)) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
  const lines =
    error.issues === undefined
      ? [error.message]
      : [headOf(error.message), ...error.issues.map((issue) => `  ${describeIssue(issue, originOf)}`)];
  if (error.hint !== undefined) {
    lines.push(`  hint: ${error.hint}`);
  }
  return lines.join('\n');
}

// The message of a policy error goes on with its issues, which are printed one by one here.
function headOf(message: string): string {
  return message.replace(/:[^]*$/u, '');
}

function describeIssue({ path, message }: { path: string; message: string }, originOf: OriginOf): string {
  const option = originOf(path);
  if (option !== undefined) {
    return `${option}: ${message} (${path})`;
  }
  return path === '' ? message : `${path}: ${message}`;
}

const LIMIT_OF_REASON: Readonly<Partial<Record<Outcome['reason'], string>>> = {
  'wall-time': 'wallTime',
  'cpu-time': 'cpuTime',
  memory: 'memory',
  output: 'output',
};

/** What was tried that the policy forbids, and which limit cloister ended the cell for, where it did. `limits` as written in the policy. */
export function describeEnd(outcome: Outcome, limits: Readonly<Record<string, unknown>>): string[] {
  const limit = LIMIT_OF_REASON[outcome.reason];
  return [...describeViolations(outcome), ...endByLimit(limit, limits)];
}

function endByLimit(limit: string | undefined, limits: Readonly<Record<string, unknown>>): string[] {
  return limit === undefined ? [] : [`ended: limits.${limit} of ${String(limits[limit])} is used up`];
}

const MOST_TOLD = 10;

/** The kinds of calls that the policy forbids and that were tried, each once. A cell that was ended for one has said so itself. */
function describeViolations({ reason, violations, violationCount }: Outcome): string[] {
  if (reason === 'violation' || violationCount === 0) {
    return [];
  }
  const kinds = [
    ...new Set(
      violations.map(
        ({ syscall, path, promise }) =>
          `${syscall}${path === undefined ? '' : ` ${JSON.stringify(path)}`}${promise === undefined ? '' : `, which the promise '${promise}' would allow`}`,
      ),
    ),
  ];
  const rest = kinds.length > MOST_TOLD ? [`... and ${String(kinds.length - MOST_TOLD)} more kinds`] : [];
  return [
    `${String(violationCount)} ${violationCount === 1 ? 'call that the policy forbids' : 'calls that the policy forbids'}:`,
    ...[...kinds.slice(0, MOST_TOLD), ...rest].map((kind) => `  ${kind}`),
  ];
}

/** One line, as time(1) prints what was used. */
export function describeUsage({ reason, exitCode, signal, usage, violationCount }: Outcome): string {
  const seconds = (milliseconds: number): string => (milliseconds / 1000).toFixed(2);
  const { wallTime, userTime, systemTime, peakMemory, processes } = usage;
  return [
    `${reason}${signal === null ? ` with ${String(exitCode)}` : ` by ${signal}`}:`,
    `${seconds(wallTime)} real ${seconds(userTime)} user ${seconds(systemTime)} sys`,
    `${String(Math.ceil(peakMemory / 1024))} KiB`,
    ...(processes === undefined ? [] : [`${String(processes)} processes`]),
    ...(violationCount === 0 ? [] : [`${String(violationCount)} ${violationCount === 1 ? 'violation' : 'violations'}`]),
  ].join('  ');
}

export function describeMissing({ missing }: Enforcement): string[] {
  return missing.map(({ feature, reason }) => `not enforced: ${feature}: ${reason}`);
}

/** One line of JSON. Arguments of system calls do not fit into JSON's numbers: they are written as '0x...'. Bytes are written as base64. */
export function toJson(value: unknown): string {
  return `${JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === 'bigint') {
      return `0x${member.toString(16)}`;
    }
    return member instanceof Uint8Array ? { base64: Buffer.from(member).toString('base64') } : member;
  })}\n`;
}

/** An error as JSON can hold it. */
export function errorToJson(error: unknown): string {
  if (!(error instanceof CloisterError)) {
    return toJson({ error: { message: error instanceof Error ? error.message : String(error) } });
  }
  const { code, message, hint, issues, stage, syscall, errno, path } = error;
  return toJson({ error: { code, message, hint, issues, stage, syscall, errno, path } });
}
