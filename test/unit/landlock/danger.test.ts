import { describe, expect, test } from 'vitest';

import { refuseGrant } from '../../../lib/restrict/danger.js';

const PROC = 0x9fa0;
const TMPFS = 0x01021994;
const MOUNTS = [
  { path: '/', type: 'ext4' },
  { path: '/proc', type: 'proc' },
  { path: '/sys', type: 'sysfs' },
  { path: '/dev', type: 'devtmpfs' },
  { path: '/srv/chroot/proc', type: 'proc' },
];

function refused(real: string, letters: string, { kind = 'directory', fileSystem = TMPFS } = {}): boolean {
  const has = (letter: string) => letters.includes(letter);
  const permissions = { read: has('r'), write: has('w'), execute: has('x'), create: has('c') };
  return refuseGrant({ real, kind, fileSystem }, permissions, () => MOUNTS) !== null;
}

describe('a grant of writing is refused where it would act on the process or the kernel', () => {
  test.each([
    ['/', 'w'],
    ['/', 'c'],
    ['/dev', 'rw'],
    ['/srv/chroot', 'w'],
    ['/srv', 'c'],
  ])('%s with %s', (path, letters) => {
    expect(refused(path, letters)).toBe(true);
  });

  test('on proc, wherever it is mounted and whatever is named', () => {
    expect(refused('/proc/self/mem', 'w', { kind: 'file', fileSystem: PROC })).toBe(true);
    expect(refused('/elsewhere', 'c', { fileSystem: PROC })).toBe(true);
  });

  test.each([
    ['/', 'r'],
    ['/', 'rx'],
    ['/dev', 'r'],
    ['/srv/data', 'rwc'],
    ['/tmp', 'rwc'],
    ['/home', 'rw'],
  ])('but %s with %s is granted', (path, letters) => {
    expect(refused(path, letters)).toBe(false);
  });
});

describe('devices', () => {
  const device = { kind: 'device' };
  test.each(['/dev/mem', '/dev/sda', '/dev/kmsg', '/dev/fuse', '/srv/disk'])(
    '%s is refused, even for reading',
    (path) => {
      expect(refused(path, 'r', device)).toBe(true);
    },
  );
  test.each(['/dev/null', '/dev/urandom', '/dev/tty', '/dev/pts/3'])('%s is granted', (path) => {
    expect(refused(path, 'rw', device)).toBe(false);
  });
});
