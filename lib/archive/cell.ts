/** The cell that unpacks: what is in it, and what becomes of it. */

import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { aborted, onAbort, reasonOf } from '../cell/abort.js';
import { abortError } from '../cell/failure.js';
import { spawnCell } from '../cell/spawn.js';
import { CloisterError, errnoName, notFound } from '../errors.js';
import type { ArchiveLimits, ArchiveRequest } from '../policy/archive-options.js';
import type { IsolatedProcess, Mount, Outcome, SpawnOptions } from '../policy/types.js';
import { unpackerFilter } from './filter.js';
import type { HeldDirectory } from './held-directory.js';
import { MOST_OUTPUT, OUTPUT, type Report, type Task } from './messages.js';
import { nodeFiles } from './node-files.js';
import { ReportReader } from './report-reader.js';

/** Bundled with its libraries into one file beside this one. */
const PROGRAM = fileURLToPath(new URL('./worker.js', import.meta.url));
const INSIDE = '/unpacker.mjs';

/** Threads of Node.js: its own, V8's, libuv's pool. It starts no process. */
const PROCESSES = 64;
/** Of the private /tmp, which it does not use. */
const SCRATCH = 4096;
const OPEN_FILES = 64;
/** Of `memory`, for V8's heap: the rest is for buffers, WebAssembly and the program itself. */
const HEAP_SHARE = 0.5;
const MEBIBYTE = 2 ** 20;

const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = constants;

