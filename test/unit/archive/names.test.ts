import { describe, expect, test } from 'vitest';

import { fold, nameProblem, readPath, showName, targetProblem } from '../../../lib/archive/names.js';

const LONG = 'n'.repeat(255);

describe('names of entries', () => {
  test.each([
    ['a', 'a'],
    ['./a//b/./c/', 'a/b/c'],
    ['.', ''],
    ['', ''],
    ['a b/-rf/~', 'a b/-rf/~'],
    ['...', '...'],
    ['ünï/日本', 'ünï/日本'],
    [LONG, LONG],
    [`${'é'.repeat(127)}x`, `${'é'.repeat(127)}x`],
    ['d/'.repeat(127).concat('f'), 'd/'.repeat(127).concat('f')],
  ])('%j is %j', (name, path) => {
    expect(readPath(name)).toEqual({ path });
  });

  test.each([
    ['/a', 'has an absolute path'],
    ['//a', 'has an absolute path'],
    ['../a', "has '..' in its path"],
    ['a/../b', "has '..' in its path"],
    ['a/..', "has '..' in its path"],
    ['c:', 'has a path with a drive letter'],
    ['C:/x', 'has a path with a drive letter'],
    ['a\\b', 'has a backslash in its name'],
    ['a\0', 'has a control character in its name'],
    ['a\x7f', 'has a control character in its name'],
    ['a\x9b', 'has a control character in its name'],
    ['a\u202eb', 'has a character in its name that changes the direction of text'],
    ['a\u2066b', 'has a character in its name that changes the direction of text'],
    ['a\ufffd', 'has a name that is not UTF-8'],
    ['a\ud800', 'has a name that is not UTF-8'],
    [`${LONG}x`, 'has a name longer than 255 bytes'],
    ['é'.repeat(128), 'has a name longer than 255 bytes'],
    [`${LONG}/`.repeat(13), 'has a path longer than 3072 bytes'],
    ['d/'.repeat(129), 'is more than 128 directories deep'],
  ])('%j %s', (name, problem) => {
    expect(readPath(name)).toEqual({ problem });
  });

  test('on disk are looked at by the same rules', () => {
    expect([nameProblem('a'), nameProblem('a\nb'), nameProblem('\ufffd')]).toEqual([
      null,
      'has a control character in its name',
      'has a name that is not UTF-8',
    ]);
  });
});

test.each([
  ['a', null],
  ['../a', null],
  ['', 'is a symbolic link to nothing'],
  ['/a', 'is a symbolic link with an absolute target'],
  ['a\x1b', 'is a symbolic link whose target has a control character in its name'],
  ['a/'.repeat(2000), 'is a symbolic link with a target longer than 3072 bytes'],
])('the target %j: %s', (target, problem) => {
  expect(targetProblem(target)).toBe(problem);
});

test('names that some file system takes for one fold to the same', () => {
  const groups = [
    ['README', 'readme', 'ReadMe'],
    ['\u00e9', 'e\u0301', '\u00c9'],
    ['stra\u00dfe', 'STRASSE'],
    ['\u212a', 'k', 'K'],
    ['\u01c4', '\u01c5', '\u01c6'],
  ];
  for (const group of groups) {
    expect(new Set(group.map(fold)).size).toBe(1);
  }
  expect(fold('a')).not.toBe(fold('b'));
});

test('names are shown without what acts on a terminal, and not too long', () => {
  expect(showName('a\x1b[2J\u202eb\ufffd\n')).toBe('a\\u001b[2J\\u202eb?\\u000a');
  expect(showName('x'.repeat(10_000))).toHaveLength(4099);
});
