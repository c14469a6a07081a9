/** The layers of an image, unpacked one on top of the other. */

import { createHash } from 'node:crypto';

import { ARCHIVE_DESCRIPTOR, type Done, FIRST_LAYER, type ImageTask, type Task } from '../messages.js';
import { ArchiveFile } from './archive-file.js';
import { Budget } from './budget.js';
import { decompress } from './decompress.js';
import { detectFormat } from './detect.js';
import { ImageTree } from './image-tree.js';
import { LayerWriter } from './layer-writer.js';
import { Refusal } from './refusal.js';
import type { Reporter } from './reporter.js';
import { readTar } from './tar.js';

export async function unpackLayers(task: Task, image: ImageTask, reporter: Reporter): Promise<Done> {
  const files = Array.from(
    { length: image.layers },
    (_, index) => new ArchiveFile(index === 0 ? ARCHIVE_DESCRIPTOR : FIRST_LAYER + index - 1),
  );
  const whole = files.reduce((total, { size }) => total + size, 0);
  const budget = new Budget(task.limits, whole);
  const tree = new ImageTree(() => {
    budget.implied(1);
  });
  const writer = new LayerWriter(tree, reporter, image.below);
  const digests: string[] = [];
  let before = 0;
  for (const [index, file] of files.entries()) {
    writer.nextLayer();
    try {
      digests.push(
        await unpackLayer(file, writer, budget, () => {
          reporter.progress(writer.seen, writer.bytes, whole === 0 ? 1 : (before + file.position) / whole);
        }),
      );
    } catch (error) {
      throw inLayer(error, index, files.length);
    }
    before += file.size;
  }
  makeWorkingDirectory(tree, image, files.length);
  tree.finish();
  return { type: 'done', format: 'tar', ...tree.census(), digests };
}

/** The digest of what the layer decompresses to. */
async function unpackLayer(
  file: ArchiveFile,
  writer: LayerWriter,
  budget: Budget,
  progress: () => void,
): Promise<string> {
  const format = detectFormat(file);
  if (format === 'zip') {
    throw new Refusal('damaged', 'is no tar');
  }
  const hash = createHash('sha256');
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of decompress(file, format as Exclude<typeof format, 'zip'>)) {
      hash.update(chunk);
      yield chunk;
    }
  }
  await readTar(hashed(), writer, budget, progress);
  writer.finish();
  return hash.digest('hex');
}

/** As Docker does: a program that is to start somewhere finds it. Where the layers have put something else there, that is for the start to tell. */
function makeWorkingDirectory(tree: ImageTree, { workingDirectory }: ImageTask, layer: number): void {
  try {
    tree.resolve(workingDirectory.split('/'), layer, workingDirectory);
  } catch (error) {
    if (!(error instanceof Refusal)) {
      throw error;
    }
  }
}

function inLayer(error: unknown, index: number, layers: number): unknown {
  return error instanceof Refusal && layers > 1
    ? new Refusal(error.kind, `${error.message} (layer ${index + 1} of ${layers})`, error.entry)
    : error;
}
