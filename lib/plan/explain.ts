/** A plan in words, for people who want to know what a policy comes to before anything runs. */

import type { MountOperation, Place, Plan } from './types.js';

/** One line for each thing that the launcher will do, in its order. */
export function explainPlan(plan: Plan): string {
  const { command } = plan;
  const sections: [string, readonly string[]][] = [
    [
      'command',
      [
        command.name,
        `looked for at ${command.candidates.join(', ')}`,
        `arguments ${JSON.stringify(command.argv)}`,
        `working directory ${command.cwd}`,
      ],
    ],
    ['environment', command.environment],
    ['backend', [plan.backend]],
    ['namespaces', [plan.namespaces.length === 0 ? 'none' : plan.namespaces.join(', ')]],
    ['identity', [explainIdentity(plan)]],
    ['network', [explainNetwork(plan)]],
    ['hostname', plan.hostname === '' ? [] : [plan.hostname]],
    ['files', [...explainHostTree(plan), ...plan.mounts.map(explainMount)]],
    ['capabilities', [plan.capabilities.length === 0 ? 'none' : plan.capabilities.join(', ')]],
    ['landlock', plan.landlock === null ? [] : [`scopes ${plan.landlock.scoped.join(', ')}`]],
    [
      'limits',
      [
        ...plan.limits.map(({ resource, value }) => `${resource} ${String(value)}`),
        ...(plan.wallTime === null ? [] : [`wall time ${String(plan.wallTime)} ms`]),
        ...explainCellLimits(plan.cell),
      ],
    ],
    [
      'terminal',
      plan.terminal === null ? [] : [`${String(plan.terminal.columns)} columns, ${String(plan.terminal.rows)} rows`],
    ],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `${title}\n${lines.map((line) => `  ${printable(line)}\n`).join('')}`)
    .join('\n');
}

/** The plan as JSON: bytes as their size, bigints as text. */
export function planToJson(plan: Plan, indent: number = 2): string {
  return JSON.stringify(
    plan,
    (_key, value: unknown) =>
      value instanceof Uint8Array ? `${String(value.length)} bytes` : typeof value === 'bigint' ? String(value) : value,
    indent,
  );
}

function explainIdentity({ namespaces, identity }: Plan): string {
  const { uid, gid, host } = identity;
  const onHost = host === 'caller' ? "the caller's own" : 'an unprivileged pair';
  return namespaces.includes('user')
    ? `uid ${String(uid)}, gid ${String(gid)} inside; ${onHost} on the host`
    : `${onHost}, inside and on the host`;
}

function explainNetwork({ loopback, landlock }: Plan): string {
  if (loopback) {
    return 'a loopback interface of its own, nothing else';
  }
  return (landlock?.handledNet ?? []).length > 0 && landlock?.ports === undefined
    ? 'none: its sockets are refused by the filter'
    : "the host's";
}

/** What is granted where the cell has no tree of its own. */
function explainHostTree({ mounts, landlock, scratch }: Plan): string[] {
  if (mounts.length > 0) {
    return [];
  }
  return [
    ...(scratch === null ? [] : [`make ${scratch}, and remove it afterwards`]),
    ...(landlock?.rules ?? []).map(({ path, rights }) => `grant ${path}: ${rights.join(', ')}`),
  ];
}

function explainCellLimits({ memory, cpuTime, processes, cpus }: Plan['cell']): string[] {
  const by = { group: 'by a control group', sampling: 'by looking at the processes' } as const;
  return [
    ...(memory === null ? [] : [`memory ${String(memory.bytes)} bytes, ${by[memory.by]}`]),
    ...(cpuTime === null ? [] : [`processor time ${String(cpuTime.milliseconds)} ms, ${by[cpuTime.by]}`]),
    ...(processes === null ? [] : [`processes ${String(processes)}, ${by.group}`]),
    ...(cpus === null ? [] : [`processors ${String(cpus)}, ${by.group}`]),
  ];
}

function explainMount(operation: MountOperation): string {
  switch (operation.kind) {
    case 'tmpfs':
      return `tmpfs ${where(operation.at)}, ${size(operation.size)}, mode ${octal(operation.mode)}${operation.executable ? '' : ', no programs'}`;
    case 'directory':
      return `create directory ${operation.path} in file system ${String(operation.filesystem)}, mode ${octal(operation.mode)}`;
    case 'file':
      return `create file ${operation.path} in file system ${String(operation.filesystem)}, mode ${octal(operation.mode)}${operation.content === undefined ? '' : `, ${String(operation.content.length)} bytes`}`;
    case 'symlink':
      return `create link ${operation.path} -> ${operation.to} in file system ${String(operation.filesystem)}`;
    case 'bind':
      return `show ${operation.from.in === 'stage' ? `${operation.from.path} of the stage` : operation.from.path} ${where(operation.at)}, ${bindFlags(operation)}`;
    case 'overlay':
      return `overlay ${where(operation.at)} of ${operation.lower.join(', ')}${operation.upper === undefined ? ', read-only' : `, written to ${operation.upper}`}`;
    case 'proc':
      return `proc ${where(operation.at)}`;
    case 'dev':
      return `devices ${where(operation.at)}`;
    case 'mask':
      return `hide ${operation.at.path}`;
    case 'seal':
      return `make read-only ${operation.at.path}`;
  }
}

function bindFlags({
  writable,
  executable,
  recursive,
  devices,
  idMapped,
  optional,
}: MountOperation & { kind: 'bind' }): string {
  const words = [
    writable ? 'writable' : 'read-only',
    executable ? '' : 'no programs',
    recursive ? 'with what is mounted below' : '',
  ];
  return [
    ...words,
    devices ? 'usable as device' : '',
    idMapped ? "as the caller's" : '',
    optional ? 'if it is there' : '',
  ]
    .filter((word) => word !== '')
    .join(', ');
}

function where({ in: tree, path }: Place): string {
  return tree === 'stage' ? `at ${path} of the stage` : `at ${path}`;
}

function size(bytes: number): string {
  return bytes % 2 ** 20 === 0 ? `${String(bytes / 2 ** 20)} MiB` : `${String(bytes)} bytes`;
}

function octal(mode: number): string {
  return `0${mode.toString(8)}`;
}

/** Control characters in a path must not reach a terminal. */
function printable(line: string): string {
  return line.replace(/[\p{Cc}\p{Cf}]/gu, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^([\u007f-\u{10ffff}])$/u, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`),
  );
}
