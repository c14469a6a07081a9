/**
 * Runs a piece of a test in a process of its own: what it does to that process cannot be undone, and what it leaves behind shows.
 * As root every piece runs twice, as root and as a user without privileges.
 */

import { execFileSync, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { TestContext } from './subprocess-context.js';

export type { TestContext } from './subprocess-context.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RUNNER = fileURLToPath(new URL('run-body.mjs', import.meta.url));
const NOBODY = 65534;
/** How many times slower than usual the machine is said to be: 20 for one that is emulated. Only patience depends on it. */
const SLOWNESS = Number(process.env['CLOISTER_SLOWNESS'] ?? 1);
const PATIENCE_MS = 25_000 * SLOWNESS;
/** Pieces may run on another version of Node.js than the tests: tools/test-nodes.mjs. */
export const NODE: string = process.env['CLOISTER_TEST_NODE'] ?? process.execPath;
/** Of that one. */
export const NODE_MAJOR = Number(
  (NODE === process.execPath ? process.version : execFileSync(NODE, ['--version'], { encoding: 'utf8' }))
    .slice(1)
    .split('.')[0],
);

/** Whom the pieces run as. */
export type User = 'root' | 'nobody' | 'caller';
export const USERS: readonly User[] = process.getuid?.() === 0 ? ['root', 'nobody'] : ['caller'];

export interface SubprocessOptions {
  /** Default: the first of USERS. */
  user?: User;
  /** Handed to the piece as `context.data`; JSON. */
  data?: unknown;
  nodeArguments?: readonly string[];
  /** Shell commands before Node.js starts, e.g. `ulimit -n 64`. */
  before?: string;
  environment?: Readonly<Record<string, string>>;
}

/** How a process ended that need not have reported. */
export interface SubprocessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** What the piece returned, parsed; undefined where it did not get so far. */
  result: unknown;
}

/** The piece must not use anything of the file around it: only its text travels. */
export type Body<T> = (context: TestContext) => T | Promise<T>;

/** What the piece returned, through JSON. Rejects when it threw. */
export async function inSubprocess<T>(body: Body<T>, options: SubprocessOptions = {}): Promise<T> {
  const end = await runSubprocess(body, options);
  if (end.code !== 0 || end.result === undefined) {
    throw new Error(`the piece ended with ${String(end.code ?? end.signal)}\n${end.stderr}${end.stdout}`);
  }
  return end.result as T;
}

/** As inSubprocess, for a piece that may end in any way. */
export async function runSubprocess<T>(body: Body<T>, options: SubprocessOptions = {}): Promise<SubprocessEnd> {
  const folder = mkdtempSync('/tmp/cloister-piece-');
  try {
    return await runPiece(body, options, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runPiece<T>(body: Body<T>, options: SubprocessOptions, folder: string): Promise<SubprocessEnd> {
  if ((options.user ?? USERS[0]) === 'nobody') {
    chownSync(folder, NOBODY, NOBODY);
  }
  const [command, args] = commandLine(options);
  const child = spawn(command, [...args, RUNNER, body.toString(), JSON.stringify(options.data ?? null), folder], {
    cwd: ROOT,
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: '/tmp',
      LANG: 'C.UTF-8',
      CLOISTER_SLOWNESS: String(SLOWNESS),
      ...options.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  });
  const [stdout, stderr, report] = child.stdio.slice(1).map((stream) => collect(stream as NodeJS.ReadableStream));
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (...end) => {
      resolve(end);
    });
  });
  const text = (report ?? []).join('');
  return {
    code,
    signal,
    stdout: (stdout ?? []).join(''),
    stderr: (stderr ?? []).join(''),
    result: text === '' ? undefined : (JSON.parse(text) as { value: unknown }).value,
  };
}

function commandLine({ user = USERS[0], nodeArguments = [], before }: SubprocessOptions): [string, string[]] {
  const node = [NODE, ...nodeArguments];
  const shelled = before === undefined ? node : ['sh', '-c', `${before}; exec "$@"`, 'sh', ...node];
  const changed =
    user === 'nobody'
      ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=-all', ...shelled]
      : shelled;
  const [command = '', ...args] = changed;
  return [command, args];
}

function collect(stream: NodeJS.ReadableStream): string[] {
  const chunks: string[] = [];
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => chunks.push(chunk));
  return chunks;
}
