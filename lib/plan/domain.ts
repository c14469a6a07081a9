/** The Landlock domain of a cell: scopes, files, reading without a promise for it, and ports. */

import { unsupported } from '../errors.js';
import type { ViolationPlan } from '../policy/filtering.js';
import type { CellPolicy, TcpPorts } from '../policy/valid.js';
import { landlockAbi, type PlanContext } from './context.js';
import { planFence, type Restricted } from './fence.js';
import { knownRights } from './landlock.js';
import { NET_RIGHTS, type NetRight } from './landlock-rights.js';
import type { LandlockPlan, MountOperation } from './types.js';

/** Ports are known since Linux 6.7. */
const PORTS_ABI = 4;

export interface DomainWish {
  readonly scoped: LandlockPlan['scoped'];
  readonly violations: ViolationPlan | null;
  readonly tcp: TcpPorts | null;
}

/** Of a cell with a tree of its own. */
export function planDomain(
  context: PlanContext,
  mounts: readonly MountOperation[],
  { scoped, violations, tcp }: DomainWish,
): LandlockPlan | null {
  const files = planFiles(context, mounts, withheldReading(violations));
  const ports = planPorts(context, tcp);
  return files === null && ports === null && scoped.length === 0 ? null : { scoped, ...files, ...ports };
}

/** Of a cell in the host's tree. Without a network the filter refuses its sockets: ports are a second lock, for those that are handed in. */
export function planHostDomain(
  context: PlanContext,
  files: NonNullable<ReturnType<typeof planFiles>>,
  { scoped, tcp }: DomainWish,
  net: CellPolicy['net'],
): LandlockPlan {
  const ports =
    net === 'none' ? { handledNet: knownRights(NET_RIGHTS, landlockAbi(context)) } : planPorts(context, tcp);
  return { scoped, ...files, ...ports };
}

/** What may be read when nothing else may. Under 'log' everything goes through. */
export function withheldReading(violations: ViolationPlan | null): readonly string[] | null {
  if (violations === null || violations.answer === 'log' || violations.readable === null) {
    return null;
  }
  return [...violations.readable, ...violations.runnable];
}

function planFiles(
  context: PlanContext,
  mounts: readonly MountOperation[],
  readable: readonly string[] | null,
): Required<Pick<LandlockPlan, 'handledFs' | 'rules'>> | null {
  let restricted: readonly Restricted[] = context.restricted;
  for (;;) {
    const fence = planFence(landlockAbi(context), mounts, restricted, readable);
    if (fence === null) {
      if (readable !== null) {
        goWithout(
          context,
          "pledge without 'rpath'",
          'the dynamic loader must read its libraries, and only Landlock can leave it those alone (Linux 5.19, ABI 2)',
        );
      }
      return null;
    }
    if (!('conflict' in fence)) {
      return fence;
    }
    const { conflict } = fence;
    giveUp(context, conflict);
    restricted = restricted.filter((other) => other !== conflict);
  }
}

function planPorts(context: PlanContext, tcp: TcpPorts | null): Pick<LandlockPlan, 'handledNet' | 'ports'> | null {
  if (tcp === null) {
    return null;
  }
  const abi = landlockAbi(context);
  if (abi < PORTS_ABI) {
    const has = abi === 0 ? 'no Landlock' : `Landlock ABI ${String(abi)}`;
    goWithout(context, 'tcp', `this kernel has ${has}; it takes ABI ${String(PORTS_ABI)} (Linux 6.7)`);
    return null;
  }
  const grant = (rights: readonly NetRight[]) => (port: number) => ({ port, rights });
  return {
    handledNet: ['bind-tcp', 'connect-tcp'],
    ports: [...tcp.connect.map(grant(['connect-tcp'])), ...tcp.bind.map(grant(['bind-tcp']))],
  };
}

function goWithout({ degrade, missing }: PlanContext, feature: string, reason: string): void {
  if (!degrade) {
    throw unsupported(feature, reason, "leave it out, or set onUnsupported: 'degrade' to apply the rest");
  }
  missing.push({ feature, reason });
}

function giveUp({ degrade, missing }: PlanContext, { path }: Restricted): void {
  const feature = `the letters of unveil["${path}"]`;
  const reason = 'it lies in a place where more is allowed, and what is allowed there holds for everything below';
  if (!degrade) {
    throw unsupported(feature, reason, "write both 'w' and 'c', move it out of there, or set onUnsupported: 'degrade'");
  }
  missing.push({ feature, reason });
}
