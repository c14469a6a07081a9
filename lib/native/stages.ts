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

/** One stage of a cell's start. */
export type StageName = (typeof STAGE_NAMES)[number];

/** What each stage does, for messages and documentation. */
export const STAGE_DESCRIPTIONS: Readonly<Record<StageName, string>> = {
  clone: 'create the first process of the cell in its new namespaces',
  ids: 'map user and group ids and take them on',
  mounts: 'build the file system of the cell and make it the root',
  network: 'bring the loopback interface up and set the host name',
  privileges: 'drop capabilities and set no_new_privs',
  landlock: 'enter the Landlock domain of the cell',
  stdio: 'put the descriptors in place and start a session',
  limits: 'set the resource limits',
  init: 'start the process of the command under the init of the cell',
  filter: 'install the system call filter',
  exec: 'execute the command',
};
