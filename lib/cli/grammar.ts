/** How the values of options are written: from text to members of a policy. What the members may be is for the policy's own schema to say. */

import type { Parsed } from '../util/units.js';
import { suggest } from '../util/suggest.js';

/** Members of a mount as written, not yet validated. */
export type Draft = Readonly<Record<string, unknown>>;

/** Parts between colons. `\:` is a colon and `\\` a backslash of the part itself. */
export function splitFields(text: string): string[] {
  const fields: string[] = [];
  let field = '';
  for (const [token] of text.matchAll(/\\[:\\]|[^]/gu)) {
    if (token === ':') {
      fields.push(field);
      field = '';
    } else {
      field += /^\\./u.test(token) ? token.slice(1) : token;
    }
  }
  return [...fields, field];
}

/** PATH:LETTERS. A path may contain colons, letters cannot: the last one divides. */
export function parseUnveil(text: string): Parsed<{ path: string; letters: string }> {
  const colon = text.lastIndexOf(':');
  return colon < 0
    ? { problem: 'must be PATH:LETTERS, for example /srv/data:r' }
    : { value: { path: text.slice(0, colon), letters: text.slice(colon + 1) } };
}

/** NAME=VALUE. */
export function parseAssignment(text: string, example: string): Parsed<{ name: string; value: string }> {
  const equals = text.indexOf('=');
  return equals < 0
    ? { problem: `must be NAME=VALUE, for example ${example}` }
    : { value: { name: text.slice(0, equals), value: text.slice(equals + 1) } };
}

/** A number where the text is one, so that the schema sees what a program would write; else the text, as in '5s'. */
export function parseQuantity(text: string): number | string {
  return /^-?\d+(\.\d+)?$/u.test(text) ? Number(text) : text;
}

/** Numbers with commas between, or 'none'. */
export function parsePorts(text: string): (number | string)[] {
  return text === 'none' ? [] : text.split(',').map(parseQuantity);
}

const ROOTS = ['system', 'host', 'empty'] as const;

/**
 * `system`, `host`, `empty`, an image, or DIRECTORY[:rw|:discard]. A word that looks like a misspelt one of the three is no directory. `isImage` looks whether a path
 * leads to a file, or to a directory that is an image.
 */
export function parseRoot(text: string, isImage: (path: string) => boolean): Parsed<unknown> {
  if (ROOTS.includes(text as 'system')) {
    return { value: text };
  }
  const [directory = '', ...fields] = splitFields(text);
  const nearest = directory.includes('/') ? undefined : suggest(directory, ROOTS);
  if (nearest !== undefined) {
    return { problem: `did you mean ${nearest}? A directory of this name is written ./${directory}` };
  }
  if (fields.length === 0 && isImage(directory)) {
    return { value: { image: directory } };
  }
  return withOptions({ directory }, fields, {
    ro: { writable: false },
    rw: { writable: true },
    discard: { writable: 'discard' },
  });
}

/** SOURCE[:TARGET][:OPTIONS] */
export function parseBind(text: string): Parsed<Draft> {
  const [source = '', ...fields] = splitFields(text);
  const target = fields[0]?.startsWith('/') === true ? fields.shift() : undefined;
  return withOptions({ type: 'bind', source, ...(target === undefined ? {} : { target }) }, fields, {
    ro: { writable: false },
    rw: { writable: true },
    optional: { optional: true },
    exec: { executable: true },
    noexec: { executable: false },
  });
}

/** TARGET[:OPTIONS] */
export function parseTmpfs(text: string): Parsed<Draft> {
  const [target = '', ...fields] = splitFields(text);
  return withOptions({ type: 'tmpfs', target }, fields, {
    exec: { executable: true },
    noexec: { executable: false },
    'size=': (value) => ({ size: parseQuantity(value) }),
    'mode=': mode,
  });
}

