/** The parts of an image that is one archive: its manifests and its layers, as files. Anything else in it is left out, above all the tree of an App Container. */

import { readPath } from '../names.js';
import type { EntryHead, EntrySink, FileOutput } from './entry.js';
import type { TreeWriter } from './tree-writer.js';

/** Names in an OCI image layout, in what `docker save` and its relatives write, and the manifest of an App Container. */
const PART =
  /^(?:oci-layout|repositories|manifest|[^/]+\.json|[^/]+\.tar(?:\.gz)?|[^/]+\/(?:layer\.tar|json|VERSION)|blobs\/[^/]+\/[^/]+)$/u;

export class PartsWriter implements EntrySink {
  readonly #writer: TreeWriter;

  constructor(writer: TreeWriter) {
    this.#writer = writer;
  }

  get entries(): number {
    return this.#writer.entries;
  }

  get seen(): number {
    return this.#writer.seen;
  }

  get bytes(): number {
    return this.#writer.bytes;
  }

  begin(head: EntryHead): FileOutput | null {
    const read = readPath(head.name);
    return 'path' in read && PART.test(read.path) ? this.#writer.begin(head) : null;
  }

  finish(): void {
    this.#writer.finish();
  }
}
