/** Types of what subprocess-context.mjs makes. */

import type { EventEmitter } from 'node:events';

/** A process that was found in /proc. */
export interface FoundProcess {
  pid: number;
  state: string;
  parent: number;
  name: string;
}

export interface PlainError {
  name: string;
  message: string;
  code?: string;
  stage?: string;
  syscall?: string;
  errno?: number;
  path?: string;
  hint?: string;
  issues?: { code: string; path: string; message: string }[];
  causeCode?: string;
}

type Cloister = typeof import('../../lib/index.js');

export interface TestContext extends Cloister {
  /** Of SubprocessOptions. */
  data: unknown;
  /** An empty directory under /tmp, owned by the user, removed after the piece: one that has restricted itself cannot do that. */
  folder: string;
  /** cloister/archive, or a copy of it. */
  archive(specifier?: string): Promise<typeof import('../../lib/archive.js')>;
  /** For a Worker's own import. */
  packageUrl: string;
  childProcess: typeof import('node:child_process');
  events: typeof import('node:events');
  fs: typeof import('node:fs');
  net: typeof import('node:net');
  os: typeof import('node:os');
  readline: typeof import('node:readline');
  stream: typeof import('node:stream');
  streams: typeof import('node:stream/promises');
  timers: typeof import('node:timers/promises');
  workers: typeof import('node:worker_threads');
  openDescriptors(): number[];
  children(parent?: number): FoundProcess[];
  descendants(parent?: number): FoundProcess[];
  /** Mounts in sight of this process. */
  mounts(): number;
  text(readable: AsyncIterable<unknown> | null): Promise<string>;
  waitFor(condition: () => boolean | Promise<boolean>, milliseconds?: number): Promise<boolean>;
  failureOf(action: () => unknown): Promise<PlainError | null>;
  /** What 'close' carries. Other than events.once it does not mind an 'error' before. */
  closeOf(child: EventEmitter): Promise<unknown[]>;
  recordEvents(child: EventEmitter, log?: string[]): string[];
}
