// One SOCK_SEQPACKET packet with the descriptors that came along.

#ifndef CLOISTER_LAUNCHER_PACKET_H_
#define CLOISTER_LAUNCHER_PACKET_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "native/base/unique_fd.h"

namespace cloister::launcher {

enum class Received { kPacket, kNothing, kClosed, kBroken };

struct Packet {
  std::size_t size = 0;
  std::vector<UniqueFd> fds;
  // The kernel dropped descriptors, most likely because this process has too many open.
  bool fds_lost = false;
  // Of the sender, where the socket asks for them (SO_PASSCRED).
  std::optional<ucred> sender;
};

// kBroken: an error, or a packet larger than the buffer.
Received Receive(int socket, std::uint8_t* buffer, std::size_t capacity, Packet* packet);

// Sends one packet, with a descriptor unless it is -1. Never waits. Returns 0 or a positive error
// number.
int SendPacket(int socket, const void* data, std::size_t size, int fd);

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_PACKET_H_
