/**
 * Files that promises read by themselves, whatever `unveil` says: in OpenBSD the kernel knows them by name; here the filter lets files be opened for
 * reading, and Landlock leaves these ones.
 */

import type { PledgePromise } from '../types.js';

const RESOLVER = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/nsswitch.conf',
  '/etc/host.conf',
  '/etc/gai.conf',
  '/etc/services',
  '/etc/protocols',
];

const IMPLIED: Readonly<Partial<Record<PledgePromise, readonly string[]>>> = {
  dns: RESOLVER,
  getpw: ['/etc/passwd', '/etc/group', '/etc/nsswitch.conf'],
  vminfo: [
    '/proc/meminfo',
    '/proc/stat',
    '/proc/vmstat',
    '/proc/loadavg',
    '/proc/cpuinfo',
    '/proc/self/stat',
    '/proc/self/statm',
    '/sys/devices/system/cpu',
    '/sys/fs/cgroup',
  ],
  ps: ['/proc'],
};

/** Where `tmppath` makes and removes files: as in OpenBSD this directory and no other, whatever TMPDIR says. */
export const TEMPORARY_PLACES: readonly string[] = ['/tmp'];

/** For whoever may open files for reading at all: the time zone. */
export const ALWAYS_READABLE: readonly string[] = ['/etc/localtime', '/usr/share/zoneinfo'];

/** Whether the promises open files that are not covered by rpath: then Landlock must leave nothing else. */
export function impliesPaths(promises: readonly PledgePromise[]): boolean {
  return promises.some((promise) => IMPLIED[promise] !== undefined);
}

/** Those of a set of promises; a file that this machine does not have is nobody's loss. */
export function impliedPaths(promises: readonly PledgePromise[]): string[] {
  if (!promises.includes('rpath') && !impliesPaths(promises)) {
    return [];
  }
  return [...new Set([...promises.flatMap((promise) => IMPLIED[promise] ?? []), ...ALWAYS_READABLE])];
}

/** Devices that stay, beside `unveil`, for the opening that promises allow. */
export function impliedDevices(promises: readonly PledgePromise[]): string[] {
  return ['/dev/null', ...(promises.includes('tty') ? ['/dev/tty'] : [])];
}
