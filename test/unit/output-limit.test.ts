import { describe, expect, test } from 'vitest';

import { OutputLimit } from '../../lib/cell/output-limit.js';

function admitted(limit: number, chunks: readonly string[]): { text: string[]; exceeded: number } {
  let exceeded = 0;
  const counter = new OutputLimit(limit, () => {
    exceeded += 1;
  });
  const text = chunks.map((chunk) => counter.admit(Buffer.from(chunk)).toString());
  return { text, exceeded };
}

describe('a limit on output', () => {
  test('admits as many bytes as it says, and calls once for all that is beyond', () => {
    expect(admitted(5, ['abc', 'def', 'g', 'h'])).toEqual({ text: ['abc', 'de', '', ''], exceeded: 1 });
  });

  test('is not exceeded by exactly as many bytes', () => {
    expect(admitted(6, ['abc', 'def'])).toEqual({ text: ['abc', 'def'], exceeded: 0 });
    expect(admitted(6, ['abc', 'def', 'g'])).toEqual({ text: ['abc', 'def', ''], exceeded: 1 });
  });

  test('of nothing is exceeded by the first byte', () => {
    expect(admitted(0, [])).toEqual({ text: [], exceeded: 0 });
    expect(admitted(0, ['a', 'b'])).toEqual({ text: ['', ''], exceeded: 1 });
  });
});
