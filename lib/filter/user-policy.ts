/** The `seccomp` of a policy, whichever of its two forms it has. */

import { CloisterError, type PolicyIssue, policyError } from '../errors.js';
import { fromOci } from '../policy/oci.js';
import type { OciSeccompProfile, SeccompPolicy } from '../policy/seccomp-types.js';
import { resolveUnknown } from './compile.js';

/**
 * As a policy of ours, checked.
 *
 * @param capabilities that are kept: profiles allow more to who may do more
 * @throws ERR_CLOISTER_POLICY; the places of issues begin with `seccomp`.
 */
export function userPolicy(given: SeccompPolicy | OciSeccompProfile, capabilities: readonly string[]): SeccompPolicy {
  const policy = 'rules' in given ? given : importProfile(given, capabilities);
  const issues: PolicyIssue[] = [];
  resolveUnknown(policy, issues, ['seccomp']);
  if (issues.length > 0) {
    throw policyError(issues);
  }
  return policy;
}

function importProfile(profile: OciSeccompProfile, capabilities: readonly string[]): SeccompPolicy {
  try {
    // Names that this version does not know: nothing that it could allow.
    const policy = fromOci(profile, { capabilities });
    delete policy.skipped;
    return policy;
  } catch (error) {
    if (error instanceof CloisterError && error.issues !== undefined) {
      throw policyError(
        error.issues.map((issue) => ({
          ...issue,
          path: `seccomp${issue.path === '' || issue.path.startsWith('[') ? '' : '.'}${issue.path}`,
        })),
      );
    }
    throw error;
  }
}
