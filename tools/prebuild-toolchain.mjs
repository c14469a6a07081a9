// Compilers for the prebuilt addons: Debian's own gcc for each processor, pointed at the headers and libraries of an old glibc or of musl, so that one
// addon runs on every distribution with that C library. The C++ library is linked statically from the compiler.

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { openDebianArchive } from './debian-archive.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The oldest glibc that the addon for glibc runs on, and the release of Debian that has it. */
export const OLDEST_GLIBC = '2.31';
const GLIBC_SUITE = 'bullseye';
/** musl's own ABI has been stable since 1.0; the headers of the kernel are those that the rest is built with. */
const MUSL_SUITE = 'bookworm';

const PROCESSORS = {
  x64: { debian: 'amd64', machine: 'x86_64', packages: 'g++' },
  arm64: { debian: 'arm64', machine: 'aarch64', packages: 'g++-aarch64-linux-gnu' },
};

export function plainCompilers(arch) {
  const { machine, packages } = PROCESSORS[arch];
  // The name with the machine in it is there for the native compiler as well.
  const [cc, cxx] = [`${machine}-linux-gnu-gcc`, `${machine}-linux-gnu-g++`];
  try {
    execFileSync(cxx, ['--version'], { stdio: 'ignore' });
  } catch (cause) {
    throw new Error(`no compiler for ${arch}: apt-get install --no-install-recommends ${packages}`, { cause });
  }
  return { cc, cxx, ar: `${machine}-linux-gnu-ar` };
}

/** Headers and libraries of the C library, in .cache. */
export function sysroot(arch, libc) {
  const folder = path.join(root, '.cache', 'prebuild', `sysroot-${libc}-${arch}`);
  const ready = path.join(folder, 'ready');
  if (!existsSync(ready)) {
    rmSync(folder, { recursive: true, force: true });
    const { debian } = PROCESSORS[arch];
    const own = libc === 'glibc' ? ['libc6', 'libc6-dev', 'libcrypt-dev'] : ['musl', 'musl-dev'];
    const suite = libc === 'glibc' ? GLIBC_SUITE : MUSL_SUITE;
    openDebianArchive({ suites: [suite], arch: debian }).unpack(own, folder);
    openDebianArchive({ suites: [MUSL_SUITE], arch: debian }).unpack(['linux-libc-dev'], folder);
    if (libc === 'musl') {
      // The kernel's headers without glibc's beside them.
      mkdirSync(path.join(folder, 'kernel'));
      for (const [name, place] of [
        ['linux', 'linux'],
        ['asm-generic', 'asm-generic'],
        ['asm', `${PROCESSORS[arch].machine}-linux-gnu/asm`],
      ]) {
        symlinkSync(path.join(folder, 'usr', 'include', place), path.join(folder, 'kernel', name));
      }
    }
    writeFileSync(ready, '');
  }
  return folder;
}

export const muslLibrary = (arch) =>
  path.join(sysroot(arch, 'musl'), 'lib', `${PROCESSORS[arch].machine}-linux-musl`, 'libc.so');

/** Folders of the compiler's own C++ headers, as it names them itself. */
function cxxHeaders(cxx) {
  const said = execFileSync('sh', ['-c', `${cxx} -E -x c++ -v /dev/null 2>&1 >/dev/null`], { encoding: 'utf8' });
  return said
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('/') && line.includes('c++'))
    .filter((line) => existsSync(line));
}

const printed = (cxx, name) => execFileSync(cxx, [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();

function layout(arch, libc, tree) {
  const { machine } = PROCESSORS[arch];
  if (libc === 'musl') {
    const folder = path.join(tree, 'usr', 'lib', `${machine}-linux-musl`);
    return {
      folder,
      includes: [path.join(tree, 'usr', 'include', `${machine}-linux-musl`), path.join(tree, 'kernel')],
      // c++config.h asks for the version of a glibc; musl spells a type of the locale differently.
      defines: ["'-D__GLIBC_PREREQ(major,minor)=0'", '-D__locale_t=locale_t'],
      // By name, as the file has no soname: its path would be written into the addon.
      library: [`-L${path.dirname(muslLibrary(arch))}`, '-l:libc.so'],
    };
  }
  const [shared, folder] = [`lib/${machine}-linux-gnu`, `usr/lib/${machine}-linux-gnu`].map((at) =>
    path.join(tree, at),
  );
  const loader = arch === 'x64' ? 'ld-linux-x86-64.so.2' : 'ld-linux-aarch64.so.1';
  const names = ['libpthread.so.0', 'libdl.so.2', 'libc.so.6', loader];
  return {
    folder,
    includes: [path.join(tree, 'usr', 'include', `${machine}-linux-gnu`), path.join(tree, 'usr', 'include')],
    defines: [],
    library: [...names.map((name) => path.join(shared, name)), path.join(folder, 'libc_nonshared.a')],
  };
}

/**
 * A compiler as node-gyp calls it, made in the folder. Compiling sees the headers of the C library alone; linking a shared object is spelled out, since
 * the compiler's own list of libraries would name this machine's.
 */
export function writeCompilers(arch, libc, folder) {
  const plain = plainCompilers(arch);
  const tree = sysroot(arch, libc);
  const { folder: libraries, includes, defines, library } = layout(arch, libc, tree);
  const system = [printed(plain.cxx, 'include'), ...includes].map((place) => `-isystem ${place}`);
  const headers = cxxHeaders(plain.cxx).map((place) => `-isystem ${place}`);
  const object = (name) => printed(plain.cxx, name);
  const preamble = libc === 'musl' ? [`-include ${path.join(root, 'tools', 'prebuild-musl.h')}`] : [];
  const compat = path.join(folder, 'compat.o');
  const after = ['libstdc++.a', 'libgcc_eh.a', 'libgcc.a'].map(object);

  mkdirSync(folder, { recursive: true });
  execFileSync(plain.cc, ['-c', '-O2', '-fPIC', path.join(root, 'tools', 'prebuild-compat.c'), '-o', compat]);
  const script = (compiler, extra) => `#!/bin/sh
case " $* " in
*" -shared "*)
  exec ${compiler} -nostdlib ${libraries}/crti.o ${object('crtbeginS.o')} "$@" -Wl,--start-group ${compat} ${after.join(' ')} ${library.join(' ')} -Wl,--end-group ${object('crtendS.o')} ${libraries}/crtn.o
  ;;
esac
exec ${compiler} -nostdinc ${extra.join(' ')} ${system.join(' ')} ${defines.join(' ')} "$@"
`;
  const write = (name, text) => {
    const file = path.join(folder, name);
    writeFileSync(file, text);
    chmodSync(file, 0o755);
    return file;
  };
  return {
    cc: write('cc', script(plain.cc, [])),
    cxx: write('cxx', script(plain.cxx, ['-nostdinc++', ...headers, ...preamble])),
    ar: plain.ar,
  };
}
