/** CLOCK_MONOTONIC in milliseconds: the clock that the launcher tells times by. */
export function monotonicNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
