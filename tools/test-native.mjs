// Builds and runs the C++ unit tests with plain cmake, which needs no Node headers for them.
//   --sanitize=address,undefined   with these sanitizers, in a build folder of their own
//   --filter=REGEX                 only these test files
//   --coverage                     and tell which lines they reach, with gcov; the details are in build-native/coverage/report
//   --fuzz=SECONDS                 instead of the tests: each fuzz target for that long, with clang

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import path from 'node:path';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    sanitize: { type: 'string', default: '' },
    filter: { type: 'string', default: '' },
    coverage: { type: 'boolean', default: false },
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
  if (values.coverage) {
    coverage();
    return;
  }
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

/** Lines of native/ that the unit tests reach, by folder. What only whole cells reach is not among them: see `npm run coverage` for the TypeScript. */
function coverage() {
  // Counting at every branch without the optimiser takes longer than the tests' own limit on time.
  const flags = '--coverage -O1';
  const settings = ['-DCMAKE_BUILD_TYPE=Debug', `-DCMAKE_CXX_FLAGS=${flags}`, `-DCMAKE_EXE_LINKER_FLAGS=--coverage`];
  const folder = build('coverage', settings, ['native-tests']);
  must('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error']);
  const report = path.join(folder, 'report');
  rmSync(report, { recursive: true, force: true });
  mkdirSync(report);
  const counters = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.gcda'));
  const files = counters.map((name) => path.join(folder, name));
  must('gcov', ['--source-prefix', root, '--relative-only', ...files], { cwd: report, stdio: 'ignore' });
  const folders = {};
  for (const name of readdirSync(report).filter((each) => each.endsWith('.gcov'))) {
    const lines = readFileSync(path.join(report, name), 'utf8').split('\n');
    const source = /Source:native\/([^/]+)\//.exec(lines[0])?.[1];
    if (source !== undefined) {
      const reached = lines.filter((line) => /^\s*\d+\*?:/.test(line)).length;
      const missed = lines.filter((line) => /^\s*(#####|=====):/.test(line)).length;
      const sum = (folders[source] ??= { reached: 0, missed: 0 });
      sum.reached += reached;
      sum.missed += missed;
    }
  }
  for (const [name, { reached, missed }] of Object.entries(folders).sort()) {
    const share = ((100 * reached) / (reached + missed)).toFixed(1);
    console.log(`${name.padEnd(12)} ${share.padStart(5)} %  (${reached} of ${reached + missed} lines)`);
  }
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
