/** App Container images: one archive with a manifest and a directory `rootfs`, which is the tree. */

import { readAciConfig } from './config.js';
import type { Description } from './description.js';
import type { Digest } from './digest.js';
import { choiceError, imageError } from './errors.js';
import type { Parts } from './parts.js';
import { hostPlatform, platformText, runsOn } from './platform.js';
import { fields, list, member, text } from './values.js';

const ROOT = 'rootfs';

/** Other names than those of the OCI for the same processors. */
const ARCHITECTURES: Readonly<Record<string, string>> = { i386: '386', aarch64: 'arm64', armv7l: 'arm', armv6l: 'arm' };

/** `archive` opens it again, `digest` is of all of it. */
export function describeAci(
  parts: Parts,
  reference: string | undefined,
  archive: { readonly open: () => number; readonly digest: Digest },
): Description {
  const { image } = parts;
  const manifest = parts.readFile(['manifest'], 'manifest').value;
  const { acKind, name } = fields(manifest);
  if (acKind !== 'ImageManifest' || typeof name !== 'string') {
    throw imageError(image, 'has a manifest that is none of an App Container image');
  }
  if (list(member(manifest, 'dependencies')).length > 0) {
    throw imageError(image, 'needs other images (dependencies), which are not in it');
  }
  const labels = new Map(
    list(member(manifest, 'labels')).map((each) => [member(each, 'name'), text(member(each, 'value'))]),
  );
  const version = labels.get('version');
  const names = [name, ...(version === undefined ? [] : [`${name}:${version}`])];
  if (reference !== undefined && !names.includes(reference) && reference !== version) {
    throw choiceError('root.reference', `${image} has no image '${reference}'; it is ${names.join(', ')}`);
  }
  const platform = platformOf(labels);
  if (reference === undefined && !runsOn(platform, hostPlatform())) {
    throw choiceError(
      'root.image',
      `${image} is for ${platformText(platform)}; this machine is ${platformText(hostPlatform())}`,
    );
  }
  const config = readAciConfig(manifest);
  if ('problem' in config) {
    throw imageError(image, config.problem);
  }
  const layer = { digest: archive.digest, size: null, unpacked: null, name: 'the archive', open: archive.open };
  return {
    kind: 'aci',
    names,
    platform: platformText(platform),
    digest: archive.digest,
    config: config.value,
    layers: [layer],
    below: ROOT,
  };
}

function platformOf(labels: ReadonlyMap<unknown, string | undefined>): ReturnType<typeof hostPlatform> {
  const machine = hostPlatform();
  const architecture = labels.get('arch') ?? machine.architecture;
  return {
    os: labels.get('os') ?? machine.os,
    architecture: ARCHITECTURES[architecture] ?? architecture,
    variant: '',
  };
}
