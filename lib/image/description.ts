/** What an image turned out to be: enough to know whether it is in the cache, and to unpack it where it is not. */

import type { ImageConfig } from './config.js';
import { digestOfBytes, type Digest, digestText } from './digest.js';

export interface Layer {
  /** Of the bytes as they are in the image. */
  readonly digest: Digest;
  /** Bytes, where the image says how many. */
  readonly size: number | null;
  /** SHA-256 of what they decompress to, in hexadecimal, where the image says so. */
  readonly unpacked: string | null;
  /** For messages. */
  readonly name: string;
  /** The caller closes it. */
  readonly open: () => number;
}

export interface Description {
  readonly kind: 'oci' | 'docker' | 'aci';
  /** What the image calls itself: tags and names. */
  readonly names: readonly string[];
  /** As in the image, or its own where that says nothing. */
  readonly platform: string;
  /** Of the manifest or, where it has no digest, of the configuration. */
  readonly digest: Digest;
  readonly config: ImageConfig;
  /** The lowest first. At least one. */
  readonly layers: readonly Layer[];
  /** Directory in the layers that is the tree; empty: all of it. */
  readonly below: string;
}

/** Changes with what becomes of the same layers. */
const UNPACKER = 1;

/** What the tree is called in the cache: everything that it is made of goes into it, and nothing that the unpacker says. */
export function treeName({ config, layers, below }: Description): string {
  const made = [UNPACKER, below, config, layers.map(({ digest }) => digestText(digest))];
  return digestOfBytes(JSON.stringify(made)).hex;
}
