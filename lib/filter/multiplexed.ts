/**
 * Calls that 32-bit x86 also makes through one of two multiplexers: the first argument of socketcall(2) and of ipc(2) says which call is meant,
 * the others are behind a pointer, where a filter cannot look.
 *
 * A rule without conditions means the call by both ways. A rule with conditions cannot be checked there: if it allows, it must not open the
 * multiplexer for all arguments; if it refuses, the multiplexer must not be the way around it. So it becomes a limit on the sub-call: the
 * strictest of its action and of what else the policy says of the multiplexer. A rule without conditions that does not allow is such a limit too,
 * unless an earlier one has decided about the call: a rule that allows the multiplexer as a whole may stand before it.
 */

export interface Multiplexed {
  readonly multiplexer: 'socketcall' | 'ipc';
  readonly call: number;
}

/** linux/net.h SYS_*; linux/ipc.h. */
const SUB_CALLS: Readonly<Record<Multiplexed['multiplexer'], Readonly<Record<string, number>>>> = {
  socketcall: {
    socket: 1,
    bind: 2,
    connect: 3,
    listen: 4,
    accept: 5,
    getsockname: 6,
    getpeername: 7,
    socketpair: 8,
    send: 9,
    recv: 10,
    sendto: 11,
    recvfrom: 12,
    shutdown: 13,
    setsockopt: 14,
    getsockopt: 15,
    sendmsg: 16,
    recvmsg: 17,
    accept4: 18,
    recvmmsg: 19,
    sendmmsg: 20,
  },
  ipc: {
    semop: 1,
    semget: 2,
    semctl: 3,
    semtimedop: 4,
    msgsnd: 11,
    msgrcv: 12,
    msgget: 13,
    msgctl: 14,
    shmat: 21,
    shmdt: 22,
    shmget: 23,
    shmctl: 24,
  },
};

/** The bits of the first argument that select the call: the upper half of ipc's is a version (ipc/syscall.c). */
export const SELECTOR: Readonly<Record<Multiplexed['multiplexer'], bigint>> = { socketcall: 0xffffffffn, ipc: 0xffffn };

const BY_NAME: ReadonlyMap<string, Multiplexed> = new Map(
  (['socketcall', 'ipc'] as const).flatMap((multiplexer) =>
    Object.entries(SUB_CALLS[multiplexer]).map(([name, call]) => [name, { multiplexer, call }] as const),
  ),
);

/** The way through a multiplexer that a call of 32-bit x86 has. */
export function multiplexed(name: string): Multiplexed | undefined {
  return BY_NAME.get(name);
}
