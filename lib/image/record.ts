/** What the cache knows of a tree: image.json beside it. */

import { readFileSync } from 'node:fs';

import type { ImageConfig } from './config.js';
import { fields, member, text, texts } from './values.js';

const VERSION = 1;

export interface ImageRecord {
  readonly version: typeof VERSION;
  readonly kind: 'oci' | 'docker' | 'aci';
  readonly names: readonly string[];
  readonly platform: string;
  /** Of the manifest, or of what stands for it. */
  readonly digest: string;
  readonly layers: readonly string[];
  readonly config: ImageConfig;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly entries: number;
  /** Bytes of all files. */
  readonly bytes: number;
  /** What was left out of the image, or taken from it: device nodes, set-id bits, file capabilities. The first thousand. */
  readonly dropped: readonly { readonly path: string; readonly reason: string }[];
  readonly droppedCount: number;
}

export function makeRecord(values: Omit<ImageRecord, 'version'>): string {
  const record: ImageRecord = { version: VERSION, ...values };
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** Null: it is not there, or not one of this version. Written by cloister into a folder of the caller's own: the types are looked at, the values believed. */
export function readRecord(path: string): ImageRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') {
      return null;
    }
    throw error;
  }
  const config = fields(member(value, 'config'));
  const whole =
    member(value, 'version') === VERSION &&
    [member(value, 'names'), member(value, 'layers'), config['entrypoint'], config['command']].every(
      (each) => texts(each) !== null && each !== undefined,
    ) &&
    [config['workingDirectory'], config['user'], member(value, 'digest'), member(value, 'platform')].every(
      (each) => text(each) !== undefined,
    ) &&
    ['created', 'entries', 'bytes', 'droppedCount'].every((name) => Number.isSafeInteger(member(value, name))) &&
    Array.isArray(member(value, 'dropped')) &&
    Object.values(fields(config['environment'])).every((each) => typeof each === 'string');
  return whole ? (value as ImageRecord) : null;
}
