/** Tells what is in an archive, and what would be refused of it. Writes nothing. */

import { showName } from '../names.js';
import type { ArchiveEntry } from '../types.js';
import type { Admission } from './admission.js';
import type { EntryHead, EntrySink } from './entry.js';
import type { Reporter } from './reporter.js';

interface Link {
  readonly path: string;
  readonly to: string;
  readonly entry: ArchiveEntry;
}

export class Lister implements EntrySink {
  readonly #admission: Admission;
  readonly #reporter: Reporter;
  readonly #entries: ArchiveEntry[] = [];
  readonly #links: Link[] = [];
  bytes = 0;

  constructor(admission: Admission, reporter: Reporter) {
    this.#admission = admission;
    this.#reporter = reporter;
  }

  get entries(): number {
    return this.#entries.length;
  }

  get seen(): number {
    return this.#entries.length;
  }

  begin(head: EntryHead): null {
    const { name, kind, size, mode, mtime, target } = head;
    const verdict = this.#admission.admit(head);
    const entry: ArchiveEntry = {
      path: showName(name),
      type: kind,
      size,
      mode,
      mtime,
      ...(target === undefined ? {} : { target: showName(target) }),
      ...('unsafe' in verdict ? { unsafe: verdict.unsafe } : {}),
    };
    this.#entries.push(entry);
    this.bytes += size;
    if (kind === 'symlink' && 'path' in verdict) {
      this.#links.push({ path: verdict.path, to: target ?? '', entry });
    }
    return null;
  }

  /** Where links lead is known only now. */
  finish(): void {
    this.#admission.settleLinks(this.#links, ({ entry }, reason) => {
      entry.unsafe = reason;
    });
    for (const entry of this.#entries) {
      this.#reporter.entry({ type: 'entry', entry });
    }
  }
}
