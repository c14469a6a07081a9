/** Which letters of unveil(2) the mechanisms at hand can hold exactly. */

import type { HostFile } from '../host/types.js';
import type { Permissions } from '../policy/valid.js';

export interface LettersAnswer {
  /** How the mount is made; where it is not exact, it grants what was asked for and more. */
  readonly writable: boolean;
  readonly executable: boolean;
  /** Null: held exactly. Else what is granted beyond the letters. */
  readonly beyond: { readonly reason: string; readonly hint: string } | null;
}

/** The flags of a mount tell apart reading, executing, and changing in any way; nothing finer. */
export function lettersByMount({ read, write, execute, create }: Permissions, kind: HostFile['kind']): LettersAnswer {
  const writable = write || create;
  const answer = { writable, executable: execute };
  if (!read) {
    return { ...answer, beyond: { reason: 'a mount cannot withhold reading', hint: `add 'r'` } };
  }
  // A single file that is a mount point can be neither removed nor replaced (EBUSY), so there is nothing that 'c' would add.
  if (kind === 'directory' && write !== create) {
    const [granted, missing] = write ? ['writing', 'creating and removing'] : ['creating and removing', 'writing'];
    return {
      ...answer,
      beyond: {
        reason: `a mount cannot allow ${granted} without ${missing}`,
        hint: `write both 'w' and 'c', as in '${execute ? 'rwxc' : 'rwc'}'`,
      },
    };
  }
  return { ...answer, beyond: null };
}
