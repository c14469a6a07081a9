#!/usr/bin/env node
/** The command `cloister`. */

import { CommanderError } from 'commander';

import { NOT_STARTED, USAGE } from './exit-status.js';
import { joinJsonDescriptor } from './json-descriptor.js';
import { say } from './output.js';
import { describeUsageError, makeProgram } from './program.js';
import { describeError } from './report.js';

async function main(args: readonly string[]): Promise<number> {
  let status = 0;
  const program = makeProgram((result) => {
    status = result;
  });
  const [name = '', ...rest] = args;
  const command = program.commands.find((candidate) => candidate.name() === name);
  const isRun = command !== undefined && name === 'run';
  try {
    await program.parseAsync(isRun ? [name, ...joinJsonDescriptor(command, rest)] : args, { from: 'user' });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      throw error;
    }
    if (error.exitCode === 0) {
      return 0;
    }
    // Without any command the library has printed the help.
    if (error.code !== 'commander.help') {
      say(`${describeUsageError(error)}\n  hint: see cloister ${command === undefined ? '' : `${name} `}--help`);
    }
    return isRun ? NOT_STARTED : USAGE;
  }
}

try {
  // Ended here rather than when the event loop runs dry: a terminal that is still read from would keep it going.
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  say(describeError(error));
  process.exit(NOT_STARTED);
}
