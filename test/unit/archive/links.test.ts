import { describe, expect, test } from 'vitest';

import { LinkChecker, type TreeNode } from '../../../lib/archive/links.js';

const OUTSIDE = 'is a symbolic link that leads outside';
const CIRCLE = 'is a symbolic link that leads around in a circle';
const MISSING = "is a symbolic link with '..' behind something that is not there";

function tree(nodes: Readonly<Record<string, { readonly to: string } | string>>): Map<string, TreeNode> {
  return new Map(
    Object.entries(nodes).map(([path, node]) => [
      path,
      typeof node === 'object' || node === 'directory' || node === 'file' ? node : { to: node },
    ]) as [string, TreeNode][],
  );
}

const TREE = tree({
  d: 'directory',
  'd/e': 'directory',
  'd/e/f': 'file',
  'd/up': '..',
  'd/e/top': '../..',
  loop: 'pool',
  pool: 'loop',
  absolute: '/etc',
  file: 'file',
});

describe('a symbolic link', () => {
  test.each<[path: string, to: string, problem: string | null]>([
    ['l', 'd/e/f', null],
    ['l', '.', null],
    ['l', 'd/../d/e', null],
    ['d/l', '..', null],
    ['d/e/l', '../../file', null],
    ['l', 'gone', null],
    ['l', 'gone/deeper', null],
    ['l', 'd/up/d', null],
    ['l', '..', OUTSIDE],
    ['d/l', '../..', OUTSIDE],
    ['l', 'd/../..', OUTSIDE],
    // As text these stay inside.
    ['l', 'd/up/..', OUTSIDE],
    ['l', 'd/e/top/../x', OUTSIDE],
    ['l', 'absolute/passwd', OUTSIDE],
    ['l', 'gone/..', MISSING],
    ['l', 'file/..', MISSING],
    ['l', 'loop', CIRCLE],
    ['l', 'pool/x', CIRCLE],
  ])('%s -> %s: %s', (path, to, problem) => {
    expect(new LinkChecker(TREE).problem(path, to)).toBe(problem);
  });

  test('may go through as many others as the kernel follows', () => {
    const chain = tree(Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`l${n}`, `l${n + 1}`])));
    const checker = new LinkChecker(chain);
    expect([checker.problem('x', 'l10'), checker.problem('x', 'l9')]).toEqual([null, CIRCLE]);
  });

  test('that grows as it is followed takes no time without end', () => {
    const nodes: Record<string, TreeNode> = { x: 'directory' };
    for (let n = 0; n < 35; n++) {
      nodes[`l${n}`] = { to: Array.from({ length: 40 }, () => `l${n + 1}/..`).join('/') };
    }
    nodes['l35'] = { to: 'x' };
    const checker = new LinkChecker(tree(nodes));
    for (let n = 0; n < 2000 && !checker.exhausted; n++) {
      checker.problem('y', `${'./'.repeat(2500)}l0`);
    }
    expect(checker.exhausted).toBe(true);
    expect(checker.problem('y', 'x')).toBe('is a symbolic link that takes too long to follow');
  });
});
