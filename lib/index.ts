/** The package's main entry point. */

export { enterCell } from './cell/enter.js';
export { grace } from './cell/grace.js';
export { CloisterError } from './errors.js';
export type { CloisterErrorCode, PolicyIssue } from './errors.js';
export { probe } from './host/probe.js';
export type { Support } from './host/types.js';
export { runIsolated } from './image/run.js';
export { spawnIsolated } from './image/spawn.js';
export type * from './policy/types.js';
export { pledge, unveil } from './restrict/pledge.js';
export { restrictSelf } from './restrict/self.js';
export { onSelfViolation } from './restrict/watch.js';
