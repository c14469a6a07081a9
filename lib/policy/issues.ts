/** From what the schema library reports to what users read: one issue for each thing that is wrong, each with its place and, where there is one, a suggestion. */

import type { PolicyIssue } from '../errors.js';
import { suggest } from '../util/suggest.js';
import { formatPath, type PathPart } from './path.js';
import type { core } from './zod.js';

/** For a strict object: says which of its own keys an unknown one may have been meant for, one line for each. */
export function unknownKeyMessages(known: readonly string[]): (issue: core.$ZodRawIssue) => string | undefined {
  return (issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => unknownKey(key, known)).join('\n') : undefined;
}

function unknownKey(key: string, known: readonly string[]): string {
  const nearest = suggest(key, known);
  return nearest === undefined ? 'unknown key' : `did you mean ${nearest}?`;
}

/** Whether a word is known, in words: `unknown promise 'rpat', did you mean 'rpath'?` */
export function unknownWord(noun: string, word: string, known: Iterable<string>): string {
  const nearest = suggest(word, known);
  return `unknown ${noun} '${word}'${nearest === undefined ? '' : `, did you mean '${nearest}'?`}`;
}

/** All issues below `base`, which is where `input` came from. */
export function translate(
  issues: readonly core.$ZodIssue[],
  input: unknown,
  base: readonly PathPart[] = [],
): PolicyIssue[] {
  return issues.flatMap((issue) => translateOne(issue, input, [...base, ...issue.path]));
}

function translateOne(issue: core.$ZodIssue, input: unknown, path: readonly PathPart[]): PolicyIssue[] {
  const at = formatPath(path);
  const value = valueAt(input, path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const messages = issue.message.split('\n');
      return issue.keys.map((key, index) => ({
        code: 'unknown-key',
        path: formatPath([...path, key]),
        message: messages[index] ?? 'unknown key',
      }));
    }
    case 'invalid_type':
      return [
        value === undefined
          ? { code: 'missing', path: at, message: `is missing, must be ${article(issue.expected)}` }
          : wrongType(at, article(issue.expected), value),
      ];
    case 'invalid_value':
      return [{ code: 'unknown-value', path: at, message: notOneOf(value, issue.values.map(String)) }];
    case 'too_small':
      return [{ code: 'out-of-range', path: at, message: `must be at least ${String(issue.minimum)}` }];
    case 'too_big':
      return [{ code: 'out-of-range', path: at, message: `must be at most ${String(issue.maximum)}` }];
    case 'invalid_union':
      return translateUnion(issue, input, path);
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ code: 'bad-name', path: at, message }));
    case 'custom':
      if (value === undefined && path.length > 0) {
        return [{ code: 'missing', path: at, message: 'is missing' }];
      }
      return [
        {
          code: typeof issue.params?.['code'] === 'string' ? issue.params['code'] : 'wrong-type',
          path: at,
          message: issue.message,
        },
      ];
    default:
      return [{ code: 'invalid', path: at, message: issue.message }];
  }
}

/** Reports what is wrong with the alternative that the value was most likely meant to be. */
function translateUnion(
  issue: core.$ZodIssue & { code: 'invalid_union' },
  input: unknown,
  path: readonly PathPart[],
): PolicyIssue[] {
  const value = valueAt(input, path);
  if (issue.errors.length === 0) {
    // A discriminated union: the message names the kinds that there are.
    return [
      { code: value === undefined ? 'missing' : 'unknown-value', path: formatPath(path), message: issue.message },
    ];
  }
  const meant = issue.errors.filter((branch) => !branch.some(rejectsWhole));
  // A misspelt word is no object either: the alternative that lists the words says more.
  const worded =
    typeof value === 'string' ? issue.errors.filter((branch) => branch.every(({ code }) => code === 'custom')) : [];
  const [best] = [...meant.sort((a, b) => a.length - b.length), ...worded];
  return best === undefined
    ? [
        {
          code: value === undefined ? 'missing' : 'wrong-type',
          path: formatPath(path),
          message: `${issue.message}, not ${describe(value)}`,
        },
      ]
    : best.flatMap((inner) => translateOne(inner, input, [...path, ...inner.path]));
}

/** Whether an alternative does not fit the value at all, rather than some member of it. A member that may never be there marks another alternative. */
function rejectsWhole(issue: core.$ZodIssue): boolean {
  if (issue.code === 'invalid_type' && issue.expected === 'never') {
    return true;
  }
  return (
    issue.path.length === 0 &&
    (issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'custom')
  );
}

function wrongType(path: string, expected: string, value: unknown): PolicyIssue {
  return { code: 'wrong-type', path, message: `must be ${expected}, not ${describe(value)}` };
}

function notOneOf(value: unknown, known: readonly string[]): string {
  const nearest = typeof value === 'string' ? suggest(value, known) : undefined;
  return `must be ${alternatives(known)}, not ${describe(value)}${nearest === undefined ? '' : `; did you mean '${nearest}'?`}`;
}

/** `'a', 'b' or 'c'`. */
export function alternatives(words: readonly string[]): string {
  const quoted = words.map((word) => `'${word}'`);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.slice(-1).join('')}`;
}

const ARTICLES: Readonly<Record<string, string>> = {
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
};

function article(expected: string): string {
  return ARTICLES[expected] ?? expected;
}

/** A value in a few words; nothing of a hostile object is called. */
export function describe(value: unknown): string {
  if (typeof value === 'string') {
    return value.length > 60 ? `'${value.slice(0, 57)}...'` : `'${value}'`;
  }
  if (
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    typeof value === 'bigint' ||
    value === undefined ||
    value === null
  ) {
    return String(value);
  }
  if (typeof value === 'object') {
    return Array.isArray(value) ? 'an array' : 'an object';
  }
  return `a ${typeof value}`;
}

function valueAt(input: unknown, path: readonly PathPart[]): unknown {
  let value = input;
  for (const part of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) {
      return undefined;
    }
    value = (value as Record<PathPart, unknown>)[part];
  }
  return value;
}
