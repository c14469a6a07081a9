/** What is made beside the destination, while somebody else may write there. Each test puts his deed between two calls of ours. */

import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { CloisterError } from '../../../lib/errors.js';
import { Staging } from '../../../lib/archive/staging.js';

const real = { ...fs };
let folder = '';
const at = (name: string): string => path.join(folder, name);

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'cloister-staging-'));
});
afterEach(() => {
  Object.assign(fs, { mkdirSync: real.mkdirSync, renameSync: real.renameSync, chmodSync: real.chmodSync });
  syncBuiltinESMExports();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Once, right after (or before) the named call. */
function interpose(name: 'mkdirSync' | 'renameSync' | 'chmodSync', when: 'before' | 'after', deed: () => void): void {
  let pending = true;
  const original = real[name] as (...words: unknown[]) => unknown;
  const once = (): void => {
    if (pending) {
      pending = false;
      deed();
    }
  };
  Object.assign(fs, {
    [name]: (...words: unknown[]) => {
      if (when === 'before') {
        once();
      }
      const result = original(...words);
      once();
      return result;
    },
  });
  syncBuiltinESMExports();
}

const stagingName = (): string => fs.readdirSync(folder).find((name) => name.startsWith('.out.cloister-')) ?? '';
const failureOf = (action: () => unknown): CloisterError => {
  try {
    action();
  } catch (error) {
    if (error instanceof CloisterError) {
      return error;
    }
    throw error;
  }
  throw new Error('it did not fail');
};

describe('the directory beside the destination', () => {
  test('becomes the destination, and leaves nothing', async () => {
    const staging = new Staging({ path: at('out'), overwrite: false });
    fs.writeFileSync(path.join(staging.tree.realPath(), 'f'), 'x');
    expect(fs.statSync(at(stagingName())).mode & 0o777).toBe(0o700);
    staging.publish();
    await staging.remove();
    expect(fs.readdirSync(folder)).toEqual(['out']);
    expect(fs.readdirSync(at('out'))).toEqual(['f']);
  });

  test('is not used where another one with something in it has taken its place, which stays as it is', () => {
    fs.mkdirSync(at('mine'));
    fs.writeFileSync(at('mine/precious'), 'x');
    interpose('mkdirSync', 'after', () => {
      const name = stagingName();
      real.renameSync(at(name), at('stolen'));
      real.renameSync(at('mine'), at(name));
    });
    const { message } = failureOf(() => new Staging({ path: at('out'), overwrite: false }));
    expect(message).toContain('somebody is exchanging what is made beside it');
    expect(fs.readdirSync(at(stagingName()))).toEqual(['precious']);
  });

  test('is not followed where a link has taken its place', () => {
    fs.mkdirSync(at('mine'));
    interpose('mkdirSync', 'after', () => {
      const name = stagingName();
      real.renameSync(at(name), at('stolen'));
      fs.symlinkSync('mine', at(name));
    });
    const { code } = failureOf(() => new Staging({ path: at('out'), overwrite: false }));
    expect(code).toBe('ERR_CLOISTER_SETUP');
    expect(fs.readdirSync(at('mine'))).toEqual([]);
  });

  test('is emptied wherever it was moved to, and what has its name now stays', async () => {
    const staging = new Staging({ path: at('out'), overwrite: false });
    fs.writeFileSync(path.join(staging.tree.realPath(), 'f'), 'x');
    const name = stagingName();
    fs.renameSync(at(name), at('stolen'));
    fs.mkdirSync(at(name));
    await staging.remove();
    expect(fs.readdirSync(folder).sort()).toEqual([name, 'stolen'].sort());
    expect(fs.readdirSync(at('stolen'))).toEqual([]);
  });

  test('does not replace what has come to the destination meanwhile', async () => {
    const staging = new Staging({ path: at('out'), overwrite: false });
    fs.mkdirSync(at('out'));
    fs.writeFileSync(at('out/kept'), 'x');
    expect(
      failureOf(() => {
        staging.publish();
      }).errno,
    ).toBe(-17);
    await staging.remove();
    expect(fs.readdirSync(folder)).toEqual(['out']);
    expect(fs.readdirSync(at('out'))).toEqual(['kept']);
  });

  test('keeps what was replaced where it can neither be put back nor be replaced', async () => {
    fs.mkdirSync(at('out'));
    fs.writeFileSync(at('out/precious'), 'x');
    const staging = new Staging({ path: at('out'), overwrite: true });
    interpose('renameSync', 'after', () => {
      fs.mkdirSync(at('out'));
      fs.writeFileSync(at('out/other'), 'x');
    });
    const { message } = failureOf(() => {
      staging.publish();
    });
    await staging.remove();
    const kept = at(`${stagingName()}/old`);
    expect(message).toContain(`what was there is ${kept}`);
    expect([fs.readdirSync(kept), fs.readdirSync(at('out'))]).toEqual([['precious'], ['other']]);
  });

  test('is removed with whatever is in it, without following a link that takes the place of a directory', async () => {
    fs.mkdirSync(at('victim'));
    fs.chmodSync(at('victim'), 0o755);
    const staging = new Staging({ path: at('out'), overwrite: false });
    const tree = staging.tree.realPath();
    fs.mkdirSync(path.join(tree, 'a/b/c'), { recursive: true });
    fs.chmodSync(path.join(tree, 'a/b'), 0);
    interpose('chmodSync', 'before', () => {
      real.renameSync(tree, at('moved'));
      fs.symlinkSync(at('victim'), tree);
    });
    await staging.remove();
    expect(fs.statSync(at('victim')).mode & 0o777).toBe(0o755);
    expect(fs.readdirSync(folder).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('is not made where the working directory would be replaced, by whatever name', () => {
    fs.symlinkSync(path.dirname(process.cwd()), at('alias'));
    const destination = at(`alias/${path.basename(process.cwd())}`);
    expect(failureOf(() => new Staging({ path: destination, overwrite: true })).code).toBe('ERR_CLOISTER_POLICY');
  });
});