/** LOWER[:LOWER...]:TARGET[:upper=DIRECTORY] */
export function parseOverlay(text: string): Parsed<Draft> {
  const fields = splitFields(text);
  const last = fields.at(-1) ?? '';
  const upper = last.startsWith('upper=') ? last.slice('upper='.length) : undefined;
  const paths = upper === undefined ? fields : fields.slice(0, -1);
  const target = paths.pop();
  if (target === undefined || paths.length === 0) {
    return { problem: 'must be LOWER:TARGET, with further LOWER before the target and :upper=DIRECTORY behind it' };
  }
  return { value: { type: 'overlay', lower: paths, target, ...(upper === undefined ? {} : { upper }) } };
}

/** TARGET[:OPTIONS] */
export function parseDirectory(text: string): Parsed<Draft> {
  const [target = '', ...fields] = splitFields(text);
  return withOptions({ type: 'directory', target }, fields, { 'mode=': mode });
}

/** LINK=TO */
export function parseSymlink(text: string): Parsed<Draft> {
  const equals = text.indexOf('=');
  return equals < 0
    ? { problem: 'must be LINK=TO, for example /bin/sh=/usr/bin/dash' }
    : { value: { type: 'symlink', target: text.slice(0, equals), to: text.slice(equals + 1) } };
}

const FILE =
  /^(?<target>(?:\\[:=\\]|[^:=])*)(?::(?<options>(?:rw|mode=[0-7]+)(?:,(?:rw|mode=[0-7]+))*))?(?:=(?<content>[^]*)|:@(?<from>[^]*))$/u;

/** TARGET[:OPTIONS]=TEXT, or TARGET[:OPTIONS]:@FILE with the content of a file of the host, which `read` gets. */
export function parseFile(text: string, read: (path: string) => Parsed<Uint8Array>): Parsed<Draft> {
  const groups = FILE.exec(text)?.groups;
  if (groups === undefined) {
    return {
      problem:
        'must be TARGET=TEXT or TARGET:@FILE; options rw and mode=MODE stand behind the target: /etc/key:mode=600=TEXT',
    };
  }
  const { target = '', options, content, from } = groups;
  const got: Parsed<string | Uint8Array> = from === undefined ? { value: content ?? '' } : read(from);
  if ('problem' in got) {
    return got;
  }
  const draft = { type: 'file', target: target.replace(/\\([:=\\])/gu, '$1'), content: got.value };
  return withOptions(draft, options === undefined ? [] : [options], { rw: { writable: true }, 'mode=': mode });
}

type Option = Draft | ((value: string) => Draft);

/** Words of the one field that may hold options; a name that ends in '=' takes a value. No word may contradict an earlier one. */
function withOptions(draft: Draft, fields: readonly string[], known: Readonly<Record<string, Option>>): Parsed<Draft> {
  if (fields.length > 1) {
    return { problem: 'has too many parts; a colon of a path is written \\:' };
  }
  let result = draft;
  for (const word of fields[0]?.split(',') ?? []) {
    const equals = word.indexOf('=') + 1;
    const key = equals === 0 ? word : word.slice(0, equals);
    const option = Object.hasOwn(known, key) ? known[key] : undefined;
    if (option === undefined) {
      return { problem: unknownOption(word, Object.keys(known)) };
    }
    const members = typeof option === 'function' ? option(word.slice(equals)) : option;
    const again = Object.keys(members).find((name) => Object.hasOwn(result, name));
    if (again !== undefined) {
      return { problem: `says more than once whether it is ${again}` };
    }
    result = { ...result, ...members };
  }
  return { value: result };
}

function unknownOption(word: string, known: readonly string[]): string {
  const nearest = suggest(word, known);
  const advice =
    nearest === undefined
      ? `known are ${known.join(', ')}; a target begins with '/', a colon of a path is written \\:`
      : `did you mean '${nearest}'?`;
  return `unknown option '${word}': ${advice}`;
}

/** Octal, as in chmod(1). */
function mode(text: string): Draft {
  return { mode: /^(0o)?[0-7]{1,4}$/u.test(text) ? Number.parseInt(text.replace(/^0o/u, ''), 8) : text };
}
