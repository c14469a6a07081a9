/** Runs the transcripts beside this file, as root and as an unprivileged user; as the latter alone where the tests themselves run as one. */

import { spawn } from 'node:child_process';
import { lchownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { matches, parseTranscript, type Section } from './transcript.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** `nobody` of most systems: owns nothing. */
const UNPRIVILEGED = 65534;
/** Of one command, on a machine that is busy. */
const STEP_TIMEOUT_MS = 60_000;

const isRoot = process.getuid?.() === 0;
const callers = isRoot ? (['root', 'user'] as const) : (['user'] as const);
type Caller = (typeof callers)[number];

for (const file of readdirSync(here).filter((name) => name.endsWith('.md'))) {
  describe.each(callers)(`${file} as %s`, (caller) => {
    for (const section of parseTranscript(path.join(here, file))) {
      it.skipIf(section.only !== undefined && section.only !== caller)(
        section.title,
        { timeout: 180_000 },
        async () => {
          await play(section, caller);
        },
      );
    }
  });
}

async function play(section: Section, caller: Caller): Promise<void> {
  const folder = makeFolder(section, caller);
  try {
    for (const step of section.steps) {
      const { output, status } = await execute(step.command, folder, caller);
      const lines = output === '' ? [] : output.replace(/\n$/u, '').split('\n');
      const expected = [...step.output, `[exit ${step.status}]`];
      const actual = [...lines, `[exit ${status}]`];
      // The same text on both sides where it matches, so that a mismatch shows as one.
      expect(matches(expected, actual) ? expected : actual, step.command).toEqual(expected);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function makeFolder(section: Section, caller: Caller): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'cloister-cli-'));
  mkdirSync(path.join(folder, '.bin'));
  symlinkSync(program, path.join(folder, '.bin', 'cloister'));
  for (const [name, text] of section.files) {
    writeFileSync(path.join(folder, name), text);
  }
  if (isRoot && caller === 'user') {
    for (const name of ['.', '.bin', '.bin/cloister', ...section.files.keys()]) {
      lchownSync(path.join(folder, name), UNPRIVILEGED, UNPRIVILEGED);
    }
  }
  return folder;
}

/** By bash, in the folder, with a small environment. */
async function execute(command: string, folder: string, caller: Caller): Promise<{ output: string; status: number }> {
  const env = {
    PATH: `${path.join(folder, '.bin')}:${process.env['PATH'] ?? ''}`,
    HOME: folder,
    LANG: 'C.UTF-8',
    TERM: 'dumb',
  };
  const shell = ['bash', '-c', `exec 2>&1\n${command}`];
  const ids = [`--reuid=${UNPRIVILEGED}`, `--regid=${UNPRIVILEGED}`, '--clear-groups'];
  const [file, args] = isRoot && caller === 'user' ? ['setpriv', [...ids, ...shell]] : ['env', shell];
  // A process group of its own, so that nothing that the command left behind outlives it or holds its output open.
  const child = spawn(file, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const timer = setTimeout(() => {
    killGroup(child.pid);
  }, STEP_TIMEOUT_MS);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const status = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve(code ?? -1);
    });
  });
  clearTimeout(timer);
  killGroup(child.pid);
  return { output: Buffer.concat(chunks).toString(), status };
}

function killGroup(leader: number | undefined): void {
  if (leader === undefined) {
    return;
  }
  try {
    process.kill(-leader, 'SIGKILL');
  } catch (error) {
    // Nobody of it is left.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) {
      throw error;
    }
  }
}
