// Numbers that look random and are the same for the same seed, for comparisons that can be repeated.

/** `below(bound)`: an integer from 0 on. `pick(list)`: one of its members. */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  const below = (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
  return { below, pick: (values) => values[below(values.length)] };
}
