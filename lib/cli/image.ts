/** `cloister image`: what is in the cache of unpacked images, and the way out of it. */

import { type Command, CommanderError } from 'commander';

import type { ImageCache } from '../image/cache.js';
import type { ImageRecord } from '../image/record.js';
import { CloisterError } from '../errors.js';
import { NOT_STARTED, USAGE } from './exit-status.js';
import { describeImage, describeImages, type ListedImage } from './image-table.js';
import { say, STDOUT, write } from './output.js';
import { describeError, errorToJson, toJson } from './report.js';

interface Options {
  readonly json?: true;
}
interface PruneOptions extends Options {
  readonly all?: true;
}

/** Some is in use and stays. */
const IN_USE = 1;
const DAY_MS = 86_400_000;
/** Without names and without --all: what nobody has unpacked for so long. */
const OLD_MS = 30 * DAY_MS;

const EXPLANATION = `
NAME is the name that 'cloister image list' prints, or the beginning of one, or a name of the image itself.

Exit status: 0; 1 when something that was to be removed is in use and stays; 2 when the command line is wrong or there is no such image; 125 when the cache cannot be used.

Examples:
  cloister image list
  cloister image inspect example:latest
  cloister image prune --all`;

/** Completes a command that has its name; `finish` gets the exit status. */
export function makeImageCommand(command: Command, finish: (status: number) => void): Command {
  const on = (action: (cache: ImageCache) => Promise<number>, { json }: Options): Promise<void> =>
    guarded(action, json === true).then(finish);
  const json = ['--json', 'as a line of JSON'] as const;
  command
    .description('list, look into and remove images that were unpacked for cells')
    .addHelpText('after', EXPLANATION)
    .helpCommand(false);
  command
    .command('list')
    .description('tell which images are in the cache')
    .option(...json)
    .action(async (options: Options) => {
      await on((cache) => Promise.resolve(list(cache, options)), options);
    });
  command
    .command('inspect')
    .description('tell what an image says, and what was left out of it')
    .argument('<name>')
    .option(...json)
    .action(async (name: string, options: Options) => {
      await on((cache) => Promise.resolve(inspect(cache, name, options)), options);
    });
  command
    .command('prune')
    .description('remove images that no cell uses: those named, or without a name those unpacked 30 days ago or more')
    .argument('[name...]')
    .option('--all', 'all that no cell uses')
    .option(...json)
    .action(async (names: string[], options: PruneOptions) => {
      if (options.all === true && names.length > 0) {
        throw new CommanderError(USAGE, 'cloister.conflict', 'error: names cannot be used with --all');
      }
      await on((cache) => prune(cache, names, options), options);
    });
  return command;
}

async function guarded(action: (cache: ImageCache) => Promise<number>, json: boolean): Promise<number> {
  try {
    const { defaultCache } = await import('../image/cache.js');
    return await action(defaultCache());
  } catch (error) {
    say(describeError(error));
    if (json) {
      write(STDOUT, errorToJson(error));
    }
    return error instanceof CloisterError && error.code === 'ERR_CLOISTER_POLICY' ? USAGE : NOT_STARTED;
  }
}

function listed(cache: ImageCache): ListedImage[] {
  return cache.names().map((name) => ({ name, inUse: cache.inUse(name), record: cache.record(name) }));
}

function list(cache: ImageCache, { json }: Options): number {
  const images = listed(cache);
  write(STDOUT, json === true ? toJson(images.map(toPlain)) : describeImages(images));
  return 0;
}

function inspect(cache: ImageCache, name: string, { json }: Options): number {
  const [image, another] = matching(listed(cache), name);
  if (image === undefined || another !== undefined) {
    throw unknown(name, image === undefined ? 'is none in the cache' : 'is more than one; say more of its name');
  }
  write(STDOUT, json === true ? toJson(toPlain(image)) : describeImage(image));
  return 0;
}

async function prune(cache: ImageCache, names: readonly string[], { all, json }: PruneOptions): Promise<number> {
  const images = listed(cache);
  const wanted =
    names.length > 0 ? names.flatMap((name) => known(images, name)) : images.filter((image) => isOld(image, all));
  // What processes that are no more have left aside, too.
  if (images.length > 0) {
    cache.open();
    await cache.sweep();
  }
  const removed: string[] = [];
  const kept: string[] = [];
  for (const { name } of new Set(wanted)) {
    ((await cache.remove(name)) ? removed : kept).push(name);
  }
  if (removed.length > 0) {
    cache.forgetSources();
  }
  if (json === true) {
    write(STDOUT, toJson({ removed, kept }));
  } else {
    write(STDOUT, removed.map((name) => `removed ${name}\n`).join(''));
    kept.forEach((name) => {
      say(`${name} is in use`);
    });
  }
  return kept.length > 0 ? IN_USE : 0;
}

/** A damaged record says nothing that would be worth keeping it. */
function isOld({ record }: ListedImage, all: true | undefined): boolean {
  return all === true || record === null || Date.now() - record.created >= OLD_MS;
}

function known(images: readonly ListedImage[], name: string): ListedImage[] {
  const found = matching(images, name);
  if (found.length === 0) {
    throw unknown(name, 'is none in the cache');
  }
  return found;
}

function matching(images: readonly ListedImage[], name: string): ListedImage[] {
  return images.filter(
    (image) =>
      (name !== '' && image.name.startsWith(name)) ||
      image.record?.names.includes(name) === true ||
      image.record?.digest === name,
  );
}

function unknown(name: string, problem: string): CloisterError {
  return new CloisterError(`the image ${name} ${problem}`, {
    code: 'ERR_CLOISTER_POLICY',
    hint: 'cloister image list tells those that are',
  });
}

function toPlain({ name, inUse, record }: ListedImage): Partial<ImageRecord> & { name: string; inUse: boolean } {
  return { name, inUse, ...record };
}
