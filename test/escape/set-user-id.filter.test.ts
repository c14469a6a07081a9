/**
 * Files with set-user-ID, made by a cell where it may write on the host: whoever runs them there becomes the caller, who may be root
 * (CVE-2019-14271's and many breakouts' second step; systemd.exec(5), RestrictSUIDSGID=).
 */

import { lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsInCell, inCells } from '../support/cells.js';
import { deedsOutside } from '../support/deeds.js';
import { USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

describe.each(USERS)('privileged files on the host, as %s', (user) => {
  it('cannot be made by any call that sets a mode', async () => {
    const folder = scratch(user, { 'd/file': 'x' });
    const deeds = (at: string) => [
      ...['chmod', 'fchmod', 'fchmodat', 'fchmodat2'].flatMap((call) => [
        `${call},${at}/file,4755`,
        `${call},${at}/file,2755`,
      ]),
      `create,${at}/new,4755`,
      `mknod,${at}/node,p,0,0,4755`,
      `openat2-create,${at}/how,4755`,
    ];
    const options = {
      mounts: [{ type: 'bind', source: path.join(folder, 'd'), target: '/data', writable: true }],
      user: { uid: 0, gid: 0 },
    } as const;
    const [cell] = await inCells(user, [{ args: ['ids'], options }]);
    expect(cell?.enforcement.seccomp).not.toBeNull();
    const results = await deedsInCell(user, deeds('/data'), options);
    for (const name of readdirSync(path.join(folder, 'd'))) {
      expect([name, lstatSync(path.join(folder, 'd', name)).mode & 0o6000]).toEqual([name, 0]);
    }
    for (const [deed, result] of Object.entries(results)) {
      expect([deed, result]).toEqual([deed, expect.stringMatching(/^(EPERM|ENOSYS)$/)]);
    }
    const outside = deedsOutside(user, deeds(path.join(folder, 'd')).slice(0, 8));
    expect(Object.values(outside)).toEqual(Array(8).fill('OK'));
  });

  it('ordinary modes can be set', async () => {
    const folder = scratch(user, { file: 'x' });
    const deeds = ['chmod,/data/file,755', 'fchmod,/data/file,1644', 'create,/data/new,640', 'mkdir,/data/sub,1777'];
    const results = await deedsInCell(user, deeds, {
      mounts: [{ type: 'bind', source: folder, target: '/data', writable: true }],
    });
    expect(Object.values(results)).toEqual(['OK', 'OK', 'OK', 'OK']);
  });
});
