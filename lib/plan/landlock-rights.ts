// Generated from native/landlock/rights.def by tools/generate-landlock.mjs.

/** What may be done to files. */
export type FsRight =
  | 'execute'
  | 'write-file'
  | 'read-file'
  | 'read-dir'
  | 'remove-dir'
  | 'remove-file'
  | 'make-char'
  | 'make-dir'
  | 'make-reg'
  | 'make-sock'
  | 'make-fifo'
  | 'make-block'
  | 'make-sym'
  | 'refer'
  | 'truncate'
  | 'ioctl-dev'
  | 'resolve-unix';
/** What may be done with ports. */
export type NetRight = 'bind-tcp' | 'connect-tcp' | 'bind-udp' | 'connect-send-udp';
/** What is kept within the domain. */
export type ScopeName = 'abstract-unix-socket' | 'signal';

/** The ABI of Landlock that brought each right. */
export const FS_RIGHTS: Readonly<Record<FsRight, { readonly abi: number; readonly file: boolean }>> = {
  execute: { abi: 1, file: true },
  'write-file': { abi: 1, file: true },
  'read-file': { abi: 1, file: true },
  'read-dir': { abi: 1, file: false },
  'remove-dir': { abi: 1, file: false },
  'remove-file': { abi: 1, file: false },
  'make-char': { abi: 1, file: false },
  'make-dir': { abi: 1, file: false },
  'make-reg': { abi: 1, file: false },
  'make-sock': { abi: 1, file: false },
  'make-fifo': { abi: 1, file: false },
  'make-block': { abi: 1, file: false },
  'make-sym': { abi: 1, file: false },
  refer: { abi: 2, file: false },
  truncate: { abi: 3, file: true },
  'ioctl-dev': { abi: 5, file: true },
  'resolve-unix': { abi: 9, file: true },
};
export const NET_RIGHTS: Readonly<Record<NetRight, { readonly abi: number }>> = {
  'bind-tcp': { abi: 4 },
  'connect-tcp': { abi: 4 },
  'bind-udp': { abi: 10 },
  'connect-send-udp': { abi: 10 },
};
export const SCOPES: Readonly<Record<ScopeName, { readonly abi: number }>> = {
  'abstract-unix-socket': { abi: 6 },
  signal: { abi: 6 },
};
