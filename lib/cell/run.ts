/** From a process object to a result: run to the end and collect. */

import { finished, pipeline, Readable } from 'node:stream';

import type { Outcome, RunResult } from '../policy/types.js';
import type { RunRequest } from '../policy/valid.js';
import type { CellProcess } from './process.js';

/** Waits for the end of a cell that was just started. Rejects where it could not be, or where `input` is a stream that fails. */
export async function collect(child: CellProcess, request: RunRequest): Promise<RunResult> {
  const { stdout, stderr } = child;
  const output = gather(stdout);
  // Of a terminal both are the one stream.
  const errors = gather(stderr);
  // An abort is told by the outcome's reason.
  child.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => {
      resolve();
    });
  });
  const inputError = feed(request.input, child);
  const outcome: Outcome = await child.outcome;
  await Promise.race([closed, silence([stdout, stderr])]);
  const failed = inputError();
  if (request.input instanceof Readable) {
    // The pipeline does so as well, but only once it has heard of the end: nothing of the call goes on after it.
    request.input.destroy();
  }
  if (failed !== null) {
    throw failed;
  }
  return { ...outcome, stdout: decode(output, request.encoding), stderr: decode(errors, request.encoding) };
}

const TICK_MS = 50;
const SILENT_TICKS = 10;
const MOST_TICKS = 100;

/**
 * The cell is gone, and what it wrote is in the pipes. They end with their last writer, which may be somebody else's process that was sent a descriptor
 * (SCM_RIGHTS): it is not waited for once it is silent, and never long. Each tick is a round of the event loop in which data would have come.
 */
function silence(streams: readonly (Readable | null)[]): Promise<void> {
  return new Promise((resolve) => {
    let silent = 0;
    let ticks = 0;
    for (const stream of streams) {
      stream?.on('data', () => {
        silent = 0;
      });
    }
    const timer = setInterval(() => {
      silent += 1;
      ticks += 1;
      const done = streams.every((stream) => stream?.closed ?? true);
      if (done || silent === SILENT_TICKS || ticks === MOST_TICKS) {
        clearInterval(timer);
        for (const stream of streams) {
          stream?.destroy();
        }
        resolve();
      }
    }, TICK_MS);
    // The streams keep the event loop going for as long as they are open.
    timer.unref();
  });
}

function gather(stream: Readable | null): Buffer[] {
  const chunks: Buffer[] = [];
  stream?.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
  });
  return chunks;
}

function decode(chunks: readonly Buffer[], encoding: BufferEncoding | 'buffer'): string | Buffer {
  const whole = Buffer.concat(chunks);
  return encoding === 'buffer' ? whole : whole.toString(encoding);
}

/** Writes the input and closes it. A command that does not read all of it is its own affair; a stream that fails ends the cell. */
function feed(input: RunRequest['input'], child: CellProcess): () => Error | null {
  let failure: Error | null = null;
  if (input === undefined) {
    child.endInput();
    return () => null;
  }
  const { stdin } = child;
  if (stdin === null) {
    return () => null;
  }
  // EPIPE and the like: the command ended, or closed its standard input.
  stdin.on('error', () => undefined);
  if (!(input instanceof Readable)) {
    stdin.end(input);
    return () => null;
  }
  // Registered before the pipeline, which passes the end of either stream on to the other: the first to fail is heard first.
  finished(input, { writable: false }, (error) => {
    if (error !== null && error !== undefined && !stdin.destroyed) {
      failure = error;
      child.kill('SIGKILL');
    }
  });
  pipeline(input, stdin, () => undefined);
  return () => failure;
}
