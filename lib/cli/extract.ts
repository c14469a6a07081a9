/** `cloister extract`: from options to an unpacked archive, or a list of what is in it. */

import { basename } from 'node:path';

import { type Command, Option } from 'commander';

import type { ExtractOptions, ExtractResult, ListResult } from '../archive/types.js';
import { CloisterError, policyError } from '../errors.js';
import { describeEntries } from './entry-table.js';
import { statusOfExtractError } from './exit-status.js';
import { parseAssignment, parseQuantity } from './grammar.js';
import { say, STDOUT, write } from './output.js';
import { makeProgressBar } from './progress-bar.js';
import { describeError, describeMissing, errorToJson, toJson } from './report.js';

const SUFFIX = /\.(zip|jar|whl|apk|tar|tgz|tbz2?|txz|tzst|tar\.(gz|bz2|xz|zst))$/iu;
const FORMATS = ['auto', 'zip', 'tar', 'tar.gz', 'tar.bz2', 'tar.xz', 'tar.zst'] as const;
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

interface Options {
  readonly directory?: string;
  readonly list?: true;
  readonly format?: (typeof FORMATS)[number];
  readonly limit?: readonly string[];
  readonly onUnsafe?: 'error' | 'skip';
  readonly overwrite?: true;
  readonly json?: true;
  readonly quiet?: true;
}

const EXPLANATION = `
Without -C the archive is unpacked to a directory of its own name, without the ending, in the working directory.

Limits: entries, ratio (numbers); totalSize, fileSize, memory (bytes: 512k, 64MiB, 1.5GB); wallTime (250ms, 5s, 2m).

Exit status: 0 when all is unpacked, or what --on-unsafe skip left of it; 1 when the archive is damaged, unsafe or beyond a limit; 2 when the command line is wrong;
125 when the machine is to blame; 128+n when signal n ended it. Whatever it is but 0, there is nothing at the destination that was not there before.

Examples:
  cloister extract upload.zip
  cloister extract release.tar.xz -C release --limit totalSize=2GiB
  cloister extract --list unknown.bin`;

/** Completes a command that has its name; `finish` gets the exit status. */
export function makeExtractCommand(command: Command, finish: (status: number) => void): Command {
  return command
    .description('unpack an archive that is not trusted: zip, or tar, also with gzip, bzip2, xz or zstd')
    .argument('<archive>', 'a file; its format is told by its content')
    .option('-C, --directory <dir>', 'the directory to make; must not exist, or be empty')
    .option('-l, --list', 'only tell what is in the archive')
    .addOption(new Option('--format <format>', 'what it is, where that is not to be guessed').choices(FORMATS))
    .option('--limit <name=value>', 'such as totalSize=1GiB, entries=1000; see below', collect)
    .addOption(new Option('--on-unsafe <action>', 'at entries that are not safe').choices(['error', 'skip']))
    .option('--overwrite', 'replace what is at the destination, whatever it is')
    .option('--json', 'the result, or the error, as a line of JSON on standard output')
    .option('-q, --quiet', 'only errors: no progress bar, no remarks')
    .addHelpText('after', EXPLANATION)
    .action(async (archive: string, options: Options) => {
      finish(await extract(archive, options));
    });
}

function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

async function extract(archive: string, options: Options): Promise<number> {
  const abort = new AbortController();
  const ended: { by: NodeJS.Signals | null } = { by: null };
  for (const signal of ENDING_SIGNALS) {
    process.once(signal, () => {
      ended.by ??= signal;
      abort.abort();
    });
  }
  const bar = options.quiet === true || options.json === true ? null : makeProgressBar(basename(archive));
  try {
    const given = { ...callOptions(options), signal: abort.signal, onProgress: bar?.update } as ExtractOptions;
    if (options.list === true) {
      const { listArchive } = await import('../archive/list.js');
      const result = await listArchive(archive, given);
      bar?.stop();
      tellList(result, options);
    } else {
      const { extractArchive } = await import('../archive/extract.js');
      const result = await extractArchive(archive, options.directory ?? destinationOf(archive), given);
      bar?.stop();
      tellResult(result, options);
    }
    return 0;
  } catch (error) {
    bar?.stop();
    if (ended.by === null) {
      say(describeError(error, (path) => originOf(path, options)));
      if (options.json === true) {
        write(STDOUT, errorToJson(error));
      }
    }
    return statusOfExtractError(error, ended.by);
  }
}

/** Members as written: validated with the rest by extractArchive. */
function callOptions({ list, format, limit = [], onUnsafe, overwrite }: Options): ExtractOptions {
  const limits: Record<string, number | string> = {};
  for (const text of limit) {
    const parsed = parseAssignment(text, 'entries=1000');
    if ('problem' in parsed) {
      throw policyError([{ code: 'bad-option', path: `--limit ${text}`, message: parsed.problem }], 'options');
    }
    limits[parsed.value.name] = parseQuantity(parsed.value.value);
  }
  const common = { ...(format === undefined ? {} : { format }), limits };
  return list === true
    ? common
    : { ...common, ...(onUnsafe === undefined ? {} : { onUnsafe }), overwrite: overwrite === true };
}

function destinationOf(archive: string): string {
  const name = basename(archive);
  const destination = name.replace(SUFFIX, '');
  if (destination === name || destination === '') {
    throw new CloisterError(`cannot tell a destination from the name ${name}`, {
      code: 'ERR_CLOISTER_POLICY',
      issues: [{ code: 'missing', path: 'destination', message: 'name it with -C' }],
    });
  }
  return destination;
}

function originOf(path: string, { directory }: Options): string | undefined {
  const limit = /^limits\.(\w+)$/u.exec(path)?.[1];
  if (limit !== undefined) {
    return `--limit ${limit}`;
  }
  return path === 'destination' && directory !== undefined ? '-C' : undefined;
}

function tellList(result: ListResult, { json, quiet }: Options): void {
  write(STDOUT, json === true ? toJson(result) : describeEntries(result.entries));
  if (quiet !== true) {
    [...result.warnings.map(remark), ...describeMissing(result.enforcement)].forEach(say);
  }
}

function tellResult(result: ExtractResult, { json, quiet }: Options): void {
  if (json === true) {
    write(STDOUT, toJson(result));
  }
  if (quiet !== true) {
    result.skipped.forEach((entry) => {
      say(`skipped ${remark(entry)}`);
    });
    [...result.warnings.map(remark), ...describeMissing(result.enforcement)].forEach(say);
  }
}

function remark({ path, reason }: { path: string; reason: string }): string {
  return `${path}: ${reason}`;
}