/** Opened for reading, and a regular file. The caller closes it. */
export function openArchive(path: string): number {
  let descriptor: number;
  try {
    // Not to wait for a writer where it is a fifo.
    descriptor = openSync(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  } catch (error) {
    const { errno = 0, syscall } = error as NodeJS.ErrnoException;
    if (errnoName(errno) === 'ENOENT' || errnoName(errno) === 'ENOTDIR') {
      throw notFound('cannot read', path, { errno, cause: error });
    }
    throw new CloisterError(`cannot read ${path}: ${errnoName(errno)}`, { errno, syscall, path, cause: error });
  }
  if (!fstatSync(descriptor).isFile()) {
    closeSync(descriptor);
    throw new CloisterError(`cannot read ${path}: it is not a regular file`, { code: 'ERR_CLOISTER_ARCHIVE', path });
  }
  return descriptor;
}

export interface UnpackJob {
  readonly request: ArchiveRequest;
  readonly task: Omit<Task, 'format' | 'limits' | 'place'>;
  readonly archive: number;
  /** Further descriptors, from FIRST_LAYER on. */
  readonly layers?: readonly number[];
  /** Where the cell may write. */
  readonly output: HeldDirectory | null;
  /** It takes names away again: its filter allows that. Default false. */
  readonly removes?: boolean;
  /** Ends the cell: something outside has been seen to go wrong. */
  readonly stop: AbortSignal;
}

export interface Unpacked {
  readonly reports: ReportReader;
  readonly outcome: Outcome;
}

/** Runs the unpacker to its end. @throws AbortError, and what spawnIsolated throws. What the archive is to blame for is in the result. */
export async function runUnpacker(job: UnpackJob): Promise<Unpacked> {
  const { request, task, output } = job;
  const place = output?.identity() ?? null;
  const words: Task = { ...task, place, format: request.format, limits: request.limits };
  const { command } = nodeFiles();
  const heap = Math.max(16, Math.floor((request.limits.memory * HEAP_SHARE) / MEBIBYTE));
  const args = [`--max-old-space-size=${heap}`, '--no-deprecation', INSIDE, JSON.stringify(words)];
  const child = spawnCell(command, args, spawnOptions(job));
  const reports = new ReportReader(request.onProgress);
  const outcome = await follow(child, reports, job);
  if (aborted(request.signal)) {
    throw abortError(reasonOf(request.signal));
  }
  if (reports.listenerError !== undefined) {
    throw reports.listenerError.thrown;
  }
  return { reports, outcome };
}

async function follow(child: IsolatedProcess, reports: ReportReader, { request, stop }: UnpackJob): Promise<Outcome> {
  const kill = (): void => {
    child.kill('SIGKILL');
  };
  // An abort is heard by both: SIGTERM and a grace period are for programs that have something to put in order.
  const signals = [stop, request.signal];
  const endings = signals.map((signal) => onAbort(signal, kill));
  if (signals.some((signal) => aborted(signal))) {
    kill();
  }
  child.stdout?.on('data', (chunk: Buffer) => {
    if (!reports.take(chunk)) {
      kill();
    }
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    reports.takeError(chunk);
  });
  const closed = new Promise((resolve) => child.once('close', resolve));
  try {
    const outcome = await child.outcome;
    await closed;
    return outcome;
  } finally {
    for (const stopListening of endings) {
      stopListening?.();
    }
  }
}

/** Everything that the cell has; what is not named here is not there. */
function spawnOptions({ request, archive, output, layers = [], removes = false }: UnpackJob): SpawnOptions {
  const { files, libraryPath } = nodeFiles();
  const mounts: Mount[] = [{ type: 'bind', source: PROGRAM, target: INSIDE, executable: false }];
  if (output !== null) {
    mounts.push({ type: 'bind', source: output.realPath(), target: OUTPUT, writable: true, executable: false });
  }
  return {
    root: 'empty',
    unveil: Object.fromEntries(files.map((file) => [file, 'rx'])),
    mounts,
    env: { LD_LIBRARY_PATH: libraryPath, TZ: timeZone(), UV_THREADPOOL_SIZE: '1', NODE_DISABLE_COLORS: '1' },
    // The archive is a descriptor: there is no path to it, and it can be read and nothing else.
    stdio: [archive, 'pipe', 'pipe', ...layers],
    seccomp: unpackerFilter(removes),
    limits: { ...limitsOf(request.limits), openFiles: OPEN_FILES + layers.length },
  };
}

function limitsOf({ memory, wallTime, fileSize }: ArchiveLimits): NonNullable<SpawnOptions['limits']> {
  return {
    memory,
    wallTime,
    fileSize,
    output: MOST_OUTPUT,
    processes: PROCESSES,
    scratch: SCRATCH,
  };
}

/** Times in zip archives are local ones. */
function timeZone(): string {
  return process.env['TZ'] ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Of this process. process.umask() without an argument would set it for a moment, for all threads. See proc_pid_status(5). */
export function currentUmask(): number {
  const digits = /^Umask:\s*([0-7]+)/mu.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (digits === undefined) {
    throw new CloisterError('BUG: /proc/self/status tells no umask, please report');
  }
  return Number.parseInt(digits, 8);
}

/** The error of an unpacker that did not end well, or null. */
export function unpackError({ archive }: ArchiveRequest, { reports, outcome }: Unpacked): CloisterError | null {
  const about = (text: string, entry?: string): CloisterError =>
    new CloisterError(`cannot unpack ${archive}: ${entry === undefined ? '' : `${entry}: `}${text}`, {
      code: 'ERR_CLOISTER_ARCHIVE',
      path: entry ?? archive,
    });
  const { last } = reports;
  if (outcome.reason === 'wall-time' || outcome.reason === 'memory') {
    const limit = outcome.reason === 'memory' ? 'memory' : 'wallTime';
    return about(`limits.${limit} is used up`);
  }
  if (reports.problem !== null || outcome.reason === 'output') {
    return about(`the unpacker did not keep to what it may say: ${reports.problem ?? 'too much output'}`);
  }
  if (outcome.reason !== 'exited' || outcome.exitCode !== 0 || last === null) {
    return about(endedEarly(outcome, reports.errorText));
  }
  return last.type === 'failed' ? failedError(about, last) : null;
}

function endedEarly({ signal, exitCode }: Outcome, errorText: string): string {
  // V8 ends with SIGTRAP or SIGABRT where its heap is full.
  const end = signal === null ? `exit code ${String(exitCode)}` : signal;
  return errorText.includes('heap out of memory')
    ? 'limits.memory is used up'
    : `the unpacker ended early (${end})${errorText === '' ? '' : `: ${errorText}`}`;
}

function failedError(
  about: (text: string, entry?: string) => CloisterError,
  { kind, message, entry, errno, syscall }: Report & { type: 'failed' },
): CloisterError {
  if (kind === 'system') {
    return new CloisterError(`cannot unpack: ${message}`, { errno, syscall });
  }
  return about(message, entry);
}
