/** `cloister probe`: what this machine can enforce. */

import { isatty } from 'node:tty';

import type { Command } from 'commander';

import { probe } from '../host/probe.js';
import { STDOUT, write } from './output.js';
import { describeProbe, type Paint, plain } from './probe-table.js';

const NO_CELLS = 1;

export function makeProbeCommand(command: Command, finish: (status: number) => void): Command {
  return command
    .description('tell what this machine can enforce, and the mend for what it cannot')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExit status: 0 when cells work here, by whichever backend, 1 when they do not.')
    .action(async ({ json }: { json?: true }) => {
      const support = probe();
      write(
        STDOUT,
        json === true ? `${JSON.stringify(support, null, 2)}\n` : describeProbe(support, await paintFor(STDOUT)),
      );
      finish(support.backends.length > 0 ? 0 : NO_CELLS);
    });
}

/** Colours on a terminal that has them, unless NO_COLOR asks for none; FORCE_COLOR asks for them anywhere. */
async function paintFor(descriptor: number): Promise<Paint> {
  const { NO_COLOR = '', FORCE_COLOR = '', TERM } = process.env;
  const wanted = NO_COLOR === '' && (FORCE_COLOR !== '' || (isatty(descriptor) && TERM !== 'dumb'));
  if (!wanted) {
    return plain;
  }
  const { green, red, yellow, bold } = (await import('picocolors')).default.createColors(true);
  return { good: green, bad: red, partly: yellow, title: bold };
}
