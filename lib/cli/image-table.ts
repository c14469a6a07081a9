/** Images of the cache in words. Whatever an image says of itself comes with control characters replaced. */

import { showName } from '../archive/names.js';
import type { ImageRecord } from '../image/record.js';

export interface ListedImage {
  readonly name: string;
  readonly inUse: boolean;
  /** Null: it is damaged. */
  readonly record: ImageRecord | null;
}

const SHORT = 12;
const MEBIBYTE = 2 ** 20;

/** A line each: the beginning of its name, size, day, platform, and what it calls itself. */
export function describeImages(images: readonly ListedImage[]): string {
  const rows = images.map((image) => [image.name.slice(0, SHORT), ...describe(image)]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => (column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0)))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function describe({ record, inUse }: ListedImage): string[] {
  if (record === null) {
    return ['?', '?', '?', 'damaged'];
  }
  const { bytes, created, platform, names, kind } = record;
  const called = names.length === 0 ? kind : names.map(showName).join(', ');
  return [size(bytes), day(created), showName(platform), `${called}${inUse ? '  (in use)' : ''}`];
}

export function describeImage({ name, inUse, record }: ListedImage): string {
  if (record === null) {
    return `name         ${name}\nrecord       damaged\n`;
  }
  const { config, layers, dropped, droppedCount } = record;
  const lines: [string, string][] = [
    ['name', name],
    ['called', record.names.join(', ')],
    ['kind', record.kind],
    ['platform', record.platform],
    ['digest', record.digest],
    ...layers.map((layer): [string, string] => ['layer', layer]),
    [
      'unpacked',
      `${day(record.created)}, ${String(record.entries)} entries, ${size(record.bytes)}${inUse ? ', in use' : ''}`,
    ],
    ['entrypoint', words(config.entrypoint)],
    ['command', words(config.command)],
    ...Object.entries(config.environment).map(([key, value]): [string, string] => ['environment', `${key}=${value}`]),
    ['directory', config.workingDirectory],
    ['user', config.user],
    ...dropped.map(({ path, reason }): [string, string] => ['left out', `${path}: ${reason}`]),
    ['left out', droppedCount > dropped.length ? `${String(droppedCount - dropped.length)} more` : ''],
  ];
  return lines
    .filter(([, text]) => text !== '')
    .map(([label, text]) => `${label.padEnd(SHORT)} ${showName(text)}\n`)
    .join('');
}

function words(command: readonly string[]): string {
  return command.length === 0 ? '' : JSON.stringify(command);
}

function size(bytes: number): string {
  return `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
}

function day(created: number): string {
  return new Date(created).toISOString().slice(0, 10);
}
