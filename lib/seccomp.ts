/** The filter compiler, usable alone: nothing else of cloister is started by it. */

export { type CloisterErrorCode, CloisterError, type PolicyIssue } from './errors.js';
export { compile, type CompileOptions, compileMerged } from './filter/compile.js';
export { explain, type Explanation } from './filter/explain.js';
export { syscallName, syscallNumber } from './filter/names.js';
export { programFromBytes } from './filter/program.js';
export { fromOci, type ImportedPolicy, type OciOptions } from './policy/oci.js';
export { pledgePolicy, type PledgePolicyOptions } from './policy/promises.js';
export type {
  ArgCondition,
  OciSeccompProfile,
  SeccompAction,
  SeccompArch,
  SeccompCall,
  SeccompPolicy,
  SeccompProgram,
  SeccompRule,
} from './policy/seccomp-types.js';
