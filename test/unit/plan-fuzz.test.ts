import fc from 'fast-check';
import { expect, test } from 'vitest';

import { CloisterError } from '../../lib/errors.js';
import { encodePlan } from '../../lib/native/encode.js';
import type { Plan } from '../../lib/plan/types.js';
import type { Mount, SpawnOptions } from '../../lib/policy/types.js';
import { FakeFiles, type FakeMachine, plan, ROOT, USER } from '../support/fake-host.js';

const PATHS = [
  '/',
  '/usr',
  '/usr/bin',
  '/usr/bin/true',
  '/bin',
  '/bin/true',
  '/lib64/new',
  '/etc/passwd',
  '/etc/hosts',
  '/etc/localtime',
  '/srv',
  '/srv/data',
  '/srv/data/secret',
  '/srv/data/new',
  '/srv/data/public',
  '/srv/data/public/index',
  '/srv/socket',
  '/opt/current',
  '/opt/current/run',
  '/opt/tool',
  '/home/user/project',
  '/var/run',
  '/run/resolve',
  '/run/docker.sock',
  '/tmp',
  '/tmp/a/b',
  '/proc/cpuinfo',
  '/proc',
  '/sys/kernel',
  '/dev',
  '/dev/shm',
  '/dev/null',
  '/dev/fuse',
  '/new',
  '/new/deep/er',
  '/nope',
];
const path = fc.constantFrom(...PATHS);
const letters = fc.constantFrom('', 'r', 'rx', 'rw', 'rwc', 'rwxc', 'x');

const mount: fc.Arbitrary<Mount> = fc.oneof(
  fc.record(
    {
      type: fc.constant('bind' as const),
      source: path,
      target: path,
      writable: fc.boolean(),
      optional: fc.boolean(),
      executable: fc.boolean(),
    },
    { requiredKeys: ['type', 'source'] },
  ),
  fc.record({ type: fc.constant('tmpfs' as const), target: path }),
  fc.record(
    { type: fc.constant('overlay' as const), lower: path, target: path, upper: path },
    { requiredKeys: ['type', 'lower', 'target'] },
  ),
  fc.record({ type: fc.constant('file' as const), target: path, content: fc.string(), writable: fc.boolean() }),
  fc.record({ type: fc.constant('directory' as const), target: path }),
  fc.record({ type: fc.constant('symlink' as const), target: path, to: path }),
  fc.record({ type: fc.constant('proc' as const), target: path }),
  fc.record({ type: fc.constant('dev' as const), target: path }),
);

const options: fc.Arbitrary<SpawnOptions> = fc.record(
  {
    unveil: fc.dictionary(path, letters, { maxKeys: 6 }),
    mounts: fc.array(mount, { maxLength: 6 }),
    root: fc.oneof(
      fc.constantFrom('system' as const, 'host' as const, 'empty' as const),
      fc.record({ directory: path, writable: fc.constantFrom<(boolean | 'discard')[]>(true, false, 'discard') }),
    ),
    onUnsupported: fc.constantFrom('error' as const, 'degrade' as const),
    net: fc.constantFrom('none' as const, 'host' as const),
  },
  { requiredKeys: [] },
);

const machine: fc.Arbitrary<FakeMachine> = fc.record({
  caller: fc.constantFrom(USER, ROOT),
  features: fc.record({
    overlay: fc.boolean(),
    realRoot: fc.boolean(),
    idMappedBinds: fc.boolean(),
    freshProc: fc.boolean(),
  }),
});

const REFUSALS = ['ERR_CLOISTER_POLICY', 'ERR_CLOISTER_NOT_FOUND', 'ERR_CLOISTER_UNSUPPORTED'];

/** Real paths of the host that a policy lets the cell write to. */
function writablePaths({ unveil = {}, mounts = [], root }: SpawnOptions, files: FakeFiles): string[] {
  const granted = [
    ...Object.entries(unveil).flatMap(([key, value]) => (/[wc]/.test(value) ? [key] : [])),
    ...mounts.flatMap((entry) => (entry.type === 'bind' && entry.writable === true ? [entry.source] : [])),
    // overlayfs needs the directory above, which only the stage shows.
    ...mounts.flatMap((entry) => (entry.type === 'overlay' && entry.upper !== undefined ? [`${entry.upper}/..`] : [])),
    ...(typeof root === 'object' && 'directory' in root && root.writable === true ? [root.directory] : []),
  ];
  return granted.flatMap((key) => files.realPath(key) ?? []);
}

function checkPlan({ mounts }: Plan, policy: SpawnOptions, files: FakeFiles): void {
  let filesystems = 0;
  const writable = writablePaths(policy, files);
  for (const operation of mounts) {
    if ('at' in operation) {
      expect(operation.at.path).toMatch(/^\/$|^(\/[^/]+)+$/);
      expect(operation.at.path.split('/')).not.toContain('..');
    }
    if ('filesystem' in operation) {
      expect(operation.filesystem).toBeLessThan(filesystems);
      expect(operation.path).toMatch(/^[^/]+(\/[^/]+)*$/);
    }
    if (operation.kind === 'bind' && operation.from.in === 'host') {
      expect(files.realPath(operation.from.path)).toBe(operation.from.path);
      expect(operation.writable ? writable : [operation.from.path]).toContain(operation.from.path);
      expect(operation.at.in === 'root' ? operation.from.path : '').not.toMatch(/^\/(proc|$)/);
    }
    filesystems += operation.kind === 'tmpfs' || operation.kind === 'overlay' ? 1 : 0;
  }
}

test('any policy becomes a plan that keeps to it, or is refused', () => {
  let planned = 0;
  fc.assert(
    fc.property(options, machine, (policy, host) => {
      const files = new FakeFiles();
      let compiled: Plan;
      try {
        compiled = plan(policy, { ...host, files }).plan;
      } catch (error) {
        expect(error).toBeInstanceOf(CloisterError);
        expect(REFUSALS).toContain((error as CloisterError).code);
        expect((error as CloisterError).message).not.toContain('BUG');
        return;
      }
      planned++;
      checkPlan(compiled, policy, files);
      expect(encodePlan(compiled, null).length).toBeGreaterThan(100);
    }),
    { numRuns: 3000 },
  );
  expect(planned).toBeGreaterThan(100);
}, 60_000);

test('what a policy hides is hidden whatever else it grants', () => {
  fc.assert(
    fc.property(
      fc.dictionary(path, fc.constantFrom('r', 'rwc', 'rx'), { maxKeys: 5 }),
      fc.constantFrom('/srv/data/secret', '/opt/current/run', '/opt/tool'),
      (grants, hidden) => {
        const files = new FakeFiles();
        let mounts: Plan['mounts'];
        try {
          mounts = plan({ unveil: { ...grants, [hidden]: '' } }, { files }).plan.mounts;
        } catch {
          return; // Refused as a whole: nothing is shown.
        }
        const real = files.realPath(hidden) ?? hidden;
        const touching = mounts.flatMap((operation) =>
          'at' in operation &&
          operation.at.in === 'root' &&
          operation.kind !== 'seal' &&
          (operation.at.path === real || real.startsWith(`${operation.at.path}/`))
            ? [operation]
            : [],
        );
        const last = touching.at(-1);
        // Nothing of the host that contains the path comes after its cover; or nothing of the host is there at all.
        expect(last?.kind === 'bind').toBe(false);
      },
    ),
    { numRuns: 1000 },
  );
});
