/** The table of `cloister probe`. */

import type { Support } from '../host/types.js';

type Colour = (text: string) => string;

export interface Paint {
  readonly good: Colour;
  readonly bad: Colour;
  readonly partly: Colour;
  readonly title: Colour;
}

const asIs: Colour = (text) => text;
export const plain: Paint = { good: asIs, bad: asIs, partly: asIs, title: asIs };

type State = 'yes' | 'no' | 'partly';

interface Row {
  readonly name: string;
  readonly state: State;
  readonly detail: string;
  /** What it is good for, or what is lost without it. */
  readonly meaning: string;
}

const NAMESPACE_MEANINGS: Readonly<Record<keyof Support['namespaces'], string>> = {
  user: 'cells without root, and without power over the host',
  mount: 'a file tree of its own',
  pid: 'sees and signals its own processes only',
  net: 'no network but its own loopback',
  ipc: 'no shared memory or queues of the host',
  uts: 'a host name of its own',
  cgroup: "hides the host's cgroup paths",
  time: 'clocks of its own; cells do not need it',
};

export function describeProbe(support: Support, paint: Paint): string {
  const { platform, kernel, arch } = support;
  const lines = [
    `${paint.title('machine')}     ${platform} ${kernel} ${arch}`.trimEnd(),
    '',
    ...table(rowsOf(support), paint),
    '',
  ];
  lines.push(verdict(support, paint));
  if (support.namespacesBlockedBy !== undefined) {
    lines.push(
      '',
      paint.title('namespaces are blocked'),
      ...support.namespacesBlockedBy.split('\n').map((line) => `  ${line}`),
    );
  }
  return `${lines.join('\n')}\n`;
}

const BACKEND_MEANINGS: Readonly<Record<Support['backends'][number], string>> = {
  namespaces: 'cells with everything',
  chroot: "cells of root's without a user namespace: all but ids and capabilities of their own",
  landlock: "cells in the host's own tree and network, fenced by Landlock and the filter: no mounts",
};

function rowsOf({ namespaces, landlock, seccomp, cgroup, backends }: Support): Row[] {
  return [
    ...Object.entries(NAMESPACE_MEANINGS).map(
      ([name, meaning]): Row => ({
        name: `${name} namespace`,
        state: namespaces[name as keyof typeof namespaces] ? 'yes' : 'no',
        detail: '',
        meaning,
      }),
    ),
    landlockRow(landlock),
    ...seccompRows(seccomp),
    cgroupRow(cgroup),
    ...Object.entries(BACKEND_MEANINGS).map(
      ([name, meaning]): Row => ({
        name: `backend ${name}`,
        state: backends.includes(name as keyof typeof BACKEND_MEANINGS) ? 'yes' : 'no',
        detail: '',
        meaning,
      }),
    ),
  ];
}

/** Releases of the kernel that brought each version, by what they added. See landlock(7). */
const LANDLOCK_STEPS: readonly (readonly [abi: number, what: string])[] = [
  [2, 'rename between directories (Linux 5.19)'],
  [3, 'truncate (6.2)'],
  [4, 'TCP ports (6.7)'],
  [5, 'ioctl on devices (6.10)'],
  [6, 'scopes (6.12)'],
];

function landlockRow(landlock: Support['landlock']): Row {
  const meaning = 'files by permission, TCP ports, scopes';
  if (landlock === null) {
    return {
      name: 'Landlock',
      state: 'no',
      detail: '',
      meaning: `${meaning}; needs Linux 5.13 with CONFIG_SECURITY_LANDLOCK and landlock among lsm=`,
    };
  }
  const { abi } = landlock;
  const lacking = LANDLOCK_STEPS.filter(([step]) => step > abi).map(([, what]) => what);
  return {
    name: 'Landlock',
    state: lacking.length === 0 ? 'yes' : 'partly',
    detail: `ABI ${String(abi)}`,
    meaning: lacking.length === 0 ? meaning : `${meaning}; not yet: ${lacking.join(', ')}`,
  };
}

function seccompRows(seccomp: Support['seccomp']): Row[] {
  const filter = { name: 'seccomp filter', meaning: 'refuses system calls', detail: '' };
  if (seccomp === null || !seccomp.filter) {
    return [{ ...filter, state: 'no', meaning: `${filter.meaning}; needs CONFIG_SECCOMP_FILTER` }];
  }
  return [
    { ...filter, state: 'yes' },
    {
      name: 'notifications',
      state: seccomp.userNotification ? 'yes' : 'no',
      detail: '',
      meaning: 'says which call was refused',
    },
    {
      name: 'thread sync',
      state: seccomp.threadSync ? 'yes' : 'no',
      detail: '',
      meaning: 'one filter for all threads of a process',
    },
  ];
}

function cgroupRow(cgroup: Support['cgroup']): Row {
  const meaning = 'limits on memory, processes and CPU of a whole cell';
  if (cgroup === null) {
    return { name: 'cgroup', state: 'no', detail: '', meaning: `${meaning}; without: by sampling and rlimits` };
  }
  const { version, writable, controllers } = cgroup;
  const list = controllers.length === 0 ? 'no controllers' : controllers.join(' ');
  return {
    name: 'cgroup',
    state: writable ? 'yes' : 'partly',
    detail: version,
    meaning: writable
      ? `${meaning}: ${list}`
      : `${meaning}; none may be made here: by sampling and rlimits, unless a subtree is delegated to this user`,
  };
}

function table(rows: readonly Row[], paint: Paint): string[] {
  const width = (text: (row: Row) => string): number => Math.max(...rows.map((row) => text(row).length));
  const name = width((row) => row.name);
  const state = width(stateText);
  return rows.map((row) => {
    const colour = { yes: paint.good, no: paint.bad, partly: paint.partly }[row.state];
    return `${row.name.padEnd(name)}  ${colour(stateText(row).padEnd(state))}  ${row.meaning}`;
  });
}

function stateText({ state, detail }: Row): string {
  const word = state === 'partly' ? 'in part' : state;
  return detail === '' ? word : `${word}, ${detail}`;
}

function verdict({ backends }: Support, paint: Paint): string {
  if (backends.length === 0) {
    return paint.bad('Cells do not work here.');
  }
  const list = `backends: ${backends.join(', ')}`;
  return backends.includes('namespaces')
    ? paint.good(`Cells work here; ${list}.`)
    : paint.partly(`Cells work here, but with less than namespaces; ${list}.`);
}
