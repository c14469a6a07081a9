import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells, shell } from '../support/cells.js';
import { USERS } from '../support/in-subprocess.js';

const python = (script: string, scratch = '1MiB') => ({
  command: 'python3',
  args: ['-c', script],
  options: { limits: { scratch } },
});

describe.each(USERS)('limits.scratch and limits.fileSize, as %s', (user) => {
  it('stop a disk from being filled by many files', async () => {
    const [result] = await inCells(user, [
      python(
        "n = 0\ntry:\n  while n < 9999:\n    open(f'/tmp/{n}', 'w').close(); n += 1\nexcept OSError as e: print(e.errno, n < 1100)\nelse: print('all')",
      ),
    ]);
    expect(result).toMatchObject({ reason: 'exited', stdout: '28 True\n' });
  });

  it('stop it by files that have no name any more', async () => {
    const script =
      "import os\nkept = []\ntry:\n  for n in range(64):\n    f = open('/tmp/x', 'wb'); os.unlink('/tmp/x'); f.write(b'x' * 65536); f.flush(); kept.append(f)\nexcept OSError as e: print(e.errno, n)\nelse: print('all')";
    const [small, large] = await inCells(user, [python(script), python(script, '8MiB')]);
    expect(small?.stdout).toBe('28 16\n');
    expect(large?.stdout).toBe('all\n');
  });

  it('stop it by a sparse file that is filled later, in /tmp and in /dev/shm', async () => {
    const script = (directory: string): string =>
      `f = open('${directory}/x', 'wb'); f.truncate(1 << 30)\ntry:\n  for n in range(64):\n    f.seek(n << 20); f.write(b'x' * 65536); f.flush()\nexcept OSError as e: print(e.errno, n)\nelse: print('all')`;
    const [tmp, shm, large] = await inCells(user, [
      python(script('/tmp')),
      python(script('/dev/shm')),
      python(script('/tmp'), '8MiB'),
    ]);
    expect(tmp?.stdout).toMatch(/^28 1[56]\n$/u);
    expect(shm?.stdout).toMatch(/^28 1[56]\n$/u);
    expect(large?.stdout).toBe('all\n');
  });

  it("memory behind a mapped file of a full disk is a signal, not the host's", async () => {
    const script =
      "import mmap\nf = open('/tmp/x', 'w+b'); f.truncate(4 << 20)\nm = mmap.mmap(f.fileno(), 4 << 20)\nfor n in range(0, 4 << 20, 4096): m[n] = 1\nprint('all')";
    const [small, large] = await inCells(user, [python(script), python(script, '8MiB')]);
    expect(small).toMatchObject({ reason: 'signaled', signal: 'SIGBUS' });
    expect(large?.stdout).toBe('all\n');
  });

  it('fileSize holds for a hole at the end as well', async () => {
    const [hole, below] = await inCells(user, [
      shell('truncate -s 2M /tmp/x; echo $?', { limits: { fileSize: '1MiB' } }),
      shell('truncate -s 1M /tmp/x; echo $?', { limits: { fileSize: '1MiB' } }),
    ]);
    expect(hole?.stdout).not.toBe('0\n');
    expect(below?.stdout).toBe('0\n');
  });

  it('hold for access control lists, which no size of a file system and no control group counts', async () => {
    const deeds = ['keep-list,/tmp,8000', 'keep-list,/tmp,120', 'keep-list,/dev/shm,8000'];
    expect(await deedsInCell(user, deeds)).toEqual({
      'keep-list,/tmp,8000': 'ENOSPC',
      'keep-list,/tmp,120': 'OK',
      'keep-list,/dev/shm,8000': 'ENOSPC',
    });
  });
});
