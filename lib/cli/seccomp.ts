/** `cloister seccomp`: the filter compiler on files. */

import { createReadStream, writeFileSync } from 'node:fs';

import { Argument, type Command, InvalidArgumentError, Option } from 'commander';

import { CloisterError, policyError } from '../errors.js';
import { compile } from '../filter/compile.js';
import { explain } from '../filter/explain.js';
import { fromOci, type OciOptions } from '../policy/oci.js';
import type { OciSeccompProfile, SeccompArch, SeccompPolicy } from '../policy/seccomp-types.js';
import { unknownWord } from '../policy/issues.js';
import { hostArch } from '../policy/syscalls/arch.js';
import { ARCHITECTURES } from '../policy/vocabulary.js';
import { cArray } from './seccomp-c.js';
import { say, STDOUT, write } from './output.js';

const REFUSED = 1;
/** In bytes. Docker's profile has 20,000; /dev/zero has no end. */
const LARGEST_FILE = 64 * 1024 * 1024;
/** -1 is what a tracer writes to have a call skipped. */
const NUMBER = /^(-1|\d+|0x[\da-fA-F]+)$/;

interface FileOptions {
  arch?: SeccompArch[];
  kernel?: string;
  capability?: string[];
  argumentWidths?: 'kernel' | '64';
}

/** Completes a command that has its name; `finish` gets the exit status. */
export function makeSeccompCommand(command: Command, finish: (status: number) => void): Command {
  command.description(
    'compile, read, ask and import seccomp filters; FILE is a policy or an OCI profile in JSON, - for standard input',
  );
  // Made by command(): these end and report as their parent does, those of addCommand() by themselves, with a status that means a refused call.
  compileCommand(command.command('compile'), finish);
  disassembleCommand(command.command('disassemble'), finish);
  evaluateCommand(command.command('evaluate'), finish);
  importCommand(command.command('import'), finish);
  return command;
}

const file = (): Argument => new Argument('<file>', 'policy or OCI profile, JSON');

function withInput(command: Command): Command {
  return command
    .addOption(
      new Option('--arch <name>', 'instead of the architectures in the file; may be given several times').argParser(
        collectArch,
      ),
    )
    .option('--kernel <release>', 'for OCI profiles: the kernel that it is for (default: this one)')
    .option(
      '--capability <name>',
      'for OCI profiles: a capability that the program will hold; may be given several times',
      (name: string, before: string[] | undefined) => [...(before ?? []), name],
    )
    .addOption(
      new Option('--argument-widths <widths>', 'for OCI profiles: what ints compare (default: kernel)').choices([
        'kernel',
        '64',
      ]),
    );
}

function compileCommand(command: Command, finish: (status: number) => void): void {
  withInput(command)
    .description('compile to a program: struct sock_filter[] in host byte order, a C array, or text')
    .addArgument(file())
    .addOption(new Option('--format <form>').choices(['bytes', 'c', 'text']).default('text'))
    .option('-o, --output <path>', 'write there instead of standard output')
    .action(async (path: string, options: FileOptions & { format: 'bytes' | 'c' | 'text'; output?: string }) => {
      const program = compile(await readPolicy(path, options));
      const output = {
        bytes: () => program.bytes,
        c: () => cArray(program.bytes),
        text: () => program.disassemble(),
      }[options.format]();
      if (options.output === undefined) {
        print(output);
      } else {
        writeOutput(options.output, output);
      }
      finish(0);
    });
}

function disassembleCommand(command: Command, finish: (status: number) => void): void {
  withInput(command)
    .description('print the compiled program with the names of calls and constants')
    .addArgument(file())
    .action(async (path: string, options: FileOptions) => {
      print(compile(await readPolicy(path, options)).disassemble());
      finish(0);
    });
}

function evaluateCommand(command: Command, finish: (status: number) => void): void {
  withInput(command)
    .description('tell what the filter answers to one call, and which rule decides')
    .addArgument(file())
    .argument('<syscall>', 'name or number')
    .argument('[arguments...]', 'up to six numbers, decimal or 0x...', collectWord, [])
    .addHelpText(
      'after',
      '\nWith --arch the call is one of the first of them. Exit status: 0 when the call passes, 1 when it does not.',
    )
    .action(async (path: string, syscall: string, args: bigint[], options: FileOptions) => {
      const policy = await readPolicy(path, options);
      const arch = policy.architectures?.[0] ?? hostArch() ?? 'x86_64';
      const call = { arch, syscall: NUMBER.test(syscall) ? Number(syscall) : syscall, args };
      const program = compile(policy);
      const { action, executed } = program.evaluate(call);
      const { decidedBy } = explain(policy, call);
      const result = { action, decidedBy, executed, cached: program.isCached(call) };
      print(`${JSON.stringify(result)}\n`);
      finish(action === 'allow' || action === 'log' ? 0 : REFUSED);
    });
}

