/** Digests: what content is called, and whether it is that. */

import { createHash } from 'node:crypto';
import { read } from 'node:fs';
import { promisify } from 'node:util';

import { throwIfAborted } from '../cell/abort.js';

const CHUNK = 2 ** 20;
const readAt = promisify(read);

/** How many hexadecimal digits each algorithm has. No other is known, and no other spelling. */
const DIGITS = { sha256: 64, sha512: 128 } as const;

export interface Digest {
  readonly algorithm: keyof typeof DIGITS;
  readonly hex: string;
}

/** Null: it is none. What comes back is safe as the name of a file. */
export function parseDigest(value: unknown): Digest | null {
  const match = typeof value === 'string' ? /^(sha256|sha512):([0-9a-f]+)$/u.exec(value) : null;
  const algorithm = match?.[1] as Digest['algorithm'] | undefined;
  const hex = match?.[2] ?? '';
  return algorithm !== undefined && hex.length === DIGITS[algorithm] ? { algorithm, hex } : null;
}

export function digestText({ algorithm, hex }: Digest): string {
  return `${algorithm}:${hex}`;
}

export function digestOfBytes(bytes: Uint8Array | string, algorithm: Digest['algorithm'] = 'sha256'): Digest {
  return { algorithm, hex: createHash(algorithm).update(bytes).digest('hex') };
}

export function sameDigest(one: Digest, other: Digest): boolean {
  return one.algorithm === other.algorithm && one.hex === other.hex;
}

/** Of a file as it is now, from its beginning; others have a turn meanwhile. */
export async function digestOfFile(
  descriptor: number,
  algorithm: Digest['algorithm'],
  signal: AbortSignal | undefined,
): Promise<Digest> {
  const hash = createHash(algorithm);
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let position = 0; ; ) {
    throwIfAborted(signal);
    const { bytesRead } = await readAt(descriptor, buffer, 0, CHUNK, position);
    if (bytesRead === 0) {
      return { algorithm, hex: hash.digest('hex') };
    }
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}
