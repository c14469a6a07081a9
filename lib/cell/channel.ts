/** This environment's side of the addon: hands events to the cells they belong to, and keeps the event loop alive while one is waited for. */

import { loadNative } from '../native/binding.js';
import type { CellEvent, CloisterAddon, SpawnedCell } from '../native/functions.js';

export type CellListener = (event: CellEvent) => void;

export class CellChannel {
  readonly addon: CloisterAddon;
  readonly launcherPath: string;
  readonly #listeners = new Map<number, CellListener>();
  #references = 0;

  constructor(addon: CloisterAddon, launcherPath: string) {
    this.addon = addon;
    this.launcherPath = launcherPath;
    addon.connect(launcherPath, (event) => {
      this.#dispatch(event);
    });
  }

  /** Throws NativeFailure. The listener is held until the cell's last event. */
  spawn(plan: Uint8Array, stdio: readonly number[], listener: CellListener): SpawnedCell {
    const spawned = this.addon.spawn(plan, stdio);
    this.#listeners.set(spawned.cell, listener);
    return spawned;
  }

  ref(): void {
    this.#references += 1;
    if (this.#references === 1) {
      this.addon.ref();
    }
  }

  unref(): void {
    this.#references -= 1;
    if (this.#references === 0) {
      this.addon.unref();
    }
  }

  #dispatch(event: CellEvent): void {
    const listener = this.#listeners.get(event.cell);
    if (event.type === 'failed' || event.type === 'ended') {
      this.#listeners.delete(event.cell);
    }
    listener?.(event);
  }
}

let channel: CellChannel | undefined;

/** One for each JavaScript environment, made at the first call. Throws what loadNative() throws. */
export function cellChannel(): CellChannel {
  if (channel === undefined) {
    const { addon, launcherPath } = loadNative();
    channel = new CellChannel(addon, launcherPath);
  }
  return channel;
}
