/** The files that Node.js needs to run in an otherwise empty root: itself, its libraries, the loader. */

import path from 'node:path';

import { unsupported } from '../errors.js';
import { type Elf, readElf } from './elf.js';

export interface NodeFiles {
  readonly command: string;
  /** Absolute, as the loader opens them. */
  readonly files: readonly string[];
  /** Where the loader is to look: without /etc/ld.so.cache it knows fewer places. */
  readonly libraryPath: string;
}

let cached: NodeFiles | undefined;

/** Of the Node.js that runs this. */
export function nodeFiles(): NodeFiles {
  cached ??= find();
  return cached;
}

function find(): NodeFiles {
  const { bun, deno, electron } = process.versions;
  if ([bun, deno, electron].some((version) => version !== undefined)) {
    throw unsupported('a cell for the unpacker', 'the executable of this process is not Node.js', 'run it with node');
  }
  const program = readElf(process.execPath);
  if (program === null) {
    throw unsupported('a cell for the unpacker', `${process.execPath} is no ELF executable of 64 bits`);
  }
  const libraries = closure(program, loadedLibraries());
  const loader = program.interpreter === null ? [] : [program.interpreter];
  return {
    command: process.execPath,
    files: [...new Set([process.execPath, ...libraries, ...loader])],
    libraryPath: [...new Set(libraries.map((file) => path.dirname(file)))].join(':'),
  };
}

/** What the program needs, and what that needs: addons of the caller have loaded more, which is none of the unpacker's business. */
function closure(program: Elf, loaded: readonly string[]): string[] {
  const byName = new Map(loaded.map((file) => [path.basename(file), file]));
  const found = new Set<string>();
  const left = [...program.needed];
  for (let name = left.pop(); name !== undefined; name = left.pop()) {
    const file = byName.get(path.basename(name));
    if (file !== undefined && !found.has(file)) {
      found.add(file);
      left.push(...(readElf(file)?.needed ?? []));
    }
  }
  return [...found];
}

/** As dl_iterate_phdr(3) names them, which are the names that the loader looks for. */
function loadedLibraries(): string[] {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean };
  const { excludeNetwork } = report;
  // Names of interfaces and hosts take a while, and are of no use here.
  report.excludeNetwork = true;
  try {
    const { sharedObjects } = report.getReport() as { sharedObjects?: string[] };
    // The kernel's own object (vdso(7)) is no file.
    return (sharedObjects ?? []).filter((name) => name.startsWith('/'));
  } finally {
    report.excludeNetwork = excludeNetwork ?? false;
  }
}
