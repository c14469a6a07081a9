/** What a name in an archive may be. Used twice: by the unpacker, and from outside on what it has left. Pure. */

/** Bytes of one name: NAME_MAX of Linux file systems. */
const LONGEST_NAME = 255;
/** Code units that are never more bytes than that. */
const SHORT = LONGEST_NAME / 3;
/** Bytes of a path. With the destination in front of it, it still fits into PATH_MAX (4096) in most places. */
export const LONGEST_PATH = 3072;
/** Directories above an entry. Deeper trees break programs that walk them by recursion. */
export const DEEPEST = 128;

/** Stands for bytes that are no UTF-8 wherever names are decoded. */
const REPLACEMENT = '\ufffd';
// Most names: nothing that is looked for below. Only spares time.
const PLAIN = /^[ -[\]-~]*$/u;
// C0, DEL and C1: they move a terminal's cursor, end a line of a list, or cut a name short (NUL).
const CONTROL = /\p{Cc}/u;
// Halves of surrogate pairs have no UTF-8.
const HALF = /\p{Surrogate}/u;
// Bidirectional overrides and isolates: they make `gpj.exe` of what ends in .exe.
const REORDERING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

export type ReadPath = { readonly path: string } | { readonly problem: string };

/**
 * A name as the archive has it, to a path below the destination: names divided by single slashes, `''` for the destination itself. `.` and empty names say
 * nothing and fall away; `..` is refused even where it would stay inside.
 */
export function readPath(name: string): ReadPath {
  const problem = textProblem(name);
  if (problem !== null) {
    return { problem };
  }
  if (name.startsWith('/')) {
    return { problem: 'has an absolute path' };
  }
  if (/^[A-Za-z]:/u.test(name)) {
    return { problem: 'has a path with a drive letter' };
  }
  const names = name.split('/').filter((part) => part !== '' && part !== '.');
  if (names.includes('..')) {
    return { problem: "has '..' in its path" };
  }
  if (name.length > SHORT && names.some((part) => Buffer.byteLength(part) > LONGEST_NAME)) {
    return { problem: `has a name longer than ${LONGEST_NAME} bytes` };
  }
  const path = names.join('/');
  if (name.length > SHORT && Buffer.byteLength(path) > LONGEST_PATH) {
    return { problem: `has a path longer than ${LONGEST_PATH} bytes` };
  }
  return names.length > DEEPEST ? { problem: `is more than ${DEEPEST} directories deep` } : { path };
}

/** What is wrong with one name of a directory, as found on disk. */
export function nameProblem(name: string): string | null {
  return textProblem(name);
}

/**
 * What is wrong with one name in a layer of an image. Only what has no place on disk or in a line of a report: names in a root file system are for its own
 * programs, and have backslashes (units of systemd) that no archive from a stranger needs.
 */
export function layerNameProblem(name: string): string | null {
  if (CONTROL.test(name)) {
    return 'has a control character in its name';
  }
  if (name.includes(REPLACEMENT) || HALF.test(name)) {
    return 'has a name that is not UTF-8';
  }
  return Buffer.byteLength(name) > LONGEST_NAME ? `has a name longer than ${LONGEST_NAME} bytes` : null;
}

/** What is wrong with the text of a symbolic link, apart from where it leads. */
export function targetProblem(target: string): string | null {
  if (target === '') {
    return 'is a symbolic link to nothing';
  }
  if (Buffer.byteLength(target) > LONGEST_PATH) {
    return `is a symbolic link with a target longer than ${LONGEST_PATH} bytes`;
  }
  const problem = textProblem(target);
  if (problem !== null) {
    return `is a symbolic link whose target ${problem}`;
  }
  return target.startsWith('/') ? 'is a symbolic link with an absolute target' : null;
}

function textProblem(text: string): string | null {
  if (PLAIN.test(text)) {
    return null;
  }
  if (CONTROL.test(text)) {
    return 'has a control character in its name';
  }
  if (text.includes('\\')) {
    return 'has a backslash in its name';
  }
  if (REORDERING.test(text)) {
    return 'has a character in its name that changes the direction of text';
  }
  return text.includes(REPLACEMENT) || HALF.test(text) ? 'has a name that is not UTF-8' : null;
}

/** The same for all names that some file system takes for one: case (Windows, macOS) and composition of accents (macOS). */
export function fold(path: string): string {
  if (PLAIN.test(path)) {
    return path.toLowerCase();
  }
  return path.normalize('NFD').toUpperCase().toLowerCase().normalize('NFC');
}

/** Longer than any path that is accepted; names of entries may have megabytes. */
const MOST_SHOWN = 4096;

/** For messages: nothing that acts on a terminal, and not too long. */
export function showName(name: string): string {
  const shown = name.replaceAll(/[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffd]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code === 0xfffd ? '?' : `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return shown.length > MOST_SHOWN ? `${shown.slice(0, MOST_SHOWN)}...` : shown;
}
