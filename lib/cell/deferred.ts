/** A promise that is settled from outside, and that is no unhandled rejection when nobody looks at it. */
export class Deferred<T> {
  /** Whether somebody has looked at the promise, and is thus told of a rejection. */
  taken = false;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
  readonly #promise: Promise<T>;

  constructor() {
    let settle: { resolve: (value: T) => void; reject: (error: Error) => void } | undefined;
    this.#promise = new Promise<T>((resolve, reject) => {
      settle = { resolve, reject };
    });
    // The executor has run: promises call it synchronously.
    const { resolve, reject } = settle as unknown as NonNullable<typeof settle>;
    this.resolve = resolve;
    this.reject = reject;
    this.#promise.catch(() => undefined);
  }

  get promise(): Promise<T> {
    this.taken = true;
    return this.#promise;
  }
}
