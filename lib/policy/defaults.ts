/** Values in force where a policy is silent. */

/** Bytes of each private tmpfs. */
export const SCRATCH: number = 64 * 2 ** 20;
/** Processes and threads. */
export const PROCESSES = 256;
export const OPEN_FILES = 1024;
/** Bytes of a core file. */
export const CORE = 0;
export const HOSTNAME = 'cloister';
/** Where execvp(3) looks in a cell whose environment names no other place. */
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
export const HOME = '/tmp';
export const LANG = 'C.UTF-8';
/** A terminal without abilities: what terminfo(5) calls one that is only written to. */
export const TERM = 'dumb';
