/** From a call with an image as root to a cell. */

import { throwIfAborted } from '../cell/abort.js';
import { cellChannel } from '../cell/channel.js';
import { type CellStart, decide } from '../cell/prepare.js';
import { CellProcess } from '../cell/process.js';
import { CloisterError } from '../errors.js';
import { hostInfo } from '../host/probe.js';
import type { ImageCall, ImageFound } from '../policy/image-defaults.js';
import { parsePolicyFile } from '../policy/parse.js';
import type { RunRequest } from '../policy/valid.js';
import { resolveUser } from './accounts.js';
import { acquireImage } from './acquire.js';
import { defaultCache, type Lease } from './cache.js';
import { imageError } from './errors.js';
import { makeView, type TreeView } from './view.js';

/** A cell that is decided and not started; the tree stays until `release`. */
export interface ImageStart {
  readonly start: CellStart<RunRequest>;
  readonly release: () => Promise<void>;
}

/** @throws what acquireImage throws, and what Planner.compile throws. */
export async function prepareImage(call: ImageCall, signal: AbortSignal | undefined): Promise<ImageStart> {
  const { image, reference } = call;
  const cache = defaultCache();
  const lease = await acquireImage({ image, reference, signal }, cache);
  let view: TreeView;
  try {
    const { overlay, asRoot } = hostInfo().features;
    view = await makeView(lease, cache, overlay || asRoot?.overlay === true);
  } catch (error) {
    lease.release();
    throw error;
  }
  try {
    const start = decide(call.complete(findings(image, lease, view)));
    const found = { digest: lease.record.digest, view: view.kind };
    return { start: { ...start, expected: { ...start.expected, image: found } }, release: view.release };
  } catch (error) {
    await view.release();
    throw error;
  }
}

/** As prepareImage, and started: the tree is let go when nothing of the cell is left. */
export async function startImage(
  call: ImageCall,
  signal: AbortSignal | undefined,
): Promise<{ child: CellProcess; request: RunRequest }> {
  const { start, release } = await prepareImage(call, signal);
  let child: CellProcess;
  try {
    throwIfAborted(signal);
    child = new CellProcess(start, cellChannel());
  } catch (error) {
    await release();
    throw error;
  }
  const over = (): void => {
    // The outcome is told already; what is left of a copy goes with the next sweep, once this process has ended.
    release().catch((error: unknown) => {
      process.emitWarning(
        `the copy of ${call.image} cannot be removed: ${(error as Error).message}`,
        'CloisterWarning',
      );
    });
  };
  child.outcome.then(over, over);
  return { child, request: start.request };
}

function findings(image: string, { root, record }: Lease, { directory, kind }: TreeView): ImageFound {
  const { entrypoint, command, environment, workingDirectory, user } = record.config;
  const cwd = workingDirectory === '' ? null : workingDirectory;
  refuseInvalid(image, environment, cwd, [...entrypoint, ...command]);
  const ids = resolveUser(root, user);
  if ('problem' in ids) {
    throw imageError(image, ids.problem);
  }
  return {
    directory,
    writable: kind === 'copy' ? true : 'discard',
    entrypoint,
    command,
    environment,
    workingDirectory: cwd,
    user: ids.value,
  };
}

/** What the policy's own schema would not take is the image's fault, and not the caller's. */
function refuseInvalid(
  image: string,
  env: Readonly<Record<string, string>>,
  cwd: string | null,
  words: readonly string[],
): void {
  if (words.some((word) => word.includes('\0'))) {
    throw imageError(image, 'its command has a NUL in it');
  }
  try {
    parsePolicyFile(cwd === null ? { env } : { env, cwd });
  } catch (error) {
    if (error instanceof CloisterError && error.issues !== undefined) {
      const problems = error.issues.map(({ path, message }) => `${path} ${message}`);
      throw imageError(image, `its configuration is none that a program can start with: ${problems.join('; ')}`, error);
    }
    throw error;
  }
}
