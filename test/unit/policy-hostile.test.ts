import { createContext, runInContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';

import { CloisterError } from '../../lib/errors.js';
import { parseSpawn } from '../../lib/policy/parse.js';
import { Snapshot } from '../../lib/policy/snapshot.js';
import { issuesOf, thrownBy } from '../support/errors.js';
import { USER } from '../support/fake-host.js';

const spawn = (options: unknown, args: unknown = []) => parseSpawn('ls', args, options, USER);

test('reads each property once, so that what is checked is what is used', () => {
  let reads = 0;
  const options = {
    get hostname() {
      return reads++ === 0 ? 'first' : 'a b; rm -rf /';
    },
  };
  expect(spawn(options).policy.hostname).toBe('first');
  expect(reads).toBe(1);
});

test('reads each element of an array once', () => {
  const reads: PropertyKey[] = [];
  const args = new Proxy(['a', 'b'], {
    get: (target, key, receiver) => {
      reads.push(key);
      return Reflect.get(target, key, receiver) as unknown;
    },
  });
  expect(spawn({}, args).args).toEqual(['a', 'b']);
  expect(reads.filter((key) => key === '0')).toHaveLength(1);
});

test('does not see changes made after the call', () => {
  const content = new Uint8Array([1, 2]);
  const unveil: Record<string, string> = { '/srv': 'r' };
  const { policy } = spawn({ unveil, mounts: [{ type: 'file', target: '/f', content }] });
  content[0] = 9;
  unveil['/etc'] = 'rwc';
  expect(policy.mounts[0]).toMatchObject({ content: new Uint8Array([1, 2]) });
  expect(policy.unveil).toHaveLength(1);
});

test('takes nothing from a prototype', () => {
  expect(issuesOf(() => spawn(Object.create({ unveil: {} })))).toEqual([': wrong-type']);
  class Options {
    hostname = 'x';
  }
  expect(issuesOf(() => spawn(new Options()))).toEqual([': wrong-type']);
  expect(spawn(Object.assign(Object.create(null) as object, { hostname: 'h' })).policy.hostname).toBe('h');
});

test('takes nothing from a polluted Object.prototype', () => {
  const prototype = Object.prototype as { net?: string };
  prototype.net = 'host';
  try {
    expect(spawn({}).policy.net).toBe('none');
    expect(spawn({ limits: {} }).policy.net).toBe('none');
  } finally {
    delete prototype.net;
  }
});

test('takes plain objects of another realm', () => {
  const foreign: unknown = runInContext(`({ hostname: 'h', limits: { processes: 3 } })`, createContext({}));
  expect(spawn(foreign).policy).toMatchObject({ hostname: 'h', limits: { processes: 3 } });
});

test.each<[string, unknown, string[]]>([
  ['an own __proto__', JSON.parse('{"__proto__": {"net": "host"}}'), ['__proto__: unknown-key']],
  ['__proto__ as a path', { unveil: JSON.parse('{"__proto__": "rwc"}') as unknown }, ['unveil.__proto__: unknown-key']],
  ['__proto__ as a variable', { env: JSON.parse('{"__proto__": "x"}') as unknown }, ['env.__proto__: unknown-key']],
  ['a symbol', { [Symbol('x')]: 1 }, ['["Symbol(x)"]: unknown-key']],
  ['a key that cannot be enumerated', Object.defineProperty({}, 'hidden', { value: 1 }), ['hidden: unknown-key']],
  ['a hole', { mounts: new Array(2) }, ['mounts[0]: hole', 'mounts[1]: hole']],
  ['a length without elements', { mounts: Object.assign([], { length: 1 }) }, ['mounts[0]: hole']],
  ['a map', { unveil: new Map([['/a', 'r']]) }, ['unveil: wrong-type']],
  ['a date', { limits: new Date() }, ['limits: wrong-type']],
  ['a function', { limits: () => ({}) }, ['limits: wrong-type']],
  ['a stream as limits', { limits: process.stdout }, ['limits: wrong-type']],
  ['a NUL byte in a path', { unveil: { '/a\0b': 'r' } }, ['unveil["/a\\u0000b"]: bad-text']],
  ['a NUL byte in a value', { hostname: 'a\0b' }, ['hostname: bad-text']],
  ['a NUL byte in the environment', { env: { A: 'x\0y' } }, ['env.A: bad-text']],
  ['a lone surrogate', { env: { A: '\ud800' } }, ['env.A: bad-text']],
])('refuses %s', (_what, options, issues) => {
  expect(issuesOf(() => spawn(options))).toEqual(issues);
});

test('allows a NUL byte in the content of a file', () => {
  expect(spawn({ mounts: [{ type: 'file', target: '/f', content: 'a\0b' }] }).policy.mounts).toHaveLength(1);
});

test('refuses a NUL byte in command and arguments', () => {
  expect(issuesOf(() => parseSpawn('a\0b', ['c\0d'], {}, USER))).toEqual(['command: bad-text', 'args[0]: bad-text']);
});

test('reports what a getter or a trap throws, with the reason as cause', () => {
  const reason = new Error('no');
  const fail = (): never => {
    throw reason;
  };
  const error = thrownBy(() => spawn(Object.defineProperty({ x: 1 }, 'unveil', { get: fail, enumerable: true })));
  expect(error.issues?.map(({ path, code }) => [path, code])).toEqual([
    ['unveil', 'unreadable'],
    ['x', 'unknown-key'],
  ]);
  expect(error.cause).toBe(reason);
  for (const trap of ['ownKeys', 'getPrototypeOf', 'get'] as const) {
    expect(thrownBy(() => spawn(new Proxy({ a: 1 }, { [trap]: fail }))).code).toBe('ERR_CLOISTER_POLICY');
  }
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(thrownBy(() => spawn(proxy)).code).toBe('ERR_CLOISTER_POLICY');
});

test('ends at a cycle and at a great depth', () => {
  const cycle: Record<string, unknown> = {};
  cycle['limits'] = cycle;
  expect(thrownBy(() => spawn(cycle)).issues?.some(({ code }) => code === 'too-deep')).toBe(true);
  const snapshot = new Snapshot();
  snapshot.take(Array.from({ length: 5 }).reduce<unknown>((inner) => [inner], []));
  expect(snapshot.issues).toEqual([]);
});

test('does not walk an array that only claims to be long', () => {
  const endless = new Proxy([], {
    get: (target, key) => (key === 'length' ? 2 ** 32 - 1 : Reflect.get(target, key)) as unknown,
  });
  expect(issuesOf(() => spawn({ mounts: endless }))).toContain('mounts: too-long');
});

test('answers anything with a request or ERR_CLOISTER_POLICY or ERR_CLOISTER_UNSUPPORTED', () => {
  const keys = fc.constantFrom(
    'unveil',
    'mounts',
    'limits',
    'net',
    'root',
    'env',
    'stdio',
    'pty',
    'user',
    'seccomp',
    'pledge',
    'cwd',
    'x',
  );
  fc.assert(
    fc.property(
      fc.dictionary(keys, fc.anything({ withNullPrototype: true, withSparseArray: true, withBigInt: true })),
      (options) => {
        try {
          spawn(options);
        } catch (error) {
          expect(error).toBeInstanceOf(CloisterError);
          expect(['ERR_CLOISTER_POLICY', 'ERR_CLOISTER_UNSUPPORTED']).toContain((error as CloisterError).code);
        }
      },
    ),
    { numRuns: 500 },
  );
});
