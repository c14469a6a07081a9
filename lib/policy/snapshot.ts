/**
 * A private copy of what the caller handed over. What is validated must be what is used: a getter, a proxy or a concurrent change could
 * answer differently the second time, so each property is read once, and only the copy is looked at afterwards.
 */

import { types } from 'node:util';

import type { PolicyIssue } from '../errors.js';
import { formatPath, type PathPart } from './path.js';

/** Members whose objects are kept as they are: streams, signals, functions, bytes. The schema decides whether they are right. */
const OPAQUE: ReadonlySet<PropertyKey> = new Set(['signal', 'ask', 'input', 'stdio']);

// Deeper than any policy, and than any seccomp profile; a cycle ends here.
const DEEPEST = 32;
const LONGEST_ARRAY = 1_000_000;
const MOST_MEMBERS = 100_000;
// Of all objects and arrays together: a few small ones that hold each other many times over stand for far more than what they are written in.
const MOST_VALUES = 2_000_000;

// NUL would cut a text short on its way to the kernel; a lone surrogate cannot be written as UTF-8, so another name than the one meant would be used.
const UNSENDABLE = /[\0\p{Surrogate}]/u;

export class Snapshot {
  readonly issues: PolicyIssue[] = [];
  /** What reading threw, if it did. */
  cause: unknown;
  readonly #path: PathPart[] = [];
  #values = 0;

  /** Copies plain objects and arrays; every copied object has no prototype, so that only own members of the original are found in it. */
  take(value: unknown): unknown {
    return this.#copy(value, undefined);
  }

  #copy(value: unknown, key: PropertyKey | undefined): unknown {
    this.#values += 1;
    if (this.#values > MOST_VALUES) {
      if (this.#values === MOST_VALUES + 1) {
        this.#refuse('too-long', `has more than ${String(MOST_VALUES)} values in all`);
      }
      return undefined;
    }
    if (typeof value === 'string') {
      if (key !== 'content' && key !== 'input') {
        this.#checkText(value);
      }
      return value;
    }
    if (typeof value !== 'object' || value === null) {
      return value;
    }
    if (this.#path.length > DEEPEST) {
      this.#refuse('too-deep', 'is nested too deeply');
      return undefined;
    }
    if (key === 'content' && types.isUint8Array(value)) {
      return new Uint8Array(value);
    }
    const depth = this.#path.length;
    try {
      if (Array.isArray(value)) {
        return this.#copyArray(value, key);
      }
      return OPAQUE.has(key ?? '') ? value : this.#copyObject(value);
    } catch (error) {
      // A trap of a proxy, or an array's getter.
      this.#path.length = depth;
      this.#unreadable(error);
      return undefined;
    }
  }

  #copyArray(source: readonly unknown[], key: PropertyKey | undefined): unknown {
    const { length } = source;
    if (length > LONGEST_ARRAY) {
      this.#refuse('too-long', `has more than ${String(LONGEST_ARRAY)} elements`);
      return undefined;
    }
    const copy: unknown[] = [];
    for (let index = 0; index < length && this.#values <= MOST_VALUES; index++) {
      this.#path.push(index);
      if (Object.hasOwn(source, index)) {
        copy.push(this.#copy(source[index], key === 'stdio' ? key : index));
      } else {
        this.#refuse('hole', 'is a hole in the array');
      }
      this.#path.pop();
    }
    return copy;
  }

  #copyObject(source: object): unknown {
    if (!isPlain(source)) {
      this.#refuse('wrong-type', 'must be a plain object');
      return undefined;
    }
    const copy = Object.create(null) as Record<string, unknown>;
    const keys = Reflect.ownKeys(source);
    if (keys.length > MOST_MEMBERS) {
      this.#refuse('too-long', `has more than ${String(MOST_MEMBERS)} members`);
      return undefined;
    }
    for (const key of keys) {
      this.#path.push(typeof key === 'symbol' ? String(key) : key);
      // As a name it would reach the prototype of a plain object somewhere on the way.
      if (typeof key === 'symbol' || key === '__proto__') {
        this.#refuse('unknown-key', 'is no name that can be used here');
      } else {
        this.#checkText(key);
        copy[key] = this.#copy(this.#read(source, key), key);
      }
      this.#path.pop();
    }
    return copy;
  }

  #read(source: object, key: string): unknown {
    try {
      return Reflect.get(source, key) as unknown;
    } catch (error) {
      this.#unreadable(error);
      return undefined;
    }
  }

  #unreadable(error: unknown): void {
    this.cause ??= error;
    this.#refuse('unreadable', 'cannot be read: reading it throws');
  }

  #checkText(text: string): void {
    if (UNSENDABLE.test(text)) {
      this.#refuse('bad-text', text.includes('\0') ? 'contains a NUL byte' : 'is not well-formed Unicode');
    }
  }

  #refuse(code: string, message: string): void {
    this.issues.push({ code, path: formatPath(this.#path), message });
  }
}

/** Literals, objects without a prototype, plain objects of another realm (a vm context, a test runner), and process.env, which has a prototype of its own. */
function isPlain(value: object): boolean {
  if (value === process.env) {
    return true;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) {
    return true;
  }
  return (
    typeof prototype === 'object' &&
    Object.getPrototypeOf(prototype) === null &&
    Object.hasOwn(prototype, 'isPrototypeOf')
  );
}

/**
 * The same without prototypes: members that are absent stay absent, whatever somebody has added to Object.prototype. Anything but plain objects and
 * arrays is kept as it is.
 */
export function withoutPrototypes<T>(value: T): T {
  if (Array.isArray(value)) {
    return value.map(withoutPrototypes) as T;
  }
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) {
    return value;
  }
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, member] of Object.entries(value)) {
    copy[key] = withoutPrototypes(member);
  }
  return copy as T;
}
