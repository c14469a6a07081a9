/** Calls the listener at most once, when the signal is aborted. Returns what ends that. */
export function onAbort(
  signal: AbortSignal | undefined,
  listener: (reason: unknown) => void,
): (() => void) | undefined {
  if (signal === undefined) {
    return undefined;
  }
  const listen = (): void => {
    listener(signal.reason);
  };
  signal.addEventListener('abort', listen, { once: true });
  return () => {
    signal.removeEventListener('abort', listen);
  };
}
