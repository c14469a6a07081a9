/**
 * Pages of documentation as tests. Each section of the second level is one test with a folder of its own, in which `cloister` can be run and imported.
 * What the first word of a fence's info string says is done with a block:
 *
 * - `js`, `ts`: with `file=NAME` the block is put there for commands to run, otherwise it is run as it stands. `ts` is type-checked as well.
 * - `json`: must parse; with `file=NAME` it is put there.
 * - `console`: a transcript, as in test/cli; `only=root` or `only=user` where it is for one of them.
 * - `c`, `python`: only with `file=NAME`.
 * - `sh`: commands for a checkout. They are not run, but what they name must exist.
 * - `text`: nothing to run.
 */

import { readFileSync } from 'node:fs';

export interface Block {
  readonly language: string;
  readonly file: string | undefined;
  readonly only: string | undefined;
  readonly text: string;
  /** Of the first line of its text. */
  readonly line: number;
}

export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
}

export interface Step {
  readonly command: string;
  readonly output: readonly string[];
  readonly status: number;
}

/** Those with blocks. What stands before the first one is a section as well. */
export function readSections(file: string): Section[] {
  const sections: { title: string; blocks: Block[] }[] = [{ title: 'before the first section', blocks: [] }];
  let open: { info: string; lines: string[]; line: number } | null = null;
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (open !== null && line.trim() === '```') {
      sections.at(-1)?.blocks.push(makeBlock(open));
      open = null;
    } else if (open !== null) {
      open.lines.push(line);
    } else if (line.trimStart().startsWith('```')) {
      open = { info: line.trim().slice(3), lines: [], line: index + 2 };
    } else if (line.startsWith('## ')) {
      sections.push({ title: line.slice(3), blocks: [] });
    }
  }
  return sections.filter(({ blocks }) => blocks.length > 0);
}

function makeBlock({ info, lines, line }: { info: string; lines: readonly string[]; line: number }): Block {
  return {
    language: info.split(' ')[0] ?? '',
    file: /\bfile=(\S+)/u.exec(info)?.[1],
    only: /\bonly=(\w+)/u.exec(info)?.[1],
    text: `${lines.join('\n')}\n`,
    line,
  };
}

/** `$ ` begins a command, `> ` goes on with it, `[exit N]` is its status where that is not 0. */
export function readSteps(text: string): Step[] {
  const steps: { command: string; output: string[]; status: number }[] = [];
  for (const line of text.replace(/\n$/u, '').split('\n')) {
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
