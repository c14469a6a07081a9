/** The tree of commands. */

import { readFileSync } from 'node:fs';
import { isatty } from 'node:tty';

import { Command, type CommanderError } from 'commander';

import { makeCompletionCommand } from './completion.js';
import { makeExtractCommand } from './extract.js';
import { makeImageCommand } from './image.js';
import { STDERR, STDOUT, write } from './output.js';
import { makeProbeCommand } from './probe.js';
import { makeRunCommand } from './run.js';
import { makeSeccompCommand } from './seccomp.js';

const DEFAULT_WIDTH = 100;

/** `finish` gets the exit status of the command that was carried out. Throws CommanderError instead of ending this process. */
export function makeProgram(finish: (status: number) => void): Command {
  const program = new Command('cloister')
    .description('Runs programs in cells: Linux namespaces, Landlock, seccomp and limits.')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        write(STDOUT, text);
      },
      writeErr: (text) => {
        write(STDERR, text);
      },
      // Told by main, in the form that all errors have.
      outputError: () => undefined,
      getOutHelpWidth: () => helpWidth(STDOUT),
      getErrHelpWidth: () => helpWidth(STDERR),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  makeRunCommand(program.command('run'), finish);
  makeProbeCommand(program.command('probe'), finish);
  makeExtractCommand(program.command('extract'), finish);
  makeImageCommand(program.command('image'), finish);
  makeSeccompCommand(program.command('seccomp'), finish);
  makeCompletionCommand(program.command('completion'), program);
  const version = packageVersion();
  for (const command of [program, ...program.commands.flatMap((each) => [each, ...each.commands])]) {
    command.version(version, '-V, --version', 'print the version').helpOption('-h, --help', 'print this help');
  }
  return program;
}

// process.stdout is asked for a terminal only: it would make a pipe non-blocking.
function helpWidth(descriptor: number): number {
  return isatty(descriptor) && process.stdout.isTTY ? process.stdout.columns : DEFAULT_WIDTH;
}

function packageVersion(): string {
  // lib/cli and dist/cli are at the same depth.
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  return version;
}

/** The message of a mistake in the command line, without what the library puts before it. */
export function describeUsageError({ message }: CommanderError): string {
  const [first = '', ...more] = message.replace(/^error: /u, '').split('\n');
  return [first, ...more.map((line) => `  ${line.replace(/^\((.*)\)$/u, '$1').replace(/^Did/u, 'did')}`)].join('\n');
}
