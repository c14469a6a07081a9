/** A bar on a terminal; nothing where standard error is none. */

import { isatty } from 'node:tty';

import type { SingleBar } from 'cli-progress';

import type { ArchiveProgress } from '../policy/archive-options.js';
import { STDERR } from './output.js';

export interface ProgressBar {
  readonly update: (progress: ArchiveProgress) => void;
  /** Takes it off the screen. */
  readonly stop: () => void;
}

const PARTS = 1000;
const MOST_NAME = 30;

/** `name`: of what is unpacked. */
export function makeProgressBar(name: string): ProgressBar | null {
  if (!isatty(STDERR) || process.env['TERM'] === 'dumb') {
    return null;
  }
  let bar: SingleBar | undefined;
  let stopped = false;
  let latest: ArchiveProgress | undefined;
  const show = ({ fraction, entries, bytes }: ArchiveProgress): void => {
    bar?.update(Math.floor(fraction * PARTS), { entries: String(entries), size: (bytes / 2 ** 20).toFixed(1) });
  };
  // Loaded while the cell starts: whoever is not at a terminal never does.
  void import('cli-progress').then(({ default: { SingleBar: Bar, Presets } }) => {
    if (!stopped) {
      const shown = name.replaceAll(/\p{C}/gu, '?').slice(0, MOST_NAME);
      const format = `${shown.replaceAll(/[{}]/gu, '?')} [{bar}] {percentage}%  {entries} entries, {size} MiB`;
      bar = new Bar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: true }, Presets.legacy);
      bar.start(PARTS, 0, { entries: '0', size: '0.0' });
      if (latest !== undefined) {
        show(latest);
      }
    }
  });
  return {
    update: (progress) => {
      latest = progress;
      show(progress);
    },
    stop: () => {
      stopped = true;
      bar?.stop();
    },
  };
}
