/**
 * Members that are right one by one and wrong together. Looks at the unvalidated copy, so that these issues are reported along with all others;
 * what has the wrong type is somebody else's issue and is passed over.
 */

import type { PolicyIssue } from '../errors.js';

type Loose = Readonly<Record<string, unknown>>;

export function conflicts(options: unknown): PolicyIssue[] {
  if (typeof options !== 'object' || options === null) {
    return [];
  }
  const given = options as Loose;
  return [
    ...terminalConflicts(given),
    ...outputConflicts(given),
    ...inputConflicts(given),
    ...promiseConflicts(given),
    ...filterConflicts(given),
  ];
}

function conflict(path: string, message: string): PolicyIssue {
  return { code: 'conflict', path, message };
}

function terminalConflicts({ pty, stdio }: Loose): PolicyIssue[] {
  return pty !== undefined && [0, 1, 2].some((descriptor) => !isPipe(stdio, descriptor))
    ? [conflict('stdio', "descriptors 0 to 2 belong to the terminal of 'pty'")]
    : [];
}

function outputConflicts({ limits, stdio, pty }: Loose): PolicyIssue[] {
  const output = typeof limits === 'object' && limits !== null ? (limits as Loose)['output'] : undefined;
  const counted = isPipe(stdio, 1) && isPipe(stdio, 2) && pty === undefined;
  return output !== undefined && !counted
    ? [conflict('limits.output', "needs stdout and stderr to be 'pipe': nothing else can be counted")]
    : [];
}

function inputConflicts({ input, stdio, pty }: Loose): PolicyIssue[] {
  return input !== undefined && pty === undefined && !isPipe(stdio, 0)
    ? [conflict('input', "needs stdin to be 'pipe'")]
    : [];
}

/** The promise `error` is another way to write onViolation 'error'. */
function promiseConflicts({ pledge, onViolation }: Loose): PolicyIssue[] {
  const words: unknown = typeof pledge === 'string' ? pledge.split(/\s+/) : pledge;
  const promised = Array.isArray(words) && words.includes('error');
  return promised && onViolation !== undefined && onViolation !== 'error'
    ? [conflict('onViolation', "contradicts the promise 'error', which means onViolation 'error'")]
    : [];
}

/** Nobody would answer in a cell: the launcher's own listener is the only one that the kernel allows. */
function filterConflicts({ seccomp }: Loose): PolicyIssue[] {
  if (typeof seccomp !== 'object' || seccomp === null) {
    return [];
  }
  const { rules, defaultAction, foreignArchAction, unknownSyscallAction } = seccomp as Loose;
  const actions = [
    ...Object.entries({ defaultAction, foreignArchAction, unknownSyscallAction }),
    ...(Array.isArray(rules)
      ? rules.map((rule: unknown, index) => [`rules[${String(index)}].action`, actionOf(rule)] as const)
      : []),
  ];
  return actions
    .filter(
      ([, action]) =>
        action === 'notify' || (typeof action === 'object' && action !== null && Object.hasOwn(action, 'trace')),
    )
    .map(([path]) =>
      conflict(`seccomp.${path}`, "'notify' and 'trace' need somebody who answers, and in a cell there is nobody"),
    );
}

function actionOf(rule: unknown): unknown {
  return typeof rule === 'object' && rule !== null ? (rule as Loose)['action'] : undefined;
}

/** Whether a descriptor is a pipe, as child_process.spawn reads `stdio`. */
function isPipe(stdio: unknown, descriptor: number): boolean {
  const entry: unknown = Array.isArray(stdio) ? stdio[descriptor] : stdio;
  return entry === undefined || entry === null || entry === 'pipe';
}
