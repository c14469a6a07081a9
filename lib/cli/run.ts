/** `cloister run`: from options to a cell and its end. */

import { type Command, CommanderError } from 'commander';

import { policyError } from '../errors.js';
import type { IsolatedProcess, Outcome, SpawnOptions } from '../policy/types.js';
import { statusOfError, statusOfOutcome } from './exit-status.js';
import { parseJsonDescriptor } from './json-descriptor.js';
import { say, STDERR, STDOUT, write } from './output.js';
import { PolicyDraft, type PolicyOptions } from './policy-draft.js';
import {
  describeEnd,
  describeError,
  describeMissing,
  describeUsage,
  errorToJson,
  type OriginOf,
  toJson,
} from './report.js';
import { addRunOptions } from './run-options.js';
import { forwardSignals } from './signals.js';
import { callersSurroundings, readPolicyFile } from './surroundings.js';
import { bridgeOutput, bridgeTerminal, flushOutput, terminalSize } from './terminal.js';

interface RunOptions extends PolicyOptions {
  readonly pty?: true;
  readonly policy?: string;
  readonly dryRun?: true;
  readonly json?: string;
  readonly quiet?: true;
  readonly summary?: true;
}

interface Call {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: SpawnOptions;
  readonly quiet: boolean;
  readonly summary: boolean;
}

/** `finish` gets the exit status. */
export function makeRunCommand(command: Command, finish: (status: number) => void): Command {
  return addRunOptions(
    command
      .description('run a command in a cell')
      .usage('[options] [--] command [args...]')
      .argument('[command]', 'looked up in the PATH of the cell; may be left out where the root is an image')
      .argument('[args...]')
      // Options behind the command are the command's.
      .passThroughOptions(),
  ).action(async (name: string | undefined, args: string[], options: RunOptions) => {
    const missing = (): never => command.error("error: missing required argument 'command'");
    finish(await run(name ?? missing, args, options));
  });
}

/** `command`: or what to do where the root is not one that names its own. */
async function run(command: string | (() => never), args: readonly string[], options: RunOptions): Promise<number> {
  let json: number | null = null;
  let originOf: OriginOf | undefined;
  try {
    json = jsonDescriptor(options);
    const file = options.policy === undefined ? {} : await readPolicyFile(options.policy);
    const draft = new PolicyDraft(file, options, callersSurroundings());
    originOf = (path) => draft.originOf(path);
    if (draft.issues.length > 0) {
      throw policyError(draft.issues, 'options');
    }
    const { root } = draft.members;
    const isImage = typeof root === 'object' && root !== null && 'image' in root;
    // Validated by spawnIsolated, like the options of any caller.
    const call: Call = {
      command: typeof command === 'string' ? command : isImage ? '' : command(),
      args,
      options: { ...(draft.members as SpawnOptions), ...stdioOptions(options, draft) },
      quiet: options.quiet === true,
      summary: options.summary === true,
    };
    if (options.dryRun === true) {
      await printPlan(call, json);
      return 0;
    }
    const outcome = await carryOut(call);
    if (json !== null) {
      write(json, toJson(outcome));
    }
    return statusOfOutcome(outcome);
  } catch (error) {
    if (error instanceof CommanderError) {
      throw error;
    }
    say(describeError(error, originOf));
    if (json !== null) {
      write(json, errorToJson(error));
    }
    return statusOfError(error);
  }
}

function jsonDescriptor({ json, dryRun }: RunOptions): number | null {
  if (json === undefined) {
    return null;
  }
  const parsed = parseJsonDescriptor(json, dryRun === true ? STDOUT : STDERR);
  if ('problem' in parsed) {
    throw policyError([{ code: 'bad-option', path: `--json ${json}`.trimEnd(), message: parsed.problem }], 'options');
  }
  return parsed.value;
}

/** The command's descriptors are this process's own, unless a terminal is wanted, or output is to be counted, which only pipes allow. */
function stdioOptions({ pty }: RunOptions, { members }: PolicyDraft): Pick<SpawnOptions, 'stdio' | 'pty'> {
  if (pty === true) {
    return { pty: terminalSize() };
  }
  const limits = members['limits'];
  const counted = typeof limits === 'object' && limits !== null && Object.hasOwn(limits, 'output');
  return { stdio: counted ? ['inherit', 'pipe', 'pipe'] : 'inherit' };
}

async function printPlan({ command, args, options, quiet }: Call, json: number | null): Promise<void> {
  const { decide } = await import('../cell/prepare.js');
  const { parseSpawnCall } = await import('../policy/parse.js');
  const { explainPlan, planToJson } = await import('../plan/explain.js');
  const print = ({ plan, expected }: ReturnType<typeof decide>): void => {
    write(json ?? STDOUT, json === null ? explainPlan(plan) : `${planToJson(plan)}\n`);
    remark(quiet, describeMissing(expected));
  };
  const request = parseSpawnCall(command, args, options);
  if (!('image' in request)) {
    print(decide(request));
    return;
  }
  const { prepareImage } = await import('../image/start.js');
  const { start, release } = await prepareImage(request, undefined);
  try {
    print(start);
  } finally {
    await release();
  }
}

/** An image is unpacked first, so that the process object is that of a cell: a terminal is then passed on as it is. */
async function start({ command, args, options }: Call): Promise<IsolatedProcess> {
  const { parseSpawnCall } = await import('../policy/parse.js');
  const request = parseSpawnCall(command, args, options);
  if ('image' in request) {
    const { startImage } = await import('../image/start.js');
    return (await startImage(request, undefined)).child;
  }
  const { decide } = await import('../cell/prepare.js');
  const { cellChannel } = await import('../cell/channel.js');
  const { CellProcess } = await import('../cell/process.js');
  return new CellProcess(decide(request), cellChannel());
}

async function carryOut(call: Call): Promise<Outcome> {
  const child = await start(call);
  const closed = new Promise<void>((resolve) => child.once('close', resolve));
  connect(child, call);
  const outcome = await child.outcome;
  await closed;
  await flushOutput(child);
  remark(call.quiet, [...describeMissing(outcome.enforcement), ...describeEnd(outcome, { ...call.options.limits })]);
  if (call.summary) {
    say(describeUsage(outcome));
  }
  return outcome;
}

function remark(quiet: boolean, remarks: readonly string[]): void {
  if (!quiet) {
    remarks.forEach(say);
  }
}

function connect(child: IsolatedProcess, { options }: Call): void {
  if (options.pty === undefined) {
    bridgeOutput(child);
  }
  forwardSignals(child, options.pty === undefined ? null : bridgeTerminal(child));
}
