/** Building blocks of the schema. Each knows what it looks like in JSON Schema, so that the shipped file comes from the same source. */

import * as z from './zod.js';

import { hasParentReference, isAbsolute } from '../util/paths.js';
import { suggest } from '../util/suggest.js';
import { BYTES_PATTERN, DURATION_PATTERN, parseBytes, parseDuration, type Parsed } from '../util/units.js';
import { alternatives, describe, unknownKeyMessages } from './issues.js';

/** JSON Schema of the parts that the schema library cannot describe by itself. Read by the generator of policy.schema.json. @public */
export const jsonForms: z.core.$ZodRegistry<Record<string, unknown>> = z.registry();

export type Schema<Output> = z.ZodMiniType<Output>;

/** A value that `read` turns into what it means, or refuses in words. */
export function scalar<Output>(
  code: string,
  json: Record<string, unknown>,
  read: (value: unknown) => Parsed<Output>,
): Schema<Output> {
  const schema = z.pipe(
    z.unknown(),
    z.transform((value, context): Output => {
      const parsed = read(value);
      if ('value' in parsed) {
        return parsed.value;
      }
      context.issues.push({ code: 'custom', message: parsed.problem, input: value, params: { code } });
      return z.NEVER;
    }),
  );
  return schema.register(jsonForms, json);
}

/** An object without unknown keys. */
export function strict<Shape extends z.core.$ZodLooseShape>(shape: Shape): z.ZodMiniObject<Shape, z.core.$strict> {
  return z.strictObject(shape, { error: unknownKeyMessages(Object.keys(shape)) });
}

/** One of a few words. */
export function oneOf<const Words extends readonly string[]>(words: Words): Schema<Words[number]> {
  return scalar('unknown-value', { type: 'string', enum: words }, (value) => {
    if (typeof value === 'string' && words.includes(value)) {
      return { value };
    }
    const nearest = typeof value === 'string' ? suggest(value, words) : undefined;
    return {
      problem: `must be ${alternatives(words)}, not ${describe(value)}${nearest === undefined ? '' : `; did you mean '${nearest}'?`}`,
    };
  });
}

/** A whole number in a range. */
export function count(minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): Schema<number> {
  return scalar('out-of-range', { type: 'integer', minimum, maximum }, (value) => {
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      return { problem: `must be a whole number, not ${describe(value)}` };
    }
    return value >= minimum && value <= maximum
      ? { value }
      : { problem: `must be from ${String(minimum)} to ${String(maximum)}, not ${String(value)}` };
  });
}

export function bytes(minimum = 0): Schema<number> {
  const json = {
    anyOf: [
      { type: 'integer', minimum, maximum: Number.MAX_SAFE_INTEGER },
      { type: 'string', pattern: BYTES_PATTERN },
    ],
  };
  return scalar('bad-quantity', json, (value) =>
    quantity(value, parseBytes, minimum, "a number of bytes or text such as '64MiB'"),
  );
}

export function duration(minimum = 0): Schema<number> {
  const json = {
    anyOf: [
      { type: 'number', minimum },
      { type: 'string', pattern: DURATION_PATTERN },
    ],
  };
  return scalar('bad-quantity', json, (value) =>
    quantity(value, parseDuration, minimum, "a number of milliseconds or text such as '10s'"),
  );
}

function quantity(
  value: unknown,
  parse: (value: number | string) => Parsed<number>,
  minimum: number,
  expected: string,
): Parsed<number> {
  if (typeof value !== 'number' && typeof value !== 'string') {
    return { problem: `must be ${expected}, not ${describe(value)}` };
  }
  const parsed = parse(value);
  if ('problem' in parsed) {
    return { problem: `${describe(value)} ${parsed.problem}` };
  }
  return parsed.value >= minimum ? parsed : { problem: `must be at least ${String(minimum)}, not ${describe(value)}` };
}

export const boolean: Schema<boolean> = scalar('wrong-type', { type: 'boolean' }, (value) =>
  typeof value === 'boolean' ? { value } : { problem: `must be true or false, not ${describe(value)}` },
);

export function text(): Schema<string> {
  return scalar('wrong-type', { type: 'string' }, readText);
}

function readText(value: unknown): Parsed<string> {
  return typeof value === 'string' ? { value } : { problem: `must be a string, not ${describe(value)}` };
}

/** A path on the host: absolute, relative or `~/...`. */
export const hostPath: Schema<string> = scalar('bad-path', { type: 'string', minLength: 1 }, (value) => {
  const parsed = readText(value);
  return value === '' ? { problem: 'is an empty path' } : parsed;
});

/** An absolute path in the cell. `..` is refused: what it would mean depends on links that are not there yet. */
export const cellPath: Schema<string> = scalar('bad-path', { type: 'string', pattern: '^/' }, (value) => {
  if (typeof value !== 'string') {
    return readText(value);
  }
  if (!isAbsolute(value)) {
    return { problem: `must be an absolute path inside, not ${describe(value)}` };
  }
  return hasParentReference(value) ? { problem: "must not contain '..'" } : { value };
});

/** Permission bits and the sticky bit. Set-id bits would have no effect on the mounts of a cell. */
export const mode: Schema<number> = scalar('out-of-range', { type: 'integer', minimum: 0, maximum: 0o1777 }, (value) =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0o1777
    ? { value }
    : { problem: `must be a mode from 0 to 0o1777, not ${describe(value)}` },
);

function isAbortSignal(value: unknown): value is AbortSignal {
  try {
    // Throws for an object that only inherits from the prototype.
    const aborted: unknown = Object.getOwnPropertyDescriptor(AbortSignal.prototype, 'aborted')?.get?.call(value);
    return typeof aborted === 'boolean';
  } catch {
    return false;
  }
}

export const abortSignal: Schema<AbortSignal> = scalar('wrong-type', {}, (value) =>
  isAbortSignal(value) ? { value } : { problem: `must be an AbortSignal, not ${describe(value)}` },
);
