/** What went wrong while a process restricted itself, in words and with the mend. */

import { type CloisterError, errnoName, setupError, unsupported } from '../errors.js';
import type { RestrictFailureInfo } from '../native/restrict-functions.js';

const E2BIG = -7;
const ENOENT = -2;
const ENOMEM = -12;

const OBJECTS: Readonly<Record<RestrictFailureInfo['stage'], string>> = {
  threads: 'cannot stop the threads of this process',
  privileges: 'cannot drop the privileges of this process',
  landlock: 'cannot enter a Landlock domain',
  filter: 'cannot install the system call filter',
  rings: 'cannot confine the io_uring rings of this process',
};

/** Nothing was applied when one of these is thrown. */
export function failureError(failure: RestrictFailureInfo): CloisterError {
  const { stage, syscall, errno, detail, unreachable } = failure;
  if (unreachable.length > 0) {
    const threads = unreachable.map(({ tid, name }) => (name === '' ? String(tid) : `${tid} (${name})`)).join(', ');
    return setupError({
      operation: `cannot stop ${unreachable.length === 1 ? 'thread' : 'threads'} ${threads}, and nothing was restricted`,
      stage,
      errno,
      syscall,
      hint: unreachable.some(({ name }) => name.startsWith('iou-'))
        ? 'it is a worker of io_uring: start Node.js without UV_USE_IO_URING=1'
        : 'it blocks all signals, or waits in the kernel where none arrives: restrict before it is started',
    });
  }
  if (stage === 'rings') {
    const hint = detail.includes('SQPOLL')
      ? 'start Node.js without UV_USE_IO_URING=1'
      : "Linux 6.6 lets a ring be confined; or set onUnsupported: 'degrade'";
    return unsupported(
      'a filter',
      `${detail === '' ? 'an io_uring ring' : detail} carries out calls past it (${syscall}: ${errnoName(errno)})`,
      hint,
    );
  }
  return setupError({
    operation: `${OBJECTS[stage]}: ${syscall}${detail === '' ? '' : ` ${detail}`}`,
    stage,
    errno,
    syscall,
    hint: hintOf(failure),
  });
}

function hintOf({ stage, errno, detail }: RestrictFailureInfo): string | undefined {
  if (stage === 'landlock' && errno === E2BIG) {
    return 'this process has nested 16 Landlock domains already, which is the most';
  }
  if (stage === 'filter' && errno === ENOMEM) {
    return 'the filters of earlier calls and this one are more than the kernel holds: restrict in fewer steps';
  }
  if (stage === 'threads' && errno === ENOENT && detail.startsWith('/proc')) {
    return 'mount /proc: without it the threads of a process cannot be listed';
  }
  return undefined;
}
