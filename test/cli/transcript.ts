/**
 * Transcripts: Markdown files whose `console` blocks are what a person would see. Each section of the second level is one test with a folder of its own;
 * a block that names a file (```json file=policy.json) puts it there. `$ ` begins a command, `> ` goes on with it; what follows is its output, standard
 * error included, and `[exit N]` where it did not end with 0. A line `...` stands for any lines, `<...>` for anything within a line.
 */

import { readFileSync } from 'node:fs';

export interface Step {
  readonly command: string;
  /** With wildcards. */
  readonly output: readonly string[];
  readonly status: number;
}

export interface Section {
  readonly title: string;
  /** `root` or `user` where it is for one of them only. */
  readonly only: string | undefined;
  readonly files: ReadonlyMap<string, string>;
  readonly steps: readonly Step[];
}

interface Block {
  readonly info: string;
  readonly lines: readonly string[];
}

export function parseTranscript(file: string): Section[] {
  const [, ...parts] = readFileSync(file, 'utf8').split(/^## /mu);
  return parts.map((part) => {
    const blocks = parseBlocks(part.split('\n'));
    const consoles = blocks.filter(({ info }) => info.startsWith('console'));
    return {
      title: part.slice(0, part.indexOf('\n')),
      only: /only=(\w+)/u.exec(consoles[0]?.info ?? '')?.[1],
      files: new Map(
        blocks.flatMap(({ info, lines }) => {
          const name = /file=(\S+)/u.exec(info)?.[1];
          return name === undefined ? [] : [[name, `${lines.join('\n')}\n`] as const];
        }),
      ),
      steps: consoles.flatMap(({ lines }) => parseSteps(lines)),
    };
  });
}

function parseBlocks(lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  let open: { info: string; lines: string[] } | null = null;
  for (const line of lines) {
    if (open === null && line.startsWith('```')) {
      open = { info: line.slice(3), lines: [] };
    } else if (open !== null && line === '```') {
      blocks.push(open);
      open = null;
    } else {
      open?.lines.push(line);
    }
  }
  return blocks;
}

function parseSteps(lines: readonly string[]): Step[] {
  const steps: { command: string; output: string[]; status: number }[] = [];
  for (const line of lines) {
    const last = steps.at(-1);
    const status = /^\[exit (\d+)\]$/u.exec(line)?.[1];
    if (line.startsWith('$ ')) {
      steps.push({ command: line.slice(2), output: [], status: 0 });
    } else if (last === undefined) {
      throw new Error(`output before the first command: ${line}`);
    } else if (line.startsWith('> ') && last.output.length === 0) {
      last.command += `\n${line.slice(2)}`;
    } else if (status !== undefined) {
      last.status = Number(status);
    } else {
      last.output.push(line);
    }
  }
  return steps;
}

/** Whether lines of output are what the pattern says. */
export function matches(pattern: readonly string[], lines: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) {
    return lines.length === 0;
  }
  if (first === '...') {
    return lines.some((_, index) => matches(rest, lines.slice(index))) || matches(rest, []);
  }
  const [line, ...more] = lines;
  return line !== undefined && lineMatches(first, line) && matches(rest, more);
}

function lineMatches(pattern: string, line: string): boolean {
  const source = pattern
    .split('<...>')
    .map((text) => text.replace(/[$()*+.?[\\\]^{|}]/gu, '\\$&'))
    .join('.*');
  return new RegExp(`^${source}$`, 'u').test(line);
}
