// `npm run test:package`: the tarball as a stranger gets it. Packs the package, installs it with each package manager into an empty project where no
// compiler is on the path, uses it from every kind of module and from the command line, and removes it again. Prints a table; fails when a row fails.
// Needs prebuilds for this machine (`npm run pack:prebuilds`) and a registry for the dependencies: the one that npm is set up with.
//   npm run test:package [-- npm pnpm yarn yarn-pnp]

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { CHECKS } from './checks.mjs';
import { MANAGERS, installManagers } from './managers.mjs';
import { command, pathWithoutCompilers, ROOT } from './shell.mjs';

const wanted = process.argv.slice(2);
const chosen = wanted.length > 0 ? wanted : Object.keys(MANAGERS);
assert.ok(
  chosen.every((name) => Object.hasOwn(MANAGERS, name)),
  `there are ${Object.keys(MANAGERS).join(', ')}`,
);

const scratch = mkdtempSync(path.join(tmpdir(), 'cloister-package-'));
process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** Packs what is built, after a look at whether it is what belongs into a release for this machine. */
function pack() {
  const options = { cwd: ROOT, env: process.env };
  const [report] = JSON.parse(
    command('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch], options).stdout,
  );
  const files = report.files.map((file) => file.path);
  const folder = `prebuilds/${process.platform}-${process.arch}`;
  for (const file of ['dist/index.js', 'dist/index.cjs', 'dist/index.d.cts', `${folder}/cloister-launcher`]) {
    assert.ok(files.includes(file), `${file} is not in the tarball: npm run build && npm run pack:prebuilds`);
  }
  assert.ok(
    files.some((file) => file.startsWith(folder) && file.endsWith('.node')),
    `no addon in ${folder}`,
  );
  const foreign = files.filter((file) => /^(lib|test|docs|bench|build|node_modules|\.)/.test(file));
  assert.deepEqual(foreign, [], 'files that do not belong into the tarball');
  const scripts = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')).scripts;
  for (const hook of ['preinstall', 'install', 'postinstall']) {
    assert.equal(scripts[hook], undefined, `the package has the script ${hook}`);
  }
  return path.join(scratch, report.filename);
}

function passedOn(names) {
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

function report(manager, name, deed) {
  const started = performance.now();
  try {
    deed();
  } catch (error) {
    console.log(`FAIL ${manager}: ${name}\n${error.stack}`);
    return false;
  }
  console.log(`ok   ${manager}: ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  return true;
}

const tarball = pack();
console.log(`packed ${path.basename(tarball)}`);
const environment = {
  PATH: pathWithoutCompilers(path.join(scratch, 'bin')),
  HOME: path.join(scratch, 'home'),
  npm_config_registry: command('npm', ['config', 'get', 'registry'], { env: process.env }).stdout.trim(),
  npm_config_cache: path.join(scratch, 'npm-cache'),
  npm_config_fund: 'false',
  npm_config_audit: 'false',
  npm_config_update_notifier: 'false',
  LANG: 'C.UTF-8',
  // How this machine reaches its registry.
  ...passedOn(['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy']),
};
mkdirSync(environment.HOME);
const managersHome = installManagers(path.join(scratch, 'managers'), environment, chosen);

let failures = 0;
for (const name of chosen) {
  const project = path.join(scratch, `project-${name}`);
  mkdirSync(project);
  const manager = MANAGERS[name]({ project, tarball, environment, managersHome });
  const installed = report(name, 'installs without a compiler', () => manager.install());
  const checks = installed ? CHECKS.filter(({ only }) => only === undefined || only.includes(name)) : [];
  const results = checks.map(({ title, check }) => report(name, title, () => check({ project, manager, environment })));
  const removed = report(name, 'removes it without a trace', () => {
    manager.remove();
    assert.ok(!existsSync(path.join(project, 'node_modules', 'cloister')));
    const { dependencies = {} } = JSON.parse(readFileSync(path.join(project, 'package.json'), 'utf8'));
    assert.deepEqual(dependencies, {});
    const left = command('find', [project, '-iname', '*cloister*'], { env: process.env }).stdout;
    assert.equal(left, '');
  });
  failures += [installed, removed, ...results].filter((passed) => !passed).length;
}
console.log(failures === 0 ? 'the package works as it is packed' : `${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
