/** Promises about sockets: which can be made, and which of their options can be set. */

import type { SeccompAction, SeccompRule } from '../seccomp-types.js';
import type { PledgePromise } from '../types.js';
import { allow, answer, bits, is, isNull } from './rules.js';

type Held = (promise: PledgePromise) => boolean;

/** linux/socket.h, linux/net.h, linux/in.h. */
const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_SEQPACKET = 5;
/** All but SOCK_CLOEXEC and SOCK_NONBLOCK: types are compared whole, since SOCK_RAW has the bits of SOCK_STREAM. */
const TYPE_MASK = 0xfff7_f7ff;
const NETLINK_ROUTE = 0;
/** IPPROTO_IP, ICMP, TCP, UDP, ICMPV6. Not MPTCP, SCTP, UDP-Lite: they pass rules that are made for TCP and UDP. */
const STREAM_PROTOCOLS = [0, 6];
const DATAGRAM_PROTOCOLS = [0, 1, 17, 58];
const RESOLVER_DATAGRAM_PROTOCOLS = [0, 17];

const EACCES: SeccompAction = { errno: 'EACCES' };

function socket(family: number, type: number, protocols: readonly number[]): SeccompRule[] {
  return protocols.map((protocol) => allow('socket', is(0, family), bits(1, TYPE_MASK, type), is(2, protocol)));
}

function creationRules(held: Held): SeccompRule[] {
  const rules: SeccompRule[] = [];
  if (held('unix')) {
    rules.push(...[SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET].flatMap((type) => socket(AF_UNIX, type, [0])));
  }
  for (const family of [AF_INET, AF_INET6]) {
    if (held('inet') || held('dns')) {
      rules.push(...socket(family, SOCK_STREAM, STREAM_PROTOCOLS));
      rules.push(...socket(family, SOCK_DGRAM, held('inet') ? DATAGRAM_PROTOCOLS : RESOLVER_DATAGRAM_PROTOCOLS));
    }
  }
  if (held('inet')) {
    // Lists of interfaces and addresses (getifaddrs, os.networkInterfaces). Changing them takes a capability.
    rules.push(...[SOCK_DGRAM, SOCK_RAW].flatMap((type) => socket(AF_NETLINK, type, [NETLINK_ROUTE])));
  }
  if (held('inet') || held('dns') || held('getpw')) {
    // Resolving names asks nscd first, and which addresses the host has; it does without when it may not.
    rules.push(answer(EACCES, 'socket', is(0, AF_UNIX), bits(1, TYPE_MASK, SOCK_STREAM)));
    rules.push(answer(EACCES, 'socket', is(0, AF_NETLINK), is(2, NETLINK_ROUTE)));
  }
  if (held('stdio')) {
    rules.push(allow('socketpair', is(0, AF_UNIX)));
  }
  return rules;
}

const SOL_SOCKET = 1;
const IPPROTO_IP = 0;
const IPPROTO_TCP = 6;
const IPPROTO_IPV6 = 41;

/**
 * asm-generic/socket.h: SO_REUSEADDR TYPE ERROR BROADCAST SNDBUF RCVBUF KEEPALIVE OOBINLINE LINGER REUSEPORT PASSCRED PEERCRED RCVLOWAT RCVTIMEO SNDTIMEO
 * TIMESTAMP ACCEPTCONN PROTOCOL DOMAIN COOKIE, RCVTIMEO and SNDTIMEO for times after 2038. Not those that take a capability or change where packets go.
 */
const SOCKET_OPTIONS = [2, 3, 4, 6, 7, 8, 9, 10, 13, 15, 16, 17, 18, 20, 21, 29, 30, 38, 39, 57, 66, 67];
/** linux/tcp.h: NODELAY MAXSEG CORK KEEPIDLE KEEPINTVL KEEPCNT SYNCNT DEFER_ACCEPT INFO QUICKACK USER_TIMEOUT FASTOPEN FASTOPEN_CONNECT. */
const TCP_OPTIONS = [1, 2, 3, 4, 5, 6, 7, 9, 11, 12, 18, 23, 30];
/** linux/in.h: TOS TTL PKTINFO MTU_DISCOVER RECVERR RECVTTL RECVTOS BIND_ADDRESS_NO_PORT. */
const IP_OPTIONS = [1, 2, 8, 10, 11, 12, 13, 24];
/** linux/in6.h: UNICAST_HOPS MTU_DISCOVER RECVERR V6ONLY RECVPKTINFO PKTINFO RECVHOPLIMIT HOPLIMIT DONTFRAG RECVTCLASS TCLASS ADDR_PREFERENCES. */
const IPV6_OPTIONS = [16, 23, 25, 26, 49, 50, 51, 52, 62, 66, 67, 72];
/** IP_MULTICAST_IF to IP_MSFILTER, the MCAST_* of both versions, IP_MULTICAST_ALL. */
const IP_MULTICAST_OPTIONS = [32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49];
/** IPV6_MULTICAST_IF HOPS LOOP, JOIN_GROUP LEAVE_GROUP, MULTICAST_ALL, MCAST_*. */
const IPV6_MULTICAST_OPTIONS = [17, 18, 19, 20, 21, 29, 42, 43, 44, 45, 46, 47, 48];

function optionRules(held: Held): SeccompRule[] {
  const internet = held('inet') || held('anet') || held('dns');
  const options: [number, readonly number[]][] = [];
  if (internet || held('unix') || held('stdio')) {
    // With stdio alone for the pairs and inherited sockets that Node.js makes its pipes of.
    options.push([SOL_SOCKET, SOCKET_OPTIONS]);
  }
  if (internet) {
    options.push([IPPROTO_TCP, TCP_OPTIONS], [IPPROTO_IP, IP_OPTIONS], [IPPROTO_IPV6, IPV6_OPTIONS]);
  }
  if (held('mcast')) {
    options.push([IPPROTO_IP, IP_MULTICAST_OPTIONS], [IPPROTO_IPV6, IPV6_MULTICAST_OPTIONS]);
  }
  return options.flatMap(([level, names]) =>
    names.map((name) => allow('setsockopt getsockopt', is(1, level), is(2, name))),
  );
}

export function socketRules(held: Held): SeccompRule[] {
  return [
    ...creationRules(held),
    ...optionRules(held),
    // Over a connection that is there. A destination needs a promise that has sendto whole.
    ...(held('stdio') ? [allow('send'), allow('sendto', isNull(4))] : []),
  ];
}
