import type { MountOperation, NamespaceName, Place, Plan, ResourceName } from '../plan/types.js';
import { FS_MASKS, NET_MASKS, SCOPE_MASKS } from './landlock-masks.js';
import { ByteWriter } from './writer.js';

/** "CPLN", and the version that native/plan/decode.cc accepts. */
const MAGIC = 0x4e4c5043;
const VERSION = 2;

/** CLONE_NEW*, sched.h. */
export const NAMESPACE_FLAGS: Readonly<Record<NamespaceName, number>> = {
  mount: 0x00020000,
  cgroup: 0x02000000,
  uts: 0x04000000,
  ipc: 0x08000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
};

/** RLIMIT_*, asm-generic/resource.h; the same on x86_64 and aarch64. */
const RESOURCES: Readonly<Record<ResourceName, number>> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

/** linux/capability.h, by number. */
export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** native/plan/plan.h: MountKind, Tree and the flags. */
const KINDS: Readonly<Record<MountOperation['kind'], number>> = {
  tmpfs: 1,
  directory: 2,
  file: 3,
  symlink: 4,
  bind: 5,
  overlay: 6,
  proc: 7,
  dev: 8,
  mask: 9,
  seal: 10,
};
const TREES = { root: 0, stage: 1, host: 2 } as const;
const RECURSIVE = 1;
const WRITABLE = 2;
const EXECUTABLE = 4;
const DEVICES = 8;
const ID_MAPPED = 16;
const OPTIONAL = 32;
const IS_DIRECTORY = 64;

const NANOSECONDS_PER_MILLISECOND = 1_000_000;
/** native/limits/cell_group.h: kCpuPeriodUs. */
const CPU_PERIOD = 100_000;
const MOST_CPUS = 65_536;

/**
 * The plan as native/plan/decode.cc reads it: little-endian fields in a fixed order.
 * `filter` is the compiled program of `plan.filter` (struct sock_filter[]), or null. `descriptions`: words for the line that a command leaves which is
 * ended for a violation (lib/filter/descriptions.ts).
 */
export function encodePlan(
  plan: Plan,
  filter: Uint8Array | null,
  descriptions: Uint8Array = NO_DESCRIPTIONS,
): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(MAGIC);
  writer.u32(VERSION);
  encodeIdentity(writer, plan);
  writer.raw(encodeMounts(plan.mounts));
  encodeRestrictions(writer, plan);
  const program = filter ?? new Uint8Array(0);
  writer.u32(program.length / 8);
  writer.raw(program);
  encodeViolations(writer, plan.violations, descriptions);
  encodeCommand(writer, plan.command);
  return writer.finish();
}

const encodedMounts = new WeakMap<Plan['mounts'], Uint8Array>();

/** Most cells of a program have one list of mounts, which is most of the plan: a list that comes again is not encoded again. */
function encodeMounts(mounts: Plan['mounts']): Uint8Array {
  const known = encodedMounts.get(mounts);
  if (known !== undefined) {
    return known;
  }
  const writer = new ByteWriter();
  writer.u32(mounts.length);
  for (const operation of mounts) {
    encodeMount(writer, operation);
  }
  // A copy of its own size: the writer's buffer is larger.
  const bytes = Uint8Array.from(writer.finish());
  encodedMounts.set(mounts, bytes);
  return bytes;
}

function encodeIdentity(writer: ByteWriter, plan: Plan): void {
  writer.u32(plan.namespaces.reduce((flags, name) => flags | NAMESPACE_FLAGS[name], 0));
  writer.u32(plan.identity.uid);
  writer.u32(plan.identity.gid);
  writer.flag(plan.identity.host === 'unprivileged');
  writer.text(plan.hostname);
  writer.flag(plan.loopback);
  writer.text(plan.scratch ?? '');
}

function encodeRestrictions(writer: ByteWriter, plan: Plan): void {
  writer.u64(capabilityMask(plan.capabilities));
  writer.flag(plan.landlock !== null);
  encodeLandlock(writer, plan.landlock);
  writer.u32(plan.limits.length);
  for (const limit of plan.limits) {
    writer.u32(RESOURCES[limit.resource]);
    writer.u64(BigInt(limit.value));
  }
  writer.u64(nanoseconds(plan.wallTime));
  encodeCellLimits(writer, plan.cell);
  writer.flag(plan.terminal !== null);
  writer.u32(plan.terminal?.columns ?? 0);
  writer.u32(plan.terminal?.rows ?? 0);
}

function encodeCellLimits(writer: ByteWriter, { memory, cpuTime, processes, cpus }: Plan['cell']): void {
  writer.u64(BigInt(memory?.bytes ?? 0));
  writer.flag(memory?.by === 'group');
  writer.u64(nanoseconds(cpuTime?.milliseconds ?? null));
  writer.flag(cpuTime?.by === 'group');
  writer.u64(BigInt(processes ?? 0));
  writer.u64(cpus === null ? 0n : BigInt(quota(cpus)));
}

/** Rounded up: 0 means that there is no limit. */
function nanoseconds(milliseconds: number | null): bigint {
  return BigInt(Math.ceil((milliseconds ?? 0) * NANOSECONDS_PER_MILLISECOND));
}

