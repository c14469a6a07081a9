/** What a policy needs to know about the process that wrote it. */

import { homedir } from 'node:os';

export interface Caller {
  /** Absolute. */
  readonly cwd: () => string;
  /** Absolute. */
  readonly home: () => string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Effective ids, which are the ones that the kernel asks about. */
  readonly uid: number;
  readonly gid: number;
}

/** This process, as it is now. */
export function currentCaller(): Caller {
  return {
    cwd: () => process.cwd(),
    home: () => homedir(),
    environment: process.env,
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
  };
}
