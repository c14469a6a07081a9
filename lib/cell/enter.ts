/** enterCell: this very program, run again inside a cell. */

import { mkdirSync, readlinkSync } from 'node:fs';

import { CloisterError, unsupported } from '../errors.js';
import { loadNative } from '../native/binding.js';
import { encodePlan } from '../native/encode.js';
import type { CloisterAddon, ConfirmedState } from '../native/functions.js';
import type { Enforcement, IsolationPolicy } from '../policy/types.js';
import { confirmedEnforcement, type Expectation, expectationOf, shortfalls } from './enforcement.js';
import { localStartError } from './failure.js';
import { type CellStart, prepareEntry } from './prepare.js';

/** What descriptor 3 of the program inside says (native/wire/proof.h). */
interface Proof {
  readonly version: number;
  /** Names of the namespaces in which the call was made: `mnt:[4026531841]` (namespaces(7)). */
  readonly outside: Readonly<Record<string, string>>;
  readonly expected: Expectation;
  readonly enforcement: Enforcement;
}

const PROOF_VERSION = 2;
const EVALUATES = new Set(['-e', '--eval', '-p', '--print', '-pe']);

const SHOWN_BY_DEFAULT = '/usr/';

/**
 * Runs this program again, from its beginning, inside a cell, and returns only there. For what a multi-threaded process cannot do to itself:
 * namespaces, a root of its own, limits. Call it first, before anything is opened or started: outside nothing goes on. All threads, cells and
 * descriptors above 2 of this process are gone then, `exit` listeners do not run; its child processes go on.
 *
 * What remains outside is a small process with the same number. It passes signals on to the program in the cell and ends as that ends; killed, it
 * takes the cell along. The statuses 124 to 127 and the line on standard error are those of `cloister run`.
 *
 * The policy is that of a cell: the program's files have to be named in it (the defaults show `/usr`), `env` and `cwd` as well. The executable of
 * Node.js is shown in any case. Descriptors 0 to 2 stay what they are.
 *
 * @param policy - As for spawnIsolated. `limits.output` cannot be held here.
 * @returns What is in force, compared with what the kernel says of this process.
 * @throws ERR_CLOISTER_POLICY; ERR_CLOISTER_UNSUPPORTED for what this machine cannot enforce, for a program that was not read from a file, and
 * after restrictSelf; ERR_CLOISTER_SETUP where the launcher cannot be executed, or where the cell is not what it should be.
 * @see namespaces(7), execve(2)
 */
export function enterCell(policy: IsolationPolicy): Enforcement {
  const { addon, launcherPath } = loadNative();
  const proof = cellProof(addon, launcherPath);
  if (proof !== null) {
    return inside(proof.text, proof.confirmed);
  }
  const { handledFs, filters } = addon.landlockState();
  if (handledFs !== 0 || filters !== 0) {
    throw unsupported('enterCell after restrictSelf', 'a restricted process can make no cell', 'call it first');
  }
  const start = prepareEntry(process.execPath, programArguments(), withExecutable(policy));
  try {
    for (const directory of start.workDirectories) {
      mkdirSync(directory, { mode: 0o700, recursive: true });
    }
    return addon.enterCell(launcherPath, encodePlan(start.plan, start.filter, start.descriptions), makeProof(start));
  } catch (error) {
    throw localStartError(process.execPath, error, launcherPath);
  }
}

/** Where Node.js lies elsewhere than a cell shows by itself, it is shown too: nothing could run without it. */
function withExecutable(policy: IsolationPolicy): IsolationPolicy {
  const { execPath } = process;
  const unveil: unknown = (policy as Partial<IsolationPolicy> | null | undefined)?.unveil ?? {};
  return execPath.startsWith(SHOWN_BY_DEFAULT) || typeof unveil !== 'object' || Array.isArray(unveil)
    ? policy
    : { ...policy, unveil: { [execPath]: 'rx', ...unveil } };
}

function programArguments(): string[] {
  const [, file] = process.argv;
  if (!process.execArgv.some((word) => EVALUATES.has(word)) && (file === undefined || file === '-')) {
    throw unsupported(
      'enterCell in a program that was read from standard input',
      'what was read is gone and cannot be run again',
      'put the program into a file',
    );
  }
  return [...process.execArgv, ...process.argv.slice(1)];
}

function cellProof(addon: CloisterAddon, launcherPath: string): ReturnType<CloisterAddon['cellProof']> {
  try {
    return addon.cellProof();
  } catch (error) {
    throw localStartError(process.execPath, error, launcherPath);
  }
}

function makeProof({ plan, filter, expected: enforcement }: CellStart): Uint8Array {
  const outside = Object.fromEntries(enforcement.namespaces.map((name) => [name, namespaceOf(name)]));
  const proof: Proof = { version: PROOF_VERSION, outside, expected: expectationOf(plan, filter), enforcement };
  return Buffer.from(JSON.stringify(proof));
}

function namespaceOf(name: string): string {
  return readlinkSync(`/proc/self/ns/${name === 'mount' ? 'mnt' : name}`);
}

/** That the proof tells of this process, its namespaces say; what is in force, the kernel has said just before the program began. */
function inside(text: Uint8Array, confirmed: ConfirmedState): Enforcement {
  const { version, outside, expected, enforcement } = JSON.parse(Buffer.from(text).toString()) as Proof;
  if (version !== PROOF_VERSION) {
    throw notConfirmed([`proof of version ${String(version)}`]);
  }
  const shared = Object.entries(outside).filter(([name, value]) => namespaceOf(name) === value);
  const missing = [...shared.map(([name]) => `${name} namespace`), ...shortfalls(expected, confirmed)];
  if (missing.length > 0) {
    throw notConfirmed([...new Set(missing)]);
  }
  return confirmedEnforcement(enforcement, confirmed);
}

function notConfirmed(missing: readonly string[]): CloisterError {
  return new CloisterError(`cannot enter a cell: the kernel does not confirm ${missing.join(', ')}`, { stage: 'exec' });
}
