/** `--json [FD]`: which of the words that follow belongs to it. */

import type { Command } from 'commander';

import type { Parsed } from '../util/units.js';
import { isWritable } from './output.js';

const LARGEST = 0x7fffffff;

/**
 * Arguments in which --json carries its value with it. `--json ls` means the command ls, `--json 3 ls` the descriptor 3: only digits are taken for a
 * descriptor, while the option library would take any word. What stands behind the command, or is the value of another option, is left alone.
 */
export function joinJsonDescriptor(command: Command, args: readonly string[]): string[] {
  const result: string[] = [];
  let index = 0;
  for (; index < args.length; index++) {
    const word = args[index] ?? '';
    if (word === '--' || !word.startsWith('-')) {
      break;
    }
    const next = args[index + 1] ?? '';
    if (word === '--json') {
      const descriptor = /^\d+$/u.test(next);
      result.push(`--json=${descriptor ? next : ''}`);
      index += descriptor ? 1 : 0;
    } else {
      const takesNext = command.options.some((option) => option.long === word && option.required);
      result.push(word, ...(takesNext ? args.slice(index + 1, index + 2) : []));
      index += takesNext ? 1 : 0;
    }
  }
  return [...result, ...args.slice(index)];
}

/** The descriptor to write to: `text` is empty for the default. */
export function parseJsonDescriptor(text: string, fallback: number): Parsed<number> {
  const descriptor = text === '' ? fallback : /^\d+$/u.test(text) ? Number(text) : Number.NaN;
  if (!(descriptor <= LARGEST)) {
    return { problem: `must be the number of a descriptor, not '${text}'` };
  }
  return isWritable(descriptor)
    ? { value: descriptor }
    : { problem: `descriptor ${String(descriptor)} is not open for writing` };
}
