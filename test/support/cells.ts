/** Cells that a test describes as data: many of them run in one process, as the user that the test names. */

import type { Mount, RunOptions, RunResult, Violation } from '../../lib/index.js';
import { deedsProgram, parseResults, type Results } from './deeds.js';
import { inSubprocess, type User } from './in-subprocess.js';
import type { PlainError } from './subprocess-context.js';

export interface CellRun {
  /** Default: the program of deeds. */
  command?: string;
  args?: readonly string[];
  options?: RunOptions;
}

export interface CellResult extends Omit<RunResult, 'stdout' | 'stderr' | 'violations'> {
  violations: (Omit<Violation, 'args'> & { args: string[] })[];
  stdout: string;
  stderr: string;
  /** Parsed from stdout. */
  deeds: Results;
}

/** Where cells find the program of deeds. */
export const DEEDS = '/deeds';

const deedsMount = (): Mount => ({ type: 'bind', source: deedsProgram(), target: DEEDS, executable: true });

/** How each cell ended, or why it could not be started. */
export async function tryCells(user: User, runs: readonly CellRun[]): Promise<(CellResult | PlainError)[]> {
  const data = runs.map(({ command, args = [], options = {} }) => ({
    command: command ?? DEEDS,
    args,
    options: command === undefined ? { ...options, mounts: [...(options.mounts ?? []), deedsMount()] } : options,
  }));
  const results = await inSubprocess(
    async ({ runIsolated, failureOf, data: given }) => {
      const all: unknown[] = [];
      for (const { command, args, options } of given as Required<CellRun>[]) {
        let result: unknown;
        const failure = await failureOf(async () => {
          const { violations, ...rest } = await runIsolated(command, args, options);
          // JSON has no numbers of 64 bits.
          result = { ...rest, violations: violations.map((one) => ({ ...one, args: one.args.map(String) })) };
        });
        all.push(failure ?? result);
      }
      return all;
    },
    { user, data },
  );
  return (results as (CellResult | PlainError)[]).map((result) =>
    'reason' in result ? { ...result, deeds: parseResults(result.stdout) } : result,
  );
}

/** As tryCells, for cells that must start. */
export async function inCells(user: User, runs: readonly CellRun[]): Promise<CellResult[]> {
  const results = await tryCells(user, runs);
  return results.map((result) => {
    if (!('reason' in result)) {
      throw new Error(`a cell was not started: ${JSON.stringify(result)}`);
    }
    return result;
  });
}

/** What the deeds come to in a cell with these options. */
export async function deedsInCell(user: User, deeds: readonly string[], options: RunOptions = {}): Promise<Results> {
  const [result] = await inCells(user, [{ args: deeds, options }]);
  if (result?.exitCode !== 0) {
    throw new Error(`the deeds ended early: ${JSON.stringify(result)}`);
  }
  return result.deeds;
}

/** Why a cell with these options is not started. */
export async function refusal(user: User, options: RunOptions, command?: string): Promise<PlainError> {
  const [result] = await tryCells(user, [command === undefined ? { args: ['ids'], options } : { command, options }]);
  if (result === undefined || 'reason' in result) {
    throw new Error(`the cell was started: ${JSON.stringify(result)}`);
  }
  return result;
}

/** Options for a command of the system: `sh -c SCRIPT`. */
export function shell(script: string, options: RunOptions = {}): CellRun {
  return { command: 'sh', args: ['-c', script], options };
}
