/**
 * What is used of the validation library. The build puts this file and that part of the library into one file: as it is installed, it has more than a hundred, the
 * error messages of fifty languages among them, and takes longer to load than all the rest.
 */

export {
  array,
  discriminatedUnion,
  literal,
  looseObject,
  maxLength,
  minLength,
  never,
  NEVER,
  nullable,
  optional,
  pipe,
  record,
  regex,
  registry,
  safeParse,
  strictObject,
  string,
  transform,
  union,
  unknown,
} from 'zod/mini';
export type { core, ZodMiniObject, ZodMiniNullable, ZodMiniOptional, ZodMiniType } from 'zod/mini';
