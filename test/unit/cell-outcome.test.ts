import { describe, expect, it } from 'vitest';

import { type End, type EndRequests, outcomeReason } from '../../lib/cell/outcome.js';
import { EndCause } from '../../lib/native/functions.js';

const none: EndRequests = { first: null, at: 0, signals: new Set() };
const end = (changes: Partial<End> = {}): End => ({
  cause: EndCause.none,
  signal: null,
  causeTime: 0,
  ...changes,
});
const asked = (first: EndRequests['first'], at = 0, signals: number[] = []): EndRequests => ({
  first,
  at,
  signals: new Set(signals),
});

describe('the reason of an outcome', () => {
  it.each([
    ['exited', end(), none],
    ['signaled', end({ signal: 11 }), none],
    ['wall-time', end({ cause: EndCause.wallTime, signal: 9, causeTime: 100 }), none],
    ['cpu-time', end({ cause: EndCause.cpuTime, signal: 9, causeTime: 100 }), none],
    ['memory', end({ cause: EndCause.memory, signal: 9, causeTime: 100 }), none],
    ['violation', end({ cause: EndCause.violation, signal: 31, causeTime: 100 }), none],
    ['violation', end({ cause: EndCause.violation, signal: 31, causeTime: 100 }), asked('output', 101)],
    ['output', end({ cause: EndCause.killed, signal: 9 }), asked('output')],
    ['output', end(), asked('output')],
    ['killed', end({ cause: EndCause.killed, signal: 9 }), asked('killed', 0, [9])],
    ['killed', end({ signal: 15 }), asked(null, 0, [15])],
    ['killed', end({ cause: EndCause.launcherLost, signal: 9 }), none],
    ['killed', end({ cause: EndCause.killed, signal: 9 }), none],
    ['aborted', end({ signal: 15 }), asked('aborted')],
    ['aborted', end(), asked('aborted')],
    ['killed', end(), asked('disposed')],
  ] as const)('is %s', (reason, how, requests) => {
    expect(outcomeReason(how, requests)).toBe(reason);
  });

  it('is the command’s own end where a kill came too late', () => {
    expect(outcomeReason(end(), asked('killed', 0, [9]))).toBe('exited');
    expect(outcomeReason(end({ signal: 11 }), asked('killed', 0, [9]))).toBe('signaled');
    expect(outcomeReason(end({ signal: 11 }), asked(null, 0, [15]))).toBe('signaled');
  });

  it('is whatever came first, by the clock and not by when it was heard of', () => {
    const wall = end({ cause: EndCause.wallTime, signal: 9, causeTime: 100 });
    expect(outcomeReason(wall, asked('aborted', 99))).toBe('aborted');
    expect(outcomeReason(wall, asked('aborted', 101))).toBe('wall-time');
    expect(outcomeReason(wall, asked('disposed', 99))).toBe('killed');
    expect(outcomeReason(wall, asked('killed', 99, [9]))).toBe('wall-time');
    expect(outcomeReason(wall, asked('output', 99))).toBe('output');
    expect(outcomeReason(wall, asked('output', 101))).toBe('wall-time');
  });
});
