import { expect, test } from 'vitest';

import { differenceFor } from './compare.js';

const POLICIES = Number(process.env['CLOISTER_RANDOM_POLICIES'] ?? 6000);
const FIRST = Number(process.env['CLOISTER_RANDOM_SEED'] ?? 1);
const CALLS = 60;

test(`answers ${POLICIES * CALLS} calls as ${POLICIES} random policies are written`, { timeout: 3_600_000 }, () => {
  for (let seed = FIRST; seed < FIRST + POLICIES; seed++) {
    expect(differenceFor(seed, CALLS)).toBeUndefined();
  }
});
