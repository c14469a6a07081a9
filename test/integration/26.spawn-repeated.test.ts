/**
 * The same policy again and again: the launcher then makes the next cell's mounts ahead of time. Whatever has happened on the host meanwhile, the
 * cell must see what it would see without that.
 */

import { describe, expect, it } from 'vitest';

import { inSubprocess, USERS } from '../support/in-subprocess.js';

describe.each(USERS)('cells of one policy in a row, as %s', (user) => {
  it('show the directory that is there now, not the one that was', async () => {
    const results = await inSubprocess(
      async ({ runIsolated, fs, os, timers }) => {
        const base = fs.mkdtempSync(`${os.tmpdir()}/cloister-repeated-`);
        fs.chmodSync(base, 0o755);
        const directory = `${base}/work`;
        const seen: unknown[] = [];
        for (let round = 0; round < 12; round += 1) {
          fs.mkdirSync(directory);
          fs.writeFileSync(`${directory}/in`, String(round));
          const { stdout } = await runIsolated('sh', ['-c', `cat ${directory}/in; echo ${round} > ${directory}/out`], {
            unveil: { [directory]: 'rwc' },
          });
          seen.push([stdout, fs.readFileSync(`${directory}/out`, 'utf8').trim()]);
          fs.rmSync(directory, { recursive: true });
          // Time for the next cell's mounts to be made while there is nothing to mount.
          await timers.setTimeout(round % 2 === 0 ? 20 : 0);
        }
        fs.rmSync(base, { recursive: true });
        return seen;
      },
      { user },
    );
    expect(results).toEqual(Array.from({ length: 12 }, (_, round) => [String(round), String(round)]));
  });

  it('show a file that was replaced by rename(2)', async () => {
    const results = await inSubprocess(
      async ({ runIsolated, fs, os, timers }) => {
        const base = fs.mkdtempSync(`${os.tmpdir()}/cloister-repeated-`);
        fs.chmodSync(base, 0o755);
        const file = `${base}/file`;
        const seen: string[] = [];
        for (let round = 0; round < 8; round += 1) {
          fs.writeFileSync(`${file}.new`, `round ${round}`);
          fs.renameSync(`${file}.new`, file);
          const { stdout } = await runIsolated('cat', [file], { unveil: { [file]: 'r' } });
          seen.push(String(stdout));
          await timers.setTimeout(20);
        }
        fs.rmSync(base, { recursive: true });
        return seen;
      },
      { user },
    );
    expect(results).toEqual(Array.from({ length: 8 }, (_, round) => `round ${round}`));
  });

  it('share nothing: each has a new /tmp, and its own files of the policy', async () => {
    const results = await inSubprocess(
      async ({ runIsolated }) => {
        const seen: string[] = [];
        for (let round = 0; round < 9; round += 1) {
          const content = `content ${round % 3 === 2 ? 'b' : 'a'}`;
          const { stdout } = await runIsolated('sh', ['-c', 'ls /tmp; touch /tmp/left; cat /policy-file'], {
            mounts: [{ type: 'file', target: '/policy-file', content }],
          });
          seen.push(String(stdout));
        }
        return seen;
      },
      { user },
    );
    expect(results).toEqual(Array.from({ length: 9 }, (_, round) => `content ${round % 3 === 2 ? 'b' : 'a'}`));
  });

  it('take a policy, an id and a host name of their own in between', async () => {
    const results = await inSubprocess(
      async ({ runIsolated }) => {
        const seen: string[] = [];
        for (let round = 0; round < 8; round += 1) {
          const { stdout } = await runIsolated('sh', ['-c', 'hostname; id -u; ls -d /extra 2>/dev/null'], {
            hostname: `h${Math.floor(round / 3)}`,
            user: { uid: 1000 + Math.floor(round / 4) },
            mounts: round % 2 === 0 ? [] : [{ type: 'directory', target: '/extra' }],
          });
          seen.push(String(stdout).trim().replaceAll('\n', ' '));
        }
        return seen;
      },
      { user },
    );
    const expected = Array.from(
      { length: 8 },
      (_, round) => `h${Math.floor(round / 3)} ${1000 + Math.floor(round / 4)}${round % 2 === 0 ? '' : ' /extra'}`,
    );
    expect(results).toEqual(expected);
  });

  it('do not keep a file of the host busy for long', async () => {
    const left = await inSubprocess(
      async ({ runIsolated, fs, os, timers }) => {
        const base = fs.mkdtempSync(`${os.tmpdir()}/cloister-repeated-`);
        fs.chmodSync(base, 0o755);
        for (let round = 0; round < 3; round += 1) {
          await runIsolated('true', [], { unveil: { [base]: 'r' } });
        }
        await timers.setTimeout(50);
        // A mount shows in the mountinfo of the process that has it.
        const holders = (): number =>
          fs
            .readdirSync('/proc')
            .filter((name) => /^\d+$/.test(name))
            .filter((pid) => {
              try {
                return fs.readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(base);
              } catch {
                return false;
              }
            }).length;
        const before = holders();
        await timers.setTimeout(4000);
        const after = holders();
        fs.rmSync(base, { recursive: true });
        return { before, after };
      },
      { user },
    );
    expect(left.after).toBe(0);
    expect(left.before).toBe(1);
  });
});
