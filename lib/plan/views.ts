/** The mounts a plan is made of, each with what it shows. */

import type { HostFeatures } from '../host/types.js';
import type { Growth, Mount, View } from './tree.js';

export interface Placed {
  readonly mount: Mount;
  readonly view: View;
}

const FILE: View = { kind: 'closed', what: 'a file' };

export interface BindOptions {
  readonly source: string;
  readonly directory: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  readonly idMapped: boolean;
  readonly optional: boolean;
  readonly devices: boolean;
}

export function bind(options: BindOptions, features: HostFeatures): Placed {
  const { source, directory, writable, executable, idMapped, optional, devices } = options;
  const mount: Mount = {
    kind: 'bind',
    source,
    recursive: directory,
    writable,
    executable,
    idMapped,
    optional,
    devices,
  };
  return {
    mount,
    view: directory
      ? { kind: 'host', directories: [source], growth: growthOfBind(writable, features), executable, idMapped }
      : FILE,
  };
}

function growthOfBind(writable: boolean, features: HostFeatures): Growth {
  if (writable) {
    return {
      refused:
        'is writable and belongs to the host, where nothing is created: create it there first, or make it not writable',
    };
  }
  return features.overlay
    ? 'skeleton'
    : { refused: 'is read-only, and this kernel cannot lay an overlay over it: create it there first' };
}

export function tmpfs(
  size: number,
  mode: number,
  { executable, sealed }: { readonly executable: boolean; readonly sealed: boolean },
): { mount: Mount & { kind: 'tmpfs' }; view: View } {
  return {
    mount: { kind: 'tmpfs', size, inodes: inodesFor(size), mode, executable, sealed },
    view: { kind: 'own', sealed },
  };
}

/** One for each page, which every file with content needs anyway: so that empty files cannot take more of the kernel's memory than full ones. */
export function inodesFor(size: number): number {
  return Math.max(1024, Math.ceil(size / 4096));
}

export const PROC: Placed = {
  mount: { kind: 'proc' },
  view: {
    kind: 'host',
    directories: ['/proc'],
    growth: { refused: 'is made by the kernel' },
    executable: false,
    idMapped: false,
  },
};

export const DEV: Placed = { mount: { kind: 'dev' }, view: { kind: 'closed', what: "the cell's /dev" } };

/** `optional`: what is covered may go away between plan and start. */
export function mask(directory: boolean, optional = false): Placed {
  return { mount: { kind: 'mask', directory, optional }, view: { kind: 'closed', what: 'a hidden place' } };
}

/** Writes go to memory and are gone with the cell. */
export function discardingOverlay(lower: readonly string[], size: number, idMapped: boolean): Placed {
  return {
    mount: { kind: 'overlay', lower, upper: { size }, idMapped },
    view: { kind: 'host', directories: lower, growth: 'upper', executable: true, idMapped },
  };
}

/** Writes go to a directory of the host. */
export function keepingOverlay(
  lower: readonly string[],
  upper: { parent: string; upper: string; work: string },
  idMapped: boolean,
): Placed {
  return {
    mount: { kind: 'overlay', lower, upper, idMapped },
    view: {
      kind: 'host',
      directories: [upper.upper, ...lower],
      growth: { refused: 'keeps what is written on the host, where nothing is created: create it there first' },
      executable: true,
      idMapped,
    },
  };
}

export function content(bytes: string | Uint8Array, mode: number, writable: boolean): Placed {
  return { mount: { kind: 'content', content: bytes, mode, writable }, view: FILE };
}
