/** Machines that an image may be for, in the words of the OCI image specification. */

import { fields, text } from './values.js';

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

/** Node.js's names of processors to theirs. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64', arm: 'arm', ia32: '386' };
/** The variants that mean the same as none. */
const PLAIN_VARIANTS: Readonly<Record<string, string>> = { arm64: 'v8', amd64: 'v1' };

export function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch, variant: '' };
}

/** Null: it says nothing. */
export function readPlatform(value: unknown): Platform | null {
  const { os, architecture, variant } = fields(value);
  const name = text(architecture);
  if (name === undefined || name === '') {
    return null;
  }
  return { os: text(os) ?? 'linux', architecture: name, variant: text(variant) ?? '' };
}

export function platformText({ os, architecture, variant }: Platform): string {
  return variant === '' ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

export function runsOn(image: Platform, machine: Platform): boolean {
  const { variant, architecture } = image;
  const plain = variant === '' || variant === PLAIN_VARIANTS[architecture];
  return image.os === machine.os && architecture === machine.architecture && (plain || variant === machine.variant);
}
