// Builds and runs the C++ unit tests with plain cmake, which needs no Node headers for them.
//   --sanitize=address,undefined   with these sanitizers, in a build folder of their own
//   --filter=REGEX                 only these test files
//   --fuzz=SECONDS                 instead of the tests: each fuzz target for that long, with clang

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    sanitize: { type: 'string', default: '' },
    filter: { type: 'string', default: '' },
    fuzz: { type: 'string', default: '' },
  },
});

function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error !== undefined) {
    console.error(`cannot run ${command}: ${error.message}`);
  }
  return error === undefined && signal === null && status === 0;
}

function must(...call) {
  if (!run(...call)) {
    process.exit(1);
  }
}

function sourcesIn(folder) {
  const directory = path.join(root, folder);
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.cc')) : [];
}

function build(variant, settings, targets) {
  const folder = path.join(root, 'build-native', variant);
  const quiet = { stdio: ['ignore', 'ignore', 'inherit'] };
  const werror = `-DCLOISTER_WERROR=${process.env.CLOISTER_WERROR === '1' ? 'ON' : 'OFF'}`;
  must('cmake', ['-S', root, '-B', folder, werror, ...settings], quiet);
  // CMake prints a line for every object; compilers' messages go to standard error and are shown.
  const jobs = `--parallel=${availableParallelism()}`;
  must('cmake', ['--build', folder, jobs, '--target', ...targets], quiet);
  return folder;
}

function test() {
  const variant = values.sanitize === '' ? 'test' : `test-${values.sanitize.replaceAll(',', '-')}`;
  const folder = build(
    variant,
    ['-DCMAKE_BUILD_TYPE=Debug', `-DCLOISTER_SANITIZE=${values.sanitize}`],
    ['native-tests'],
  );
  const reports = path.join(root, 'reports');
  mkdirSync(reports, { recursive: true });
  const report = path.join(reports, `ctest-${variant}.xml`);
  rmSync(report, { force: true });
  const filter = values.filter === '' ? [] : ['--tests-regex', values.filter];
  const args = ['--test-dir', folder, '--output-on-failure', '--no-tests=error', '--output-junit', report, ...filter];
  must('ctest', args);
}

/** Each target keeps what it found interesting in .cache/fuzz and starts from test/fuzz/corpus/NAME too. */
function fuzz(seconds) {
  const clang = ['19', '18', '17', '16', '15', '14'].find((version) =>
    run(`clang++-${version}`, ['--version'], { stdio: 'ignore' }),
  );
  if (clang === undefined) {
    console.error('fuzz targets need clang (tools/install-debian-packages.sh installs it)');
    process.exit(1);
  }
  const compilers = [`-DCMAKE_C_COMPILER=clang-${clang}`, `-DCMAKE_CXX_COMPILER=clang++-${clang}`];
  const settings = ['-DCMAKE_BUILD_TYPE=RelWithDebInfo', '-DCLOISTER_FUZZ=ON', '-DCLOISTER_SANITIZE=address,undefined'];
  const folder = build('fuzz', [...compilers, ...settings], ['fuzz-targets']);
  for (const name of sourcesIn('test/fuzz').map((file) => path.basename(file, '.cc'))) {
    const found = path.join(root, '.cache', 'fuzz', name);
    mkdirSync(found, { recursive: true });
    const seeds = path.join(root, 'test', 'fuzz', 'corpus', name);
    const corpora = existsSync(seeds) ? [found, seeds] : [found];
    const args = [`-max_total_time=${seconds}`, '-print_final_stats=1', `-artifact_prefix=${found}/`, ...corpora];
    must(path.join(folder, `fuzz-${name}`), args);
  }
}

if (!run('cmake', ['--version'], { stdio: 'ignore' })) {
  console.error('the C++ unit tests need cmake 3.21 or newer (Debian: apt-get install cmake)');
  process.exit(1);
}
if (values.fuzz === '') {
  test();
} else {
  fuzz(Number(values.fuzz));
}
