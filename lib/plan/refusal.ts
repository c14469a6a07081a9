/** A part of a valid policy that this host's files do not allow for. Caught per part, so that all of them are reported at once. */
export class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}
