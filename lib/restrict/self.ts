/** restrictSelf: this very process gives things up, in every thread, for good. */

import { setupError, unsupported } from '../errors.js';
import { describeCalls } from '../filter/descriptions.js';
import { loadNative, preloadNative } from '../native/binding.js';
import { capabilityMask, mask } from '../native/encode.js';
import type { NativeFailure } from '../native/functions.js';
import { FS_MASKS, NET_MASKS, SCOPE_MASKS } from '../native/landlock-masks.js';
import type {
  LandlockState,
  RestrictFunctions,
  RestrictRequest,
  RestrictResult,
} from '../native/restrict-functions.js';
import {
  downgrade,
  type ImpliedUse,
  type LandlockKernel,
  type LandlockRights,
  type Missing,
  rightsOfUse,
  THREAD_SYNC_ABI,
} from '../plan/landlock.js';
import { FS_RIGHTS } from '../plan/landlock-rights.js';
import { parseRestriction, type SelfPolicy } from '../policy/parse-restriction.js';
import type { Permissions } from '../policy/valid.js';
import type { Enforcement, RestrictionPolicy } from '../policy/types.js';
import { failureError } from './failure.js';
import { arch, type SelfFilter, selfFilter, truncationFiltered } from './filter.js';
import { type GrantContext, grantNamed, grantPaths, grantUse } from './grants.js';
import { impliedDevices, impliedPaths, impliesPaths, TEMPORARY_PLACES } from '../policy/promises/implied-paths.js';
import { report } from './report.js';
import { cannotLog, isTaken, reportUntold, watchFor } from './answering.js';
import type { Watch } from './watch.js';

preloadNative();

/**
 * Restricts the running process for good: every thread that exists (JavaScript workers, the pool of libuv, the helpers of V8) and every thread or
 * child that it starts later. Synchronous. All or nothing: when it throws, nothing was applied; where the process could only be left half
 * restricted, it is ended. Calling it again can only narrow.
 *
 * @param policy what to give up; each member that is left out leaves its part as it was, but for capabilities, which go with any other member.
 * With `onViolation: 'error'` or `'log'` a further process answers for refused calls and tells them: see onSelfViolation.
 *
 * @returns what is in force, read back from the kernel.
 * @throws ERR_CLOISTER_POLICY, ERR_CLOISTER_UNSUPPORTED, ERR_CLOISTER_NOT_FOUND for a path that is not there, ERR_CLOISTER_SETUP.
 * @see landlock(7), seccomp(2), capabilities(7)
 */
export function restrictSelf(policy: RestrictionPolicy): Enforcement {
  const self = parseRestriction(policy);
  const { addon: native, launcherPath } = loadNative();
  const kernel = native.landlockState();
  const { watch, untold } = watchFor(self, native, kernel, launcherPath);
  try {
    const enforcement = restrict(native, self, kernel, watch);
    watch?.begin();
    return reportUntold(enforcement, self, untold);
  } catch (error) {
    watch?.abandon();
    if (watch === null || !isTaken(error)) {
      throw error;
    }
    if (self.onViolation === 'log') {
      throw cannotLog(
        'this process was born under a filter that has a listener, and the kernel allows only one',
        error,
      );
    }
    return reportUntold(restrict(native, self, kernel, null), self, 'an outer filter has the only listener');
  }
}

function restrict(
  native: RestrictFunctions,
  self: SelfPolicy,
  kernel: LandlockState,
  watch: Watch | null,
): Enforcement {
  const { rights: wanted, missing } = downgrade(wishOf(self), kernel);
  const rights = withMoving(wanted, self, kernel);
  const signals = rights.scoped.includes('signal') ? 'any' : { pid: process.pid };
  const filter = selfFilter(self, native, { signals, watched: watch !== null });
  const handles = [rights.handledFs, rights.handledNet, rights.scoped].some((names) => names.length > 0);
  const descriptors: number[] = [];
  try {
    const ruleset = handles ? createRuleset(native, rights) : -1;
    descriptors.push(...(ruleset < 0 ? [] : [ruleset]));
    const closed =
      rights.handledFs.length > 0 &&
      grantFiles({ native, ruleset, abi: kernel.abi, handled: rights.handledFs }, self, missing);
    // Whatever else is restricted: opening it is asked for reading only.
    const rootClosed = closed && rights.handledFs.includes('read-dir');
    grantPorts(native, ruleset, rights, self);
    refuseMissing(self, missing);
    return apply(native, { self, kernel, rights, missing, filter, ruleset, rootClosed, watch });
  } finally {
    native.closeDescriptors(descriptors);
  }
}

function wishOf(self: SelfPolicy): Parameters<typeof downgrade>[0] {
  return {
    files: self.unveil !== null ? 'all' : usesImplied(self),
    tcp: self.tcp !== null,
    scope: self.capabilities === null ? false : self.scope,
    truncationFiltered: truncationFiltered(self),
  };
}

/**
 * Some promises open files for reading although rpath is not held, or make and remove files without cpath: the filter cannot tell which.
 */
function usesImplied({ pledge, onViolation }: SelfPolicy): ImpliedUse[] {
  // Under 'log' everything goes through.
  if (onViolation === 'log' || pledge === null) {
    return [];
  }
  return [
    ...(!pledge.includes('rpath') && impliesPaths(pledge) ? (['reading'] as const) : []),
    ...(pledge.includes('tmppath') && !pledge.includes('cpath') ? (['temporary'] as const) : []),
  ];
}

