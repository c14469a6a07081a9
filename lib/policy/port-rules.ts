/**
 * What passes Landlock's rules for TCP ports, refused by a filter wherever there are such rules. Landlock decides at connect(2) and bind(2) of TCP sockets: not
 * about protocols that become TCP on the wire, nor about connections that are made by sending.
 */

import { answer, bits, is } from './promises/rules.js';
import type { SeccompAction, SeccompPolicy, SeccompRule } from './seccomp-types.js';

/** Answered as by a kernel that does not have them: every caller takes plain TCP then, which is decided about. */
const NO_PROTOCOL: SeccompAction = { errno: 'EPROTONOSUPPORT' };
const NO_FAMILY: SeccompAction = { errno: 'EAFNOSUPPORT' };
const NO_FAST_OPEN: SeccompAction = { errno: 'EOPNOTSUPP' };

/** linux/socket.h, linux/in.h. */
const INTERNET = [2, 10];
const AF_SMC = 43;
const IPPROTO_MPTCP = 262;
const IPPROTO_SMC = 256;
const MSG_FASTOPEN = 0x2000_0000;

export const PORT_RULES: readonly SeccompRule[] = [
  ...INTERNET.flatMap((family) =>
    [IPPROTO_MPTCP, IPPROTO_SMC].map((protocol) => answer(NO_PROTOCOL, 'socket', is(0, family), is(2, protocol))),
  ),
  answer(NO_FAMILY, 'socket', is(0, AF_SMC)),
  // Connects while it sends, past the check of connect(2). TCP_FASTOPEN_CONNECT is followed by one.
  answer(NO_FAST_OPEN, 'sendto sendmmsg', bits(3, MSG_FASTOPEN, MSG_FASTOPEN)),
  answer(NO_FAST_OPEN, 'sendmsg', bits(2, MSG_FASTOPEN, MSG_FASTOPEN)),
];

/** Merged with other filters: on its own it refuses nothing else. */
export function portPolicy(): SeccompPolicy {
  return { defaultAction: 'allow', foreignArchAction: 'allow', unknownSyscallAction: 'allow', rules: PORT_RULES };
}