function importCommand(command: Command, finish: (status: number) => void): void {
  withInput(command)
    .description('translate an OCI profile, such as Docker ships, to a policy')
    .addArgument(file())
    .action(async (path: string, options: FileOptions) => {
      const { skipped = [], ...policy } = await readPolicy(path, options);
      // What is handed on is a policy that compiles.
      compile(policy);
      for (const name of skipped) {
        say(`left out ${name}`);
      }
      print(
        `${JSON.stringify(policy, (_, value: unknown) => (typeof value === 'bigint' ? jsonNumber(value) : value), 2)}\n`,
      );
      finish(0);
    });
}

function collectArch(written: string, before: SeccompArch[] | undefined): SeccompArch[] {
  const names = written.split(',');
  const wrong = names.find((name) => !(ARCHITECTURES as readonly string[]).includes(name));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(`${unknownWord('architecture', wrong, ARCHITECTURES)}: ${ARCHITECTURES.join(', ')}`);
  }
  return [...(before ?? []), ...(names as SeccompArch[])];
}

function collectWord(written: string, before: bigint[]): bigint[] {
  if (!/^-?(\d+|0x[\da-fA-F]+)$/.test(written)) {
    throw new InvalidArgumentError('must be a number');
  }
  return [...before, written.startsWith('-') ? -BigInt(written.slice(1)) : BigInt(written)];
}

/** JSON has no exact numbers beyond 2^53; the upper end of 64 bits can be written as negative ones. */
function jsonNumber(value: bigint): number {
  const number = [value, BigInt.asIntN(64, value)].map(Number).find(Number.isSafeInteger);
  if (number === undefined) {
    throw policyError(
      [{ code: 'out-of-range', path: '', message: `${String(value)} has no exact form in JSON` }],
      'seccomp policy',
    );
  }
  return number;
}

async function readPolicy(path: string, options: FileOptions): Promise<SeccompPolicy & { skipped?: string[] }> {
  const parsed = parseJson(await readText(path), path);
  const { arch, kernel, capability, argumentWidths } = options;
  if (typeof parsed === 'object' && parsed !== null && 'rules' in parsed) {
    const unused = { kernel, capability, 'argument-widths': argumentWidths };
    const issues = Object.entries(unused).flatMap(([name, value]) =>
      value === undefined
        ? []
        : [{ code: 'conflict', path: `--${name}`, message: `is for OCI profiles, and ${path} is a policy` }],
    );
    if (issues.length > 0) {
      throw policyError(issues, 'options');
    }
    return { ...(parsed as SeccompPolicy), ...(arch === undefined ? {} : { architectures: arch }) };
  }
  const oci: OciOptions = { arch: arch?.[0], kernel, capabilities: capability, argumentWidths };
  const policy = fromOci(parsed as OciSeccompProfile, oci);
  return arch === undefined ? policy : { ...policy, architectures: arch };
}

async function readText(path: string): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of path === '-' ? process.stdin : createReadStream(path)) {
      parts.push(part as Buffer);
      size += (part as Buffer).length;
      if (size > LARGEST_FILE) {
        break;
      }
    }
  } catch (error) {
    throw fileError('read', path, error);
  }
  if (size > LARGEST_FILE) {
    const message = `${path} has more than ${String(LARGEST_FILE)} bytes`;
    throw policyError([{ code: 'too-long', path: '', message }], 'seccomp policy');
  }
  return Buffer.concat(parts).toString();
}

function print(output: string | Uint8Array): void {
  try {
    write(STDOUT, output);
  } catch (error) {
    throw fileError('write', 'standard output', error);
  }
}

function writeOutput(path: string, output: string | Uint8Array): void {
  try {
    writeFileSync(path, output);
  } catch (error) {
    throw fileError('write', path, error);
  }
}

function fileError(operation: string, path: string, cause: unknown): CloisterError {
  const { code, errno } = cause as NodeJS.ErrnoException;
  const details = { code: 'ERR_CLOISTER_NOT_FOUND', errno, path, cause } as const;
  return new CloisterError(`cannot ${operation} ${path}: ${code ?? String(cause)}`, details);
}

function parseJson(source: string, path: string): unknown {
  try {
    return JSON.parse(source);
  } catch (error) {
    const message = `${path} is no JSON: ${error instanceof Error ? error.message : String(error)}`;
    throw policyError([{ code: 'bad-text', path: '', message }], 'seccomp policy');
  }
}
