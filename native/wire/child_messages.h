// What the launcher tells the first process of a cell over the cell's channel, a SOCK_SEQPACKET
// pair, in this order. Child-safe.
//
// A process can be made, and prepared, before there is a plan for it: that hides the time that new
// namespaces take. It has not seen anything of a policy by then.

#ifndef CLOISTER_WIRE_CHILD_MESSAGES_H_
#define CLOISTER_WIRE_CHILD_MESSAGES_H_

#include <cstddef>
#include <cstdint>

#include "native/wire/messages.h"

namespace cloister::wire {

// sethostname(2) takes 64 bytes.
inline constexpr std::size_t kHostNameSize = 65;

// What of a plan is needed before the plan arrives: for stage ids and, ahead of time, stage
// network. Where the id maps are the launcher's part, it has written them by the time it sends
// this.
struct Preparation {
  std::uint64_t namespaces;
  std::uint32_t uid;
  std::uint32_t gid;
  std::uint32_t unprivileged_host_ids;
  std::uint32_t loopback;
  char hostname[kHostNameSize];

  bool operator==(const Preparation&) const = default;
};

struct PrepareMessage {
  Preparation preparation;
  // There is time: what every cell needs is made now. Without it, the stages run in their usual
  // order.
  std::uint32_t ahead;
  // Bytes of mounts (Plan::mounts_bytes) that follow in this packet, to be made ahead as well; and
  // how many prepared trees follow for them, in TreesMessages.
  std::uint32_t mounts_size;
  std::uint32_t tree_count;
  // With `unprivileged_host_ids` and no user namespace: the id that the process changes to by
  // itself. Not part of the kind.
  std::uint32_t host_id;
};

// Followed by the plan unless `plan_in_memfd`. Descriptors: the memfd where there is one, then the
// command's.
struct StartMessage {
  std::uint64_t plan_size;
  std::uint32_t plan_in_memfd;
  std::uint32_t stdio_count;
  std::uint32_t terminal_mask;
  // How many prepared trees follow, in TreesMessages.
  std::uint32_t tree_count;
  // The mounts of this plan are those that were made ahead.
  std::uint32_t mounts_done;
  // Of the command, or kKeepUmask.
  std::uint32_t umask;
};

inline constexpr std::size_t kTreesPerMessage = 200;

// One descriptor for each entry: the tree of that mount operation.
struct TreesMessage {
  std::uint32_t count;
  std::uint32_t operation[kTreesPerMessage];
};

// The launcher has seen the start of the command. Until then init leaves it unreaped, so that its
// number still means it.
inline constexpr char kStartSeen = 's';
// To the first process of a cell without a pid namespace, at any time: end everything in it.
inline constexpr char kEndAll = 'k';

// Later, at most once: a line of text up to this size for the command's standard error. The cell
// ends with it.
inline constexpr std::size_t kLineSize = 512;

}  // namespace cloister::wire

#endif  // CLOISTER_WIRE_CHILD_MESSAGES_H_
