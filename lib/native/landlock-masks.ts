// Generated from native/landlock/rights.def by tools/generate-landlock.mjs.

import type { FsRight, NetRight, ScopeName } from '../plan/landlock-rights.js';

/** Masks of the kernel's, linux/landlock.h. */
export const FS_MASKS: Readonly<Record<FsRight, number>> = {
  execute: 1,
  'write-file': 2,
  'read-file': 4,
  'read-dir': 8,
  'remove-dir': 16,
  'remove-file': 32,
  'make-char': 64,
  'make-dir': 128,
  'make-reg': 256,
  'make-sock': 512,
  'make-fifo': 1024,
  'make-block': 2048,
  'make-sym': 4096,
  refer: 8192,
  truncate: 16384,
  'ioctl-dev': 32768,
  'resolve-unix': 65536,
};
export const NET_MASKS: Readonly<Record<NetRight, number>> = {
  'bind-tcp': 1,
  'connect-tcp': 2,
  'bind-udp': 4,
  'connect-send-udp': 8,
};
export const SCOPE_MASKS: Readonly<Record<ScopeName, number>> = {
  'abstract-unix-socket': 1,
  signal: 2,
};
