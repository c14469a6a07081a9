/** Reading values out of JSON that somebody else has written. */

export type Fields = Readonly<Record<string, unknown>>;

/** The members of an object; none of anything else. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

/** A member of its own: not what objects inherit. */
export function member(value: unknown, name: string): unknown {
  const of = fields(value);
  return Object.hasOwn(of, name) ? of[name] : undefined;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Null: it is there and not an array of strings. Absent and null say the same in these formats. */
export function texts(value: unknown): readonly string[] | null {
  if (value === undefined || value === null) {
    return [];
  }
  return Array.isArray(value) && value.every((each) => typeof each === 'string') ? value : null;
}
