import path from 'node:path';

import { describe, expect, it } from 'vitest';

import { deedsProgram } from '../support/deeds.js';
import { inSubprocess, USERS } from '../support/in-subprocess.js';
import { scratch } from '../support/scratch.js';

const MOUNT_SETATTR = 442;
const LANDLOCK_CREATE_RULESET = 444;

/** The rest of the command line is run with this system call missing. */
const without = (call: number) => `set -- ${deedsProgram()} --without ${String(call)} "$@"`;

describe.each(USERS)('cells as on an older kernel, as %s', (user) => {
  it('without mount_setattr: mounts get the same attributes, those below a bind too', async () => {
    const folder = scratch(user, { 'd/file': 'x' });
    const result = await inSubprocess(
      async ({ runIsolated, failureOf, data }) => {
        const at = data as string;
        const script = `cd ${at}; (echo y > file) 2>&1; touch /tmp/x /usr/x 2>&1; grep -E " (${at}|/usr|/proc|/dev) " /proc/self/mountinfo | cut -d" " -f5,6`;
        const plain = await runIsolated('sh', [
          '-c',
          'touch /usr/x 2>&1; grep -E " (/usr|/proc|/dev) " /proc/self/mountinfo | cut -d" " -f5,6',
        ]);
        let bound: unknown;
        const failure = await failureOf(async () => {
          bound = (await runIsolated('sh', ['-c', script], { unveil: { [at]: 'r' } })).stdout;
        });
        return { plain: plain.stdout, bound, failure: failure?.code };
      },
      { user, data: path.join(folder, 'd'), before: without(MOUNT_SETATTR) },
    );
    expect(result.plain).toMatch(/Read-only file system/);
    expect(result.plain).toMatch(/^\/usr ro,nosuid,nodev/m);
    expect(result.plain).toMatch(/^\/proc ro,nosuid,nodev,noexec/m);
    expect(result.plain).toMatch(/^\/dev ro,nosuid,nodev,noexec/m);
    if (user === 'root') {
      // Files of a root caller need id-mapped mounts.
      expect(result).toMatchObject({ failure: 'ERR_CLOISTER_UNSUPPORTED' });
    } else {
      expect(result.bound).toMatch(/file: Read-only file system/);
      expect(result.bound).toMatch(new RegExp(`^${folder}/d ro,nosuid,nodev,noexec`, 'm'));
    }
  });

  it('without Landlock: what nothing else holds is refused, the rest works', async () => {
    const result = await inSubprocess(
      async ({ runIsolated, failureOf }) => {
        const plain = await runIsolated('echo', ['fine']);
        const network = await failureOf(() => runIsolated('true', [], { net: 'host' }));
        const degraded = await runIsolated('true', [], { net: 'host', onUnsupported: 'degrade' });
        const asked = await runIsolated('true', [], { net: 'host', scope: false });
        return {
          plain: plain.stdout,
          landlock: plain.enforcement.landlock,
          network: network?.code,
          missing: degraded.enforcement.missing.map(({ feature }) => feature),
          asked: [asked.exitCode, asked.enforcement.missing],
        };
      },
      { user, before: without(LANDLOCK_CREATE_RULESET) },
    );
    expect(result).toEqual({
      plain: 'fine\n',
      landlock: null,
      network: 'ERR_CLOISTER_UNSUPPORTED',
      missing: ['scope'],
      asked: [0, []],
    });
  });
});
