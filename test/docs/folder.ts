/** A folder as of somebody who has installed cloister, and commands run in it. */

import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT: string = fileURLToPath(new URL('../..', import.meta.url));

/** `nobody` of most systems: owns nothing. */
const UNPRIVILEGED = 65534;
const STEP_TIMEOUT_MS = 60_000;

const isRoot = process.getuid?.() === 0;

/** Whom documentation is tried as. */
export type Caller = 'root' | 'user';
export const CALLERS: readonly Caller[] = isRoot ? ['root', 'user'] : ['user'];

export interface End {
  readonly output: string;
  readonly status: number;
}

export class Folder {
  readonly path: string = mkdtempSync(path.join(tmpdir(), 'cloister-docs-'));
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
    const modules = path.join(this.path, 'node_modules');
    mkdirSync(path.join(modules, '.bin'), { recursive: true });
    symlinkSync(ROOT, path.join(modules, 'cloister'));
    symlinkSync(path.join(ROOT, 'dist/cli/main.js'), path.join(modules, '.bin', 'cloister'));
    // What npx does with a command that is installed, without asking for news of npm.
    writeFileSync(path.join(modules, '.bin', 'npx'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 });
    this.#give(this.path);
  }

  write(name: string, text: string): void {
    writeFileSync(path.join(this.path, name), text);
    this.#give(path.join(this.path, name));
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #give(file: string): void {
    if (isRoot && this.#caller === 'user') {
      chownSync(file, UNPRIVILEGED, UNPRIVILEGED);
    }
  }

  /** By bash, with a small environment; both streams in the order in which they were written. */
  async run(command: string): Promise<End> {
    const ids =
      isRoot && this.#caller === 'user'
        ? ['setpriv', `--reuid=${UNPRIVILEGED}`, `--regid=${UNPRIVILEGED}`, '--clear-groups']
        : [];
    const [file, ...args] = [...ids, 'bash', '-c', `exec 2>&1\n${command}`];
    const child = spawn(file, args, {
      cwd: this.path,
      env: {
        PATH: `${path.join(this.path, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
        HOME: this.path,
        LANG: 'C.UTF-8',
        TERM: 'dumb',
      },
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: STEP_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        resolve(code ?? -1);
      });
    });
    return { output: Buffer.concat(chunks).toString(), status };
  }
}
