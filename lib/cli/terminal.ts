/** The bridge between the terminal that cloister was started on and the one that the command has. */

import type { Readable } from 'node:stream';

import type { IsolatedProcess } from '../policy/types.js';
import type { TerminalHooks } from './signals.js';

/** Where no terminal tells: what terminals have had since they were made of glass. */
const DEFAULT_SIZE = { columns: 80, rows: 24 };

export function terminalSize(): { columns: number; rows: number } {
  const { stdout } = process;
  // A terminal that nobody has told its size says 0.
  return stdout.isTTY && stdout.columns > 0 && stdout.rows > 0
    ? { columns: stdout.columns, rows: stdout.rows }
    : DEFAULT_SIZE;
}

/**
 * Keys go in as they are, so that the terminal inside makes of Ctrl-C and Ctrl-Z what its own settings say; output comes out as it is. An end of input that is
 * no terminal is typed as Ctrl-D.
 */
export function bridgeTerminal(child: IsolatedProcess): TerminalHooks {
  const { stdin, stdout } = process;
  const setRaw = (raw: boolean): void => {
    if (stdin.isTTY) {
      stdin.setRawMode(raw);
    }
  };
  setRaw(true);
  if (child.stdin !== null) {
    stdin.pipe(child.stdin);
  }
  bridgeOutput(child);
  stdout.on('resize', () => {
    const { columns, rows } = terminalSize();
    child.resize?.(columns, rows);
  });
  child.once('close', () => {
    setRaw(false);
  });
  return {
    beforeStop: () => {
      setRaw(false);
    },
    afterStop: () => {
      setRaw(true);
    },
  };
}

/** What the command writes to its pipes or its terminal comes out here. */
export function bridgeOutput(child: IsolatedProcess): void {
  for (const [from, to] of bridgedStreams(child)) {
    from.pipe(to, { end: false });
    // Nobody reads any more: the command is to notice as it would without cloister, by SIGPIPE, or by SIGHUP of a terminal that is gone.
    to.once('error', () => from.destroy());
  }
}

/** Once all of it is written. */
export async function flushOutput(child: IsolatedProcess): Promise<void> {
  for (const [, to] of bridgedStreams(child)) {
    if (!to.destroyed) {
      await new Promise<void>((resolve) => {
        to.write('', () => {
          resolve();
        });
      });
    }
  }
}

/** process.stdout and process.stderr are looked at only where they are needed: see output.ts. */
function bridgedStreams({ stdout, stderr }: IsolatedProcess): [from: Readable, to: NodeJS.WriteStream][] {
  return [
    ...(stdout === null ? [] : [[stdout, process.stdout] satisfies [Readable, NodeJS.WriteStream]]),
    ...(stderr === null ? [] : [[stderr, process.stderr] satisfies [Readable, NodeJS.WriteStream]]),
  ];
}
