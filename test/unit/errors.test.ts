import { inspect } from 'node:util';
import { expect, test } from 'vitest';

import { bug, CloisterError, errnoName, notFound, policyError, setupError, unsupported } from '../../lib/errors.js';

test('has its name on the prototype and only the members that it was given', () => {
  const error = new CloisterError('cannot do it', { code: 'ERR_CLOISTER_SETUP', stage: 'mounts', hint: undefined });
  expect(Object.keys(error).sort()).toEqual(['code', 'stage']);
  expect(error.name).toBe('CloisterError');
  expect('hint' in error).toBe(false);
  expect(error).toBeInstanceOf(Error);
  expect(String(error)).toBe('CloisterError: cannot do it');
});

test('keeps the original error in cause', () => {
  const cause = new Error('first');
  expect(new CloisterError('second', { cause }).cause).toBe(cause);
  expect('cause' in new CloisterError('alone')).toBe(false);
});

test('knows an error of another copy of the package by its brand', () => {
  const foreign = Object.assign(new Error('other copy'), { [Symbol.for('cloister.CloisterError')]: true });
  expect(foreign).toBeInstanceOf(CloisterError);
  expect(new Error('none') instanceof CloisterError).toBe(false);
  expect((null as unknown) instanceof CloisterError).toBe(false);
});

test('lets a subclass have instances of its own', () => {
  class Narrower extends CloisterError {}
  expect(new CloisterError('x') instanceof Narrower).toBe(false);
  expect(new Narrower('x') instanceof Narrower).toBe(true);
});

test('lists every issue in the message', () => {
  const issues = [
    { code: 'unknown-key', path: 'unvail', message: 'did you mean unveil?' },
    { code: 'missing', path: '', message: 'is missing' },
  ];
  const error = policyError(issues);
  expect(error.code).toBe('ERR_CLOISTER_POLICY');
  expect(error.issues).toEqual(issues);
  expect(error.message).toBe('invalid policy:\n  unvail: did you mean unveil?\n  is missing');
  expect(policyError(issues.slice(0, 1)).message).toBe('invalid policy: unvail: did you mean unveil?');
});

test('says operation, object and reason', () => {
  const failed = setupError({
    operation: 'cannot mount tmpfs on /work',
    stage: 'mounts',
    errno: -1,
    syscall: 'fsmount',
  });
  expect(failed.message).toBe('cannot mount tmpfs on /work: EPERM (stage mounts)');
  expect(failed).toMatchObject({ code: 'ERR_CLOISTER_SETUP', stage: 'mounts', errno: -1, syscall: 'fsmount' });
  expect(notFound('cannot bind', '/nope')).toMatchObject({
    code: 'ERR_CLOISTER_NOT_FOUND',
    message: 'cannot bind /nope: ENOENT',
    errno: -2,
    path: '/nope',
  });
  expect(unsupported('scope', 'no Landlock', 'do without')).toMatchObject({
    code: 'ERR_CLOISTER_UNSUPPORTED',
    message: 'cannot enforce scope: no Landlock',
    hint: 'do without',
  });
  expect(bug('this cannot be').message).toMatch(/^BUG: .*, please report$/);
});

test('shows code and stage when it is printed', () => {
  expect(inspect(setupError({ operation: 'cannot x', stage: 'exec', errno: -13 }))).toMatch(
    /code: 'ERR_CLOISTER_SETUP'/,
  );
});

test('names an errno, and one without a name by its number', () => {
  expect(errnoName(-13)).toBe('EACCES');
  expect(errnoName(-99_999)).toBe('errno 99999');
  expect(errnoName(0)).toBe('errno 0');
});
