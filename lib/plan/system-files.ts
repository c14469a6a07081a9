/**
 * What root 'system' takes from the host, as data. Everything here is readable by everybody on the host as well; nothing that holds a secret
 * (shadow, private keys) belongs here. What is missing on the host is left out.
 */

/** Directories of programs and libraries. On a merged-/usr host all but the first are links into it, and links they become. */
export const SYSTEM_DIRECTORIES: readonly string[] = ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32'];

export interface SystemFile {
  /** Below /etc. */
  readonly path: string;
  /** Only in a cell with a network. */
  readonly network?: boolean;
}

/** passwd and group are not the host's: every cell has its own (lib/plan/accounts.ts). */
export const SYSTEM_FILES: readonly SystemFile[] = [
  // Where the dynamic loader finds libraries: glibc, then musl.
  { path: 'ld.so.cache' },
  { path: 'ld.so.conf' },
  { path: 'ld.so.conf.d' },
  { path: 'ld-musl-x86_64.path' },
  { path: 'ld-musl-aarch64.path' },
  // How names of users and hosts are looked up.
  { path: 'nsswitch.conf' },
  { path: 'hosts' },
  { path: 'resolv.conf', network: true },
  { path: 'localtime' },
  // Certificates of authorities, by distribution; private keys lie in other directories.
  { path: 'ssl/certs' },
  { path: 'ssl/cert.pem' },
  { path: 'ssl/openssl.cnf' },
  { path: 'pki/tls/certs' },
  { path: 'pki/tls/cert.pem' },
  { path: 'pki/tls/openssl.cnf' },
  { path: 'pki/ca-trust/extracted' },
  { path: 'ca-certificates/extracted' },
  // Links by which one of several programs is chosen: awk, editor, java.
  { path: 'alternatives' },
  // What Debian's Java takes from here: it does not start a program without the first.
  ...[8, 11, 17, 21, 25].flatMap((version) =>
    ['security', 'net.properties', 'logging.properties'].map((name) => ({ path: `java-${version}-openjdk/${name}` })),
  ),
  { path: 'mime.types' },
  { path: 'fonts' },
];
