import { describe, expect, it } from 'vitest';

import type { RestrictFunctions } from '../../lib/native/restrict-functions.js';
import { parseRestriction } from '../../lib/policy/parse-restriction.js';
import { watchFor } from '../../lib/restrict/answering.js';

const KERNEL = { abi: 7, errata: 0, handledFs: 0, filters: 0, restricted: false };

/** An addon that cannot start a process, for a reason of the kernel's or for another. */
function failing(failure: object): RestrictFunctions {
  return {
    startWatch: () => {
      throw Object.assign(new Error('clone'), failure);
    },
  } as unknown as RestrictFunctions;
}

const noProcess = failing({ syscall: 'clone', errno: -11 });
const policy = (onViolation: 'kill' | 'error' | 'log') => parseRestriction({ pledge: 'stdio', onViolation });

describe('who answers for refused calls', () => {
  it('is nobody where they end the process', () => {
    expect(watchFor(policy('kill'), noProcess, KERNEL, '')).toEqual({ watch: null, untold: null });
  });

  it('is said to be missing where the process cannot be started, since the calls fail without it as well', () => {
    expect(watchFor(policy('error'), noProcess, KERNEL, '')).toEqual({
      watch: null,
      untold: expect.stringContaining('clone: errno -11') as string,
    });
  });

  it('is an error where they are to go through', () => {
    expect(() => watchFor(policy('log'), noProcess, KERNEL, '')).toThrow(
      expect.objectContaining({ code: 'ERR_CLOISTER_UNSUPPORTED' }) as Error,
    );
    expect(() => watchFor(policy('log'), noProcess, { ...KERNEL, filters: 1 }, '')).toThrow(/earlier restriction/u);
  });

  it('does not take a defect of its own for a lack of the machine', () => {
    expect(() => watchFor(policy('error'), failing({}), KERNEL, '')).toThrow('clone');
  });
});
