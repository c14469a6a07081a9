/** AbortSignals, by the methods of their class: a member that the caller's object has of its own is not called. */

export function aborted(signal: AbortSignal | undefined): boolean {
  return signal !== undefined && read(signal, 'aborted') === true;
}

export function reasonOf(signal: AbortSignal | undefined): unknown {
  return signal === undefined ? undefined : read(signal, 'reason');
}

/** Throws the reason, as the method of that name does. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal !== undefined) {
    AbortSignal.prototype.throwIfAborted.call(signal);
  }
}

function read(signal: AbortSignal, name: 'aborted' | 'reason'): unknown {
  return Object.getOwnPropertyDescriptor(AbortSignal.prototype, name)?.get?.call(signal);
}

/** Calls the listener at most once, when the signal is aborted. Returns what ends that. */
export function onAbort(
  signal: AbortSignal | undefined,
  listener: (reason: unknown) => void,
): (() => void) | undefined {
  if (signal === undefined) {
    return undefined;
  }
  const listen = (): void => {
    listener(reasonOf(signal));
  };
  EventTarget.prototype.addEventListener.call(signal, 'abort', listen, { once: true });
  return () => {
    EventTarget.prototype.removeEventListener.call(signal, 'abort', listen);
  };
}
