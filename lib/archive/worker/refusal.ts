/** Why an archive is not unpacked. */

import type { FailureKind } from '../messages.js';

export class Refusal extends Error {
  readonly kind: FailureKind;
  /** Name of the entry that is to blame. */
  readonly entry: string | undefined;

  constructor(kind: FailureKind, message: string, entry?: string) {
    super(message);
    this.kind = kind;
    this.entry = entry;
  }
}

export function damaged(message: string, entry?: string): Refusal {
  return new Refusal('damaged', message, entry);
}

/** What a library says of the data that it was given. Errors of the system, and ours, stay what they are. */
export function asDamage(error: unknown, what: string, entry?: string): Error {
  if (error instanceof Refusal || (error instanceof Error && 'syscall' in error)) {
    return error;
  }
  return damaged(`${what}: ${error instanceof Error ? error.message : String(error)}`, entry);
}
