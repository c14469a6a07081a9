import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

const inRoot = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Tests import the sources under the package's own name; the programs that they start use dist/. */
const alias = [
  { find: /^cloister$/, replacement: inRoot('lib/index.ts') },
  { find: 'tar-stream/headers', replacement: inRoot('node_modules/tar-stream/headers.js') },
  { find: /^cloister\/(seccomp|archive|register)$/, replacement: inRoot('lib/$1.ts') },
];

function project(name: string, settings: TestProjectInlineConfiguration['test'] = {}): TestProjectInlineConfiguration {
  return {
    resolve: { alias },
    test: { name, include: [`test/${name}/**/*.test.ts`], pool: 'forks', ...settings },
  };
}

/** Projects that start programs need dist/ and the native parts in step with the sources. */
const built = {
  globalSetup: 'tools/vitest-build.mjs',
  testTimeout: 30_000,
  hookTimeout: 30_000,
};

/** Suites that meet the kernel: what a machine lacks is skipped by test/support/needs.ts, or fails by CLOISTER_REQUIRE. */
const gated = {
  ...built,
  globalSetup: [built.globalSetup, 'test/support/features-setup.ts'],
  setupFiles: ['test/support/features.ts'],
};

export default defineConfig({
  test: {
    // The tests start programs and wait for deadlines: more workers than this only make each of them slower.
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['lib/**/*.ts'],
      reporter: ['text-summary', 'html'],
    },
    projects: [
      // Random policies and plans by the thousand: a slow machine takes longer than the usual limit.
      project('unit', { testTimeout: 60_000 }),
      project('types', {
        include: [],
        // Errors outside of the type tests themselves are the business of "npm run check:types".
        typecheck: {
          enabled: true,
          only: true,
          ignoreSourceErrors: true,
          include: ['test/types/**/*.test.ts'],
          tsconfig: 'test/types/tsconfig.json',
        },
      }),
      project('integration', gated),
      project('escape', gated),
      project('cli', built),
      project('docs', built),
      // Thousands of spawns: a run of its own, `npm run test:leak`.
      project('leak', { ...built, testTimeout: 600_000 }),
    ],
  },
});