/** Microseconds in each period of CPU_PERIOD, within what the kernel takes (1 ms at the least). */
function quota(cpus: number): number {
  return Math.min(Math.max(Math.round(cpus * CPU_PERIOD), 1000), MOST_CPUS * CPU_PERIOD);
}

function encodeLandlock(writer: ByteWriter, landlock: Plan['landlock']): void {
  const ports = landlock?.ports ?? [];
  writer.u32(mask(landlock?.handledFs ?? [], FS_MASKS));
  writer.u32(mask(landlock?.handledNet ?? [], NET_MASKS));
  writer.u32(mask(landlock?.scoped ?? [], SCOPE_MASKS));
  writer.u32(landlock?.rules?.length ?? 0);
  for (const { path, rights, optional = false } of landlock?.rules ?? []) {
    writer.u32(mask(rights, FS_MASKS));
    writer.flag(optional);
    writer.text(path);
  }
  writer.u32(ports.length);
  for (const { port, rights } of ports) {
    writer.u32(mask(rights, NET_MASKS));
    writer.u32(port);
  }
}

const NO_DESCRIPTIONS = new Uint8Array(0);
/** enum ViolationAnswer of native/plan/plan.h. 0: the filter answers by itself, or there is nothing to answer. */
const ANSWERS = { kill: 1, error: 2, log: 3 } as const;

function encodeViolations(writer: ByteWriter, violations: Plan['violations'], descriptions: Uint8Array): void {
  const asked = violations?.reported === true;
  writer.u32(asked ? ANSWERS[violations.answer] : 0);
  writer.flag(asked && violations.held !== null);
  writer.texts(asked ? (violations.readable ?? []) : []);
  const words = asked && violations.answer === 'kill' ? descriptions : NO_DESCRIPTIONS;
  writer.u32(words.length);
  writer.raw(words);
}

/** Bit mask of names. */
export function mask<Name extends string>(names: readonly Name[], masks: Readonly<Record<Name, number>>): number {
  return names.reduce((bits, name) => bits | masks[name], 0);
}

function encodeCommand(writer: ByteWriter, command: Plan['command']): void {
  writer.text(command.name);
  writer.texts(command.candidates);
  writer.texts(command.argv);
  writer.texts(command.environment);
  writer.text(command.cwd);
}

/** Bit mask of capability names. */
export function capabilityMask(names: readonly string[]): bigint {
  return names.reduce((mask, name) => mask | (1n << BigInt(CAPABILITIES.indexOf(name))), 0n);
}

function mountFlags(operation: MountOperation): number {
  switch (operation.kind) {
    case 'tmpfs':
    case 'overlay':
      return operation.executable ? EXECUTABLE : 0;
    case 'bind':
      return (
        (operation.recursive ? RECURSIVE : 0) |
        (operation.writable ? WRITABLE : 0) |
        (operation.executable ? EXECUTABLE : 0) |
        (operation.devices ? DEVICES : 0) |
        (operation.idMapped ? ID_MAPPED : 0) |
        (operation.optional ? OPTIONAL : 0)
      );
    case 'mask':
      return (operation.directory ? IS_DIRECTORY : 0) | (operation.optional ? OPTIONAL : 0);
    default:
      return 0;
  }
}

function encodeMount(writer: ByteWriter, operation: MountOperation): void {
  writer.u32(KINDS[operation.kind]);
  writer.u32(mountFlags(operation));
  switch (operation.kind) {
    case 'tmpfs':
      encodePlace(writer, operation.at);
      writer.u64(BigInt(operation.size));
      writer.u64(BigInt(operation.inodes));
      writer.u32(operation.mode);
      break;
    case 'directory':
      writer.u32(operation.filesystem);
      writer.text(operation.path);
      writer.u32(operation.mode);
      break;
    case 'file':
      writer.u32(operation.filesystem);
      writer.text(operation.path);
      writer.u32(operation.mode);
      encodeContent(writer, operation.content);
      break;
    case 'symlink':
      writer.u32(operation.filesystem);
      writer.text(operation.path);
      writer.text(operation.to);
      break;
    case 'bind':
      encodePlace(writer, operation.from);
      encodePlace(writer, operation.at);
      break;
    case 'overlay':
      encodePlace(writer, operation.at);
      writer.texts(operation.lower);
      writer.flag(operation.upper !== undefined);
      if (operation.upper !== undefined) {
        writer.text(operation.upper);
        writer.text(operation.work ?? '');
      }
      break;
    default:
      encodePlace(writer, operation.at);
  }
}

function encodeContent(writer: ByteWriter, content: string | Uint8Array | undefined): void {
  const bytes = typeof content === 'string' ? Buffer.from(content) : (content ?? new Uint8Array(0));
  writer.u32(bytes.length);
  writer.raw(bytes);
}

function encodePlace(writer: ByteWriter, place: Place | { in: 'host' | 'stage'; path: string }): void {
  writer.u32(TREES[place.in]);
  writer.text(place.path);
}
