// Kernels for the matrix: Debian's cloud kernels, fetched from the archive that this machine's apt is set up with, or given by hand as
// .cache/kernels/VERSION/ with `vmlinuz` and `modules/` (what is below /lib/modules/RELEASE). Each with an initramfs of our own: busybox, the modules
// that lead to the shared root file system, and guest-init.sh.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { openDebianArchive } from '../../tools/debian-archive.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = path.join(root, '.cache', 'kernels');
const ARCH = 'amd64';
const ENDING = `-cloud-${ARCH}`;
const SUITES = ['bullseye-security', 'bullseye', 'bookworm', 'bookworm-backports', 'trixie', 'trixie-backports', 'sid'];
/** What reaches the root file system; those built into a kernel have no file. */
const MODULES = ['virtio_pci', 'virtiofs', 'overlay'];

const byVersion = (a, b) => a.localeCompare(b, 'en', { numeric: true });
const fits = (wanted) => (version) =>
  version === wanted || new RegExp(`^${wanted.replaceAll('.', '\\.')}[^0-9]`).test(version);

/** The kernel's folder: the newest of the version in the cache, else fetched. */
export function kernelFor(wanted) {
  mkdirSync(cache, { recursive: true });
  const present = readdirSync(cache).filter((name) => existsSync(path.join(cache, name, 'vmlinuz')));
  const version = present.filter(fits(wanted)).sort(byVersion).at(-1) ?? fetchKernel(wanted);
  const folder = path.join(cache, version);
  return { version, image: path.join(folder, 'vmlinuz'), initramfs: initramfsOf(folder) };
}

function fetchKernel(wanted) {
  for (const suite of SUITES) {
    const archive = openDebianArchive({ suites: [suite], arch: ARCH });
    const versions = archive
      .names('linux-image-')
      .filter((name) => name.endsWith(ENDING))
      .map((name) => name.slice('linux-image-'.length, -ENDING.length));
    const version = versions.filter(fits(wanted)).sort(byVersion).at(-1);
    if (version !== undefined) {
      unpackKernel(archive, version);
      return version;
    }
  }
  throw new Error(`no suite of ${SUITES.join(', ')} has a kernel ${wanted}`);
}

function unpackKernel(archive, version) {
  const folder = mkdtempSync(path.join(cache, 'new-'));
  const release = `${version}${ENDING}`;
  // Newer kernels come in several packages, and without "image" in the name of those that matter.
  const wanted = ['image', 'binary', 'modules', 'base'].map((part) => `linux-${part}-${release}`);
  const packages = archive.names('linux-').filter((name) => wanted.includes(name));
  archive.unpack(packages, path.join(folder, 'tree'));
  const find = (pattern) =>
    execFileSync('find', [path.join(folder, 'tree'), '-path', pattern], { encoding: 'utf8' }).split('\n')[0];
  copyFileSync(find('*/vmlinuz*'), path.join(folder, 'vmlinuz'));
  const modules = find(`*/modules/${release}`);
  if (modules !== '') {
    cpSync(modules, path.join(folder, 'modules'), { recursive: true });
  }
  rmSync(path.join(folder, 'tree'), { recursive: true });
  renameSync(folder, path.join(cache, version));
}

function busybox() {
  const folder = path.join(root, '.cache', 'busybox');
  const program = path.join(folder, 'bin', 'busybox');
  if (!existsSync(program)) {
    openDebianArchive({ suites: ['bookworm'], arch: ARCH }).unpack(['busybox-static'], folder);
  }
  return program;
}

/** Files of these modules and of those they depend on, in the order in which they are loaded. */
function moduleFiles(modules) {
  if (!existsSync(modules)) {
    return [];
  }
  const files = execFileSync('find', [`${modules}/`, '-name', '*.ko*'], { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean);
  const nameOf = (file) =>
    path
      .basename(file)
      .replace(/\.ko.*$/, '')
      .replaceAll('-', '_');
  const byName = new Map(files.map((file) => [nameOf(file), file]));
  const ordered = [];
  const add = (name) => {
    const file = byName.get(name);
    if (file === undefined || ordered.some((each) => each.name === name)) {
      return;
    }
    const content = uncompressed(file);
    const depends = /\0depends=([^\0]*)\0/.exec(`\0${content.toString('latin1')}`)?.[1] ?? '';
    depends
      .split(',')
      .filter(Boolean)
      .forEach((each) => add(each.replaceAll('-', '_')));
    ordered.push({ name, content });
  };
  MODULES.forEach(add);
  return ordered;
}

function uncompressed(file) {
  const tool = { '.xz': 'xz', '.zst': 'zstd', '.gz': 'gzip' }[path.extname(file)];
  return tool === undefined
    ? readFileSync(file)
    : execFileSync(tool, ['--decompress', '--stdout', file], { maxBuffer: 1 << 26 });
}

function initramfsOf(folder) {
  const script = fileURLToPath(new URL('guest-init.sh', import.meta.url));
  const target = path.join(folder, 'initramfs.cpio');
  if (existsSync(target) && statSync(target).mtimeMs > statSync(script).mtimeMs) {
    return target;
  }
  const stage = mkdtempSync(path.join(cache, 'initramfs-'));
  try {
    for (const name of ['bin', 'dev', 'proc', 'sys', 'modules', 'lower', 'upper', 'new']) {
      mkdirSync(path.join(stage, name));
    }
    copyFileSync(busybox(), path.join(stage, 'bin', 'busybox'));
    copyFileSync(script, path.join(stage, 'init'));
    chmodSync(path.join(stage, 'init'), 0o755);
    moduleFiles(path.join(folder, 'modules')).forEach(({ name, content }, index) => {
      writeFileSync(path.join(stage, 'modules', `${String(index).padStart(2, '0')}-${name}.ko`), content);
    });
    const pack = 'find . | cpio --quiet --create --format=newc';
    const { status, stdout, stderr } = spawnSync('sh', ['-c', pack], { cwd: stage, maxBuffer: 1 << 27 });
    if (status !== 0) {
      throw new Error(`cannot pack the initramfs: ${stderr}`);
    }
    writeFileSync(target, stdout);
  } finally {
    rmSync(stage, { recursive: true });
  }
  return target;
}
