// Who may import whom in lib/: imports point downwards only. Type-only imports count too.

/** For each module the modules that it may import, and those of which it may import types alone. */
const modules = {
  util: { may: [] },
  errors: { may: ['util'] },
  policy: { may: ['errors', 'util'] },
  native: { may: ['errors'], types: ['plan'] },
  filter: { may: ['policy', 'native', 'errors', 'util'] },
  host: { may: ['native', 'errors', 'util'] },
  plan: { may: ['policy', 'errors', 'util'], types: ['host'] },
  restrict: { may: ['policy', 'plan', 'filter', 'host', 'native', 'errors', 'util'] },
  cell: { may: ['policy', 'plan', 'filter', 'host', 'native', 'errors', 'util'] },
  isolate: { may: ['cell', 'restrict', 'policy', 'errors', 'util'] },
  archive: { may: ['cell', 'policy', 'errors', 'util'] },
  image: { may: ['archive', 'cell', 'policy', 'host', 'native', 'errors', 'util'] },
};

/** A module is a folder of lib/, a file of that name beside it, or both. */
const pathOf = (names) => `^lib/(${names.join('|')})(/|\\.ts$)`;

const layering = Object.entries(modules).flatMap(([name, { may, types = [] }]) => [
  {
    name: `lib-${name}`,
    comment: `lib/${name} may import ${[...may, ...types.map((other) => `types of ${other}`)].join(', ') || 'nothing'}.`,
    severity: 'error',
    from: { path: pathOf([name]) },
    to: { path: '^lib/', pathNot: pathOf([name, ...may, ...types]) },
  },
  ...types.map((other) => ({
    name: `lib-${name}-types-of-${other}`,
    comment: `lib/${name} may import types of lib/${other} and nothing else of it.`,
    severity: 'error',
    from: { path: pathOf([name]) },
    to: { path: pathOf([other]), dependencyTypesNot: ['type-only'] },
  })),
]);

/** Runtime dependencies that have one place in the code. */
const places = {
  zod: '^lib/policy/zod\\.ts$',
  commander: '^lib/cli/',
  picocolors: '^lib/cli/',
  'cli-progress': '^lib/cli/',
  ...Object.fromEntries(
    ['yauzl', 'tar-stream', 'seek-bzip', 'xz-decompress', 'zstddec'].map((name) => [name, '^lib/archive/worker/']),
  ),
};

const single = Object.entries(places).map(([dependency, place]) => ({
  name: `only-place-of-${dependency}`,
  severity: 'error',
  from: { path: '^lib/', pathNot: place },
  to: { path: `^node_modules/${dependency}/` },
}));

export default {
  forbidden: [
    ...layering,
    ...single,
    {
      name: 'no-circular',
      comment: 'Two files may name each other in types; at run time there is a first and a second.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      from: {},
      // That one is a file of the package which tools/build-ts.mjs finds.
      to: { couldNotResolve: true, pathNot: '^tar-stream/headers$' },
    },
    {
      name: 'no-development-dependency',
      comment:
        'What is shipped needs nothing that is not installed with it. The unpacker and lib/policy/zod.ts are shipped as one file each with their libraries in it.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/(archive/worker/|policy/zod\\.ts$)' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'unpacker-apart',
      comment: 'What parses archives runs in the cell alone.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/archive/worker/' },
      to: { path: '^lib/archive/worker/' },
    },
    {
      name: 'unpacker-small',
      comment: 'The cell has the unpacker and what both sides agree on.',
      severity: 'error',
      from: { path: '^lib/archive/worker/' },
      to: {
        path: '^lib/',
        pathNot: '^lib/archive/(worker/|(names|links|messages)\\.ts$)',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'lib-stays-within-lib',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(test|bench|tools|examples|dist)/' },
    },
  ],
  options: {
    moduleSystems: ['es6'],
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs'],
    },
  },
};
