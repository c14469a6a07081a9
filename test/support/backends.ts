/** Every way to build a cell that works here, for each user that tests run as. */

import { deedsProgram, parseResults, type Results } from './deeds.js';
import { inSubprocess, type User, USERS } from './in-subprocess.js';
import type { RunOptions } from '../../lib/index.js';

export type BackendName = NonNullable<Exclude<RunOptions['backend'], 'auto'>>;

export interface Combination {
  user: User;
  backend: BackendName;
}

/** Which of them exist depends on the machine: a kernel without user namespaces has others than a container. */
export const COMBINATIONS: readonly Combination[] = (
  await Promise.all(
    USERS.map(async (user) => {
      const backends = await inSubprocess(({ probe }) => probe().backends, { user });
      return backends.map((backend) => ({ user, backend }));
    }),
  )
).flat();

export const of = (...names: BackendName[]): readonly Combination[] =>
  COMBINATIONS.filter(({ backend }) => names.includes(backend));

/** What the deeds come to in a cell of this backend: the program is shown under its own name. */
export async function deedsUnder(
  { user, backend }: Combination,
  deeds: readonly string[],
  options: RunOptions = {},
): Promise<Results> {
  const program = deedsProgram();
  const unveil = { ...options.unveil, [program]: 'rx' };
  const { stdout, exitCode } = await inSubprocess(
    async ({ runIsolated, data }) => {
      const given = data as { program: string; deeds: string[]; options: RunOptions };
      const result = await runIsolated(given.program, given.deeds, given.options);
      return { stdout: String(result.stdout), exitCode: result.exitCode };
    },
    { user, data: { program, deeds, options: { ...options, backend, unveil } } },
  );
  if (exitCode !== 0) {
    throw new Error(`the deeds ended with ${String(exitCode)}: ${stdout}`);
  }
  return parseResults(stdout);
}
