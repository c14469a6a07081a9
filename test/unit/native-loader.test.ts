import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

import type { CloisterError } from '../../lib/errors.js';
import { noBuildError, notLoadableError, staleBuildError } from '../../lib/native/loader-errors.js';
import { checkLauncher, launcherHint } from '../../lib/native/loader-launcher.js';

const folder = mkdtempSync(path.join(tmpdir(), 'cloister-loader-'));

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function place(name: string, mode: number): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '');
  chmodSync(file, mode);
  return file;
}

function failure(file: string): CloisterError {
  try {
    checkLauncher(file);
  } catch (error) {
    return error as CloisterError;
  }
  throw new Error(`${file} was accepted`);
}

describe('the launcher', () => {
  it('is accepted where it can be executed', () => {
    const file = place('good', 0o755);
    expect(checkLauncher(file)).toBe(file);
  });

  it('that is missing is reported with the mend', () => {
    expect(failure(path.join(folder, 'missing'))).toMatchObject({ code: 'ERR_CLOISTER_SETUP', errno: -2 });
    expect(failure(path.join(folder, 'missing')).hint).toContain('npm run build:native');
  });

  it('that has lost its executable bit is reported with the mend', () => {
    const file = place('plain', 0o644);
    expect(failure(file)).toMatchObject({ code: 'ERR_CLOISTER_SETUP', errno: -13, syscall: 'execve', path: file });
    expect(failure(file).hint).toContain(`chmod +x ${file}`);
  });

  it('inside an asar archive is taken from the unpacked folder beside it, or reported', () => {
    const packed = path.join(folder, 'app.asar', 'launcher');
    expect(failure(packed).hint).toContain('asarUnpack');
    const unpacked = place('app.asar.unpacked/launcher', 0o755);
    expect(checkLauncher(packed)).toBe(unpacked);
  });

  it('that the kernel refused later has a hint by errno', () => {
    const file = place('refused', 0o755);
    expect(launcherHint(file, -13)).toBeDefined();
    expect(launcherHint(file, -8)).toContain('another architecture');
    expect(launcherHint(file, -24)).toContain('ulimit -n');
    expect(launcherHint(file, -22)).toBeUndefined();
  });
});

describe('native parts', () => {
  it('that are missing are reported with every place that was tried and how to build', () => {
    const { message, hint } = noBuildError('/package', new Error('none'));
    expect(message).toContain('/package/build/Release/*.node');
    expect(message).toContain(`/package/prebuilds/${process.platform}-${process.arch}/*.node`);
    expect(hint).toContain('npm run build:native');
  });

  it('for another C library, on a noexec mount, or of another version say so', () => {
    const load = (message: string): string | undefined => notLoadableError('/a.node', new Error(message)).hint;
    expect(load("version `GLIBC_2.38' not found")).toContain('another C library');
    expect(load('failed to map segment from shared object')).toContain('noexec');
    expect(load('invalid ELF header')).toContain('npm run build:native');
    expect(staleBuildError('/a.node', 3, 1).message).toContain('wire version 3, expected 1');
  });
});
