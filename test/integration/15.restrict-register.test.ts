import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { afterAll, describe, expect, it } from 'vitest';

import { NODE } from '../support/in-subprocess.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const scratch = mkdtempSync('/tmp/cloister-register-');
afterAll(() => {
  rmSync(scratch, { recursive: true });
});

const APPLICATION = `
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
console.log('first line');
try { readFileSync('/etc/hostname'); console.log('read'); } catch (error) { console.log(error.code); }
new Worker('console.log("worker")', { eval: true });
`;

function run(
  policy: unknown,
  { file = 'policy.json', before = [] }: { file?: string; before?: readonly string[] } = {},
): { status: number | null; stdout: string; stderr: string } {
  writeFileSync(`${scratch}/app.mjs`, APPLICATION);
  if (policy !== undefined) {
    writeFileSync(`${scratch}/policy.json`, typeof policy === 'string' ? policy : JSON.stringify(policy));
  }
  const earlier = before.flatMap((module) => ['--require', module]);
  const { status, stdout, stderr } = spawnSync(
    NODE,
    [...earlier, '--import', `${ROOT}dist/register.js`, `${scratch}/app.mjs`],
    {
      timeout: 30_000,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...(policy === undefined ? {} : { CLOISTER_POLICY: `${scratch}/${file}` }) },
    },
  );
  return { status, stdout, stderr };
}

describe('the preload cloister/register', () => {
  it('applies the policy before the first line of the application, and leaves Workers alone', () => {
    const { status, stdout, stderr } = run({ $schema: 'x', unveil: { [scratch]: 'r' } });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'first line\nEACCES\nworker\n', stderr: '' });
  });

  it('lets the application read what the policy grants', () => {
    expect(run({ unveil: { [scratch]: 'r', '/etc/hostname': 'r' } }).stdout).toBe('first line\nread\nworker\n');
  });

  it.each([
    [undefined, 'CLOISTER_POLICY is not set'],
    ['{', 'cannot read the policy'],
    ['[]', 'it must be an object'],
    [{ unveil: { '/nowhere': 'r' } }, 'cannot unveil /nowhere'],
    [{ root: 'host' }, 'root: unknown key'],
  ])('ends the process before the first line with %j', (policy, message) => {
    const { status, stdout, stderr } = run(policy);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('ends the process although an earlier preload takes all errors, and keeps the event loop busy', () => {
    writeFileSync(
      `${scratch}/earlier.cjs`,
      "process.on('uncaughtException', () => {}); process.on('unhandledRejection', () => {}); setInterval(() => {}, 1000);",
    );
    const { status, stdout, stderr } = run({ unveil: { '/nowhere': 'r' } }, { before: [`${scratch}/earlier.cjs`] });
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain('cannot unveil /nowhere');
  });

  it('does not let a Worker run that has it alone, in a process that is not restricted', () => {
    writeFileSync(`${scratch}/worker.cjs`, 'console.log("ran")');
    writeFileSync(`${scratch}/policy.json`, JSON.stringify({ unveil: { [scratch]: 'r', [ROOT]: 'r' } }));
    const program = `new (require('node:worker_threads').Worker)('${scratch}/worker.cjs', JSON.parse(process.argv[1]))
      .on('error', (error) => console.log(error.code));`;
    const preload = ['--import', `${ROOT}dist/register.js`];
    const start = (nodeArguments: string[], workerOptions: object): string =>
      spawnSync(NODE, [...nodeArguments, '-e', program, JSON.stringify(workerOptions)], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], CLOISTER_POLICY: `${scratch}/policy.json` },
      }).stdout;
    expect(start([], { execArgv: preload })).toBe('ERR_CLOISTER_UNSUPPORTED\n');
    expect(start([], {})).toBe('ran\n');
    expect(start(preload, {})).toBe('ran\n');
  });

  it('ends the process when the policy is not there', () => {
    expect(run({}, { file: 'absent.json' })).toMatchObject({ status: 1, stdout: '' });
  });
});
