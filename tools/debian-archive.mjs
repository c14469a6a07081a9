// Packages of other releases and architectures of Debian, for sysroots and kernels: fetched by apt from the archive that this machine's apt is set up
// with, checked by apt against Debian's own keys, and unpacked into a folder. Nothing is installed, and the machine's own package lists stay as they are.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const DAY_MS = 86_400_000;

/** Where this machine's apt has Debian from, e.g. what ends in /debian/ and in /debian-security/. */
function origin(label) {
  const targets = execFileSync(
    'apt-get',
    ['indextargets', '--format', '$(LABEL) $(REPO_URI)', 'Created-By: Packages'],
    { encoding: 'utf8' },
  );
  const line = targets.split('\n').find((each) => each.startsWith(`${label} `));
  return line?.slice(label.length + 1);
}

function sources(suites) {
  return suites
    .map((suite) => [suite, origin(suite.endsWith('-security') ? 'Debian-Security' : 'Debian')])
    .filter(([, uri]) => uri !== undefined)
    .map(([suite, uri]) => `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`)
    .join('');
}

function isFresh(folder) {
  const lists = readdirSync(folder).filter((name) => name.includes('_Packages'));
  return lists.some((name) => Date.now() - statSync(path.join(folder, name)).mtimeMs < DAY_MS);
}

/**
 * The packages of these suites for one architecture in Debian's word (amd64, arm64). Throws where this machine's apt knows no Debian archive.
 * @param {{ suites: string[], arch: string }} what
 */
export function openDebianArchive({ suites, arch }) {
  const folder = path.join(root, '.cache', 'apt', `${arch}-${suites.join('-')}`);
  for (const name of ['lists/partial', 'archives/partial']) {
    mkdirSync(path.join(folder, name), { recursive: true });
  }
  const list = sources(suites);
  if (list === '') {
    throw new Error('apt of this machine has no Debian source, or has not read its lists yet: apt-get update');
  }
  writeFileSync(path.join(folder, 'sources.list'), list);
  // Packages of others are read but never installed; foreign architectures need no dpkg --add-architecture this way.
  const settings = {
    'Dir::Etc::sourcelist': path.join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State::Lists': path.join(folder, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': folder,
    'Dir::Cache::pkgcache': path.join(folder, 'pkgcache.bin'),
    'Dir::Cache::srcpkgcache': path.join(folder, 'srcpkgcache.bin'),
    'APT::Architecture': arch,
    'APT::Architectures': arch,
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  const apt = (tool, args, cwd = folder) =>
    execFileSync(tool, [...options, ...args], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 1 << 28,
    });
  if (!isFresh(path.join(folder, 'lists'))) {
    apt('apt-get', ['update', '-qq']);
  }
  return {
    /** Names of packages that begin so. */
    names: (prefix) => apt('apt-cache', ['pkgnames', prefix]).split('\n').filter(Boolean),
    /** Unpacks these packages into the folder, which is made; later ones over earlier ones. */
    unpack(packages, target) {
      const downloads = mkdtempSync(path.join(folder, 'download-'));
      try {
        apt('apt-get', ['download', ...packages], downloads);
        mkdirSync(target, { recursive: true });
        for (const file of readdirSync(downloads)) {
          execFileSync('dpkg-deb', ['--extract', path.join(downloads, file), target]);
        }
      } finally {
        rmSync(downloads, { recursive: true });
      }
    },
  };
}
