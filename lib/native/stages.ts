// Generated from native/plan/stages.def by tools/generate-stages.mjs.

/** The stages of a cell's start, in the order in which the launcher runs them; the index is the number on the wire. */
export const STAGE_NAMES = [
  'clone',
  'ids',
  'mounts',
  'network',
  'privileges',
  'landlock',
  'stdio',
  'limits',
  'init',
  'filter',
  'exec',
] as const;
