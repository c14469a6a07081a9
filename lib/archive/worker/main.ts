/**
 * The program in the cell. It reads one archive, which is its standard input, writes below one directory, and tells on standard output what it does. It may be
 * taken over by what it reads: nothing that it says or leaves behind is believed.
 */

import { statSync } from 'node:fs';

import type { ArchiveFormat } from '../../policy/archive-options.js';
import { ARCHIVE_DESCRIPTOR, type Failure, OUTPUT, type Task } from '../messages.js';
import { showName } from '../names.js';
import { Admission } from './admission.js';
import { ArchiveFile } from './archive-file.js';
import { Budget } from './budget.js';
import { decompress } from './decompress.js';
import { detectFormat } from './detect.js';
import { unpackLayers } from './layers.js';
import { Lister } from './lister.js';
import { PartsWriter } from './parts.js';
import { Refusal } from './refusal.js';
import { Reporter } from './reporter.js';
import { readTar } from './tar.js';
import { TreeWriter } from './tree-writer.js';
import { readZip } from './zip.js';

type Sink = TreeWriter | PartsWriter | Lister;

const reporter = new Reporter();

async function main(task: Task): Promise<void> {
  if (task.place !== null) {
    process.chdir(OUTPUT);
    assertPlace(task.place);
  }
  if (task.image !== undefined) {
    process.umask(0);
    reporter.last(await unpackLayers(task, task.image, reporter));
    return;
  }
  const archive = new ArchiveFile(ARCHIVE_DESCRIPTOR);
  const budget = new Budget(task.limits, archive.size);
  const admission = new Admission(
    (path, other) => {
      reporter.warning(path, `differs from ${showName(other)} only in case or in how accents are written`);
    },
    (directories) => {
      budget.implied(directories);
    },
  );
  const sink = makeSink(task, admission);
  const format = task.format === 'auto' ? detectFormat(archive) : task.format;
  await read(format, archive, sink, budget);
  sink.finish();
  reporter.last({ type: 'done', format, entries: sink.entries, bytes: sink.bytes });
}

function makeSink({ mode, onUnsafe, umask }: Task, admission: Admission): Sink {
  if (mode === 'list') {
    return new Lister(admission, reporter);
  }
  process.umask(umask);
  const writer = new TreeWriter(admission, reporter, { skipUnsafe: onUnsafe === 'skip', umask });
  return mode === 'parts' ? new PartsWriter(writer) : writer;
}

/**
 * Looked at before a byte of the archive is. Somebody who may write beside the destination could have exchanged the directory while the cell was being made, for a
 * symbolic link to any that the caller may write to.
 */
function assertPlace(place: string): void {
  const { dev, ino } = statSync('.', { bigint: true });
  if (`${dev}:${ino}` !== place) {
    throw new Refusal('system', 'the directory beside the destination was exchanged for another one');
  }
}

async function read(format: ArchiveFormat, archive: ArchiveFile, sink: Sink, budget: Budget): Promise<void> {
  const progress = (part: number): void => {
    reporter.progress(sink.seen, sink.bytes, archive.size === 0 ? 1 : part / archive.size);
  };
  if (format === 'zip') {
    await readZip(archive, sink, budget, progress);
  } else {
    await readTar(decompress(archive, format), sink, budget, () => {
      progress(archive.position);
    });
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof Refusal) {
    const entry = error.entry === undefined ? undefined : showName(error.entry);
    return { type: 'failed', kind: error.kind, message: showName(error.message), entry };
  }
  if (error instanceof Error && 'syscall' in error && 'errno' in error) {
    const { syscall, errno, message } = error as NodeJS.ErrnoException;
    return { type: 'failed', kind: 'system', message: showName(message), errno, syscall };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { type: 'failed', kind: 'system', message: `BUG: ${message}, please report` };
}

try {
  await main(JSON.parse(process.argv[2] ?? '') as Task);
} catch (error) {
  reporter.last(failureOf(error));
}
// Streams of a parser that was given up may still wait for data that never comes.
process.exit(0);