/** Adds the rules for files. True: the root directory cannot be opened for reading any more. */
function grantFiles(context: GrantContext, { unveil, pledge }: SelfPolicy, missing: Missing[]): boolean {
  let rootReadable = false;
  if (unveil !== null) {
    const granted = grantPaths(context, unveil);
    missing.push(...granted.missing);
    ({ rootReadable } = granted);
    grantNamed(context, pledge === null ? [] : impliedDevices(pledge), READ_AND_WRITE);
  } else {
    grantUse(context, ['/'], ['refer']);
    grantUse(context, TEMPORARY_PLACES, rightsOfUse('temporary'));
  }
  grantNamed(context, impliedPaths(pledge ?? []), READ);
  return !rootReadable;
}

const READ: Permissions = { read: true, write: false, execute: false, create: false };
const READ_AND_WRITE: Permissions = { ...READ, write: true };

/**
 * Any domain forbids moving files between directories unless it handles and grants that. Where an earlier domain restricts files, one for ports
 * alone grants it for that reason. And where nothing else makes a domain, one that handles just that is made for its own sake: whoever is in a domain
 * cannot reach the memory of a process outside of it, by ptrace(2) or by /proc/PID/mem, which a filter cannot tell from other files. Under an
 * earlier filter the root directory could not be opened for such a rule.
 */
function withMoving(
  rights: LandlockRights,
  { pledge, onViolation }: SelfPolicy,
  { abi, handledFs, filters }: LandlockState,
): LandlockRights {
  if (rights.handledFs.length > 0 || filters !== 0 || abi < FS_RIGHTS.refer.abi) {
    return rights;
  }
  const others = rights.handledNet.length + rights.scoped.length > 0;
  const opensAnything = onViolation !== 'log' && pledge !== null && OPENING.some((promise) => pledge.includes(promise));
  return (others ? handledFs !== 0 : opensAnything) ? { ...rights, handledFs: ['refer'] } : rights;
}

const OPENING = ['rpath', 'wpath'] as const;

function createRuleset(native: RestrictFunctions, rights: LandlockRights): number {
  return translated('cannot create a Landlock ruleset', () =>
    native.createRuleset(
      mask(rights.handledFs, FS_MASKS),
      mask(rights.handledNet, NET_MASKS),
      mask(rights.scoped, SCOPE_MASKS),
    ),
  );
}

function grantPorts(
  native: RestrictFunctions,
  ruleset: number,
  { handledNet }: LandlockRights,
  { tcp }: SelfPolicy,
): void {
  if (tcp === null || handledNet.length === 0) {
    return;
  }
  translated('cannot grant a TCP port', () => {
    for (const port of tcp.connect) {
      native.grantPort(ruleset, port, NET_MASKS['connect-tcp']);
    }
    for (const port of tcp.bind) {
      native.grantPort(ruleset, port, NET_MASKS['bind-tcp']);
    }
  });
}

function translated<T>(operation: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { errno, syscall } = error as NativeFailure;
    throw setupError({ operation, stage: 'landlock', errno, syscall, cause: error });
  }
}

function refuseMissing({ onUnsupported }: SelfPolicy, missing: readonly Missing[]): void {
  if (missing.length === 0 || onUnsupported === 'degrade') {
    return;
  }
  const [first] = missing;
  const features = missing.map(({ feature }) => feature).join(', ');
  const reasons = [...new Set(missing.map(({ reason }) => reason))].join('; ');
  throw unsupported(
    missing.length === 1 && first !== undefined ? first.feature : features,
    reasons,
    "leave it out, or set onUnsupported: 'degrade' to apply the rest",
  );
}

interface Prepared {
  readonly self: SelfPolicy;
  readonly kernel: LandlockKernel;
  readonly rights: LandlockRights;
  readonly missing: Missing[];
  readonly filter: SelfFilter | null;
  readonly ruleset: number;
  readonly rootClosed: boolean;
  readonly watch: Watch | null;
}

function apply(native: RestrictFunctions, prepared: Prepared): Enforcement {
  const { self, kernel, missing } = prepared;
  const request = requestOf(prepared);
  let result = native.restrictProcess(request);
  if (canDoWithoutRings(self, result)) {
    missing.push({ feature: 'io_uring', reason: failureError(result.failure).message });
    result = native.restrictProcess({ ...request, confineRings: false });
  }
  if (result.failure !== null) {
    throw failureError(result.failure);
  }
  return report(result, kernel, missing);
}

function requestOf({ self, kernel, rights, filter, ruleset, rootClosed, watch }: Prepared): RestrictRequest {
  const restricts = self.capabilities !== null;
  return {
    ruleset,
    handledFs: mask(rights.handledFs, FS_MASKS),
    handledNet: mask(rights.handledNet, NET_MASKS),
    scoped: mask(rights.scoped, SCOPE_MASKS),
    threadSync: kernel.abi >= THREAD_SYNC_ABI,
    noNewPrivileges: restricts,
    dropCapabilities: restricts,
    keptCapabilities: capabilityMask(self.capabilities ?? []),
    rootClosed,
    filter: filter?.bytes ?? new Uint8Array(0),
    confineRings: true,
    traps: filter?.traps ?? false,
    watch: filter === null ? -1 : (watch?.socket ?? -1),
    filterAllowsReading: filter?.allowsReading ?? false,
    filterIsOpen: filter?.open ?? false,
    descriptions:
      filter?.traps === true
        ? describeCalls(arch(), self.pledge, { signals: { pid: process.pid }, byPath: false })
        : new Uint8Array(0),
  };
}

/** A ring that could not be confined, not one that does more than its threads may: that one is always refused. */
function canDoWithoutRings(
  { onUnsupported }: SelfPolicy,
  result: RestrictResult,
): result is RestrictResult & { failure: NonNullable<RestrictResult['failure']> } {
  const { failure } = result;
  return onUnsupported === 'degrade' && failure?.stage === 'rings' && !/SQPOLL|credentials/.test(failure.detail);
}
