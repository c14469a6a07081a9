import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, shell } from '../support/cells.js';
import { USERS } from '../support/in-subprocess.js';
import { groupsOf } from '../support/limits.js';

const BOMB = 'bomb() { bomb | bomb & }; bomb; sleep 0.5; echo survived';

describe.each(USERS)('limits.processes, as %s', (user) => {
  it('makes fork fail beyond it', async () => {
    const at = await deedsInCell(user, ['fork-until-refused,40'], { limits: { processes: 10 } });
    expect(at['fork-until-refused,40']).toBe('EAGAIN:10');
    const below = await deedsInCell(user, ['fork-until-refused,9'], { limits: { processes: 10 } });
    expect(below['fork-until-refused,9']).toBe('OK:10');
  });

  it('holds a fork bomb, by a control group and by the default', async () => {
    const version = await groupsOf(user);
    const [asked, byDefault] = await inCells(user, [
      shell(BOMB, { limits: { processes: 20, wallTime: '20s' } }),
      shell(BOMB, { limits: { wallTime: '20s' } }),
    ]);
    expect(asked?.enforcement.limits?.['processes']).toBe(version === null ? 'rlimit' : `cgroup-${version}`);
    for (const result of [asked, byDefault]) {
      expect(['exited', 'wall-time']).toContain(result?.reason);
    }
    if (version !== null) {
      expect(asked?.usage.processes ?? 20).toBeLessThanOrEqual(20);
    }
  });

  it('tells the most that were alive at once, with a control group', async () => {
    const [result] = await inCells(user, [
      shell('sleep 0.2 & sleep 0.2 & sleep 0.2 & wait', { limits: { processes: 50 } }),
    ]);
    const version = await groupsOf(user);
    expect(result?.usage.processes).toBe(version === null ? undefined : 4);
  });
});
