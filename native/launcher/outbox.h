// Events on their way to the addon. Nothing is lost and nothing waits: what the socket does not
// take now is sent when it has room.

#ifndef CLOISTER_LAUNCHER_OUTBOX_H_
#define CLOISTER_LAUNCHER_OUTBOX_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "native/base/unique_fd.h"

namespace cloister::launcher {

class Outbox {
 public:
  enum class State { kEmpty, kBlocked, kBroken };

  template <typename Event>
  void Add(const Event& event, UniqueFd fd) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&event);
    packets_.push_back({{bytes, bytes + sizeof(event)}, std::move(fd)});
  }

  // Sends as much as the socket takes.
  State Flush(int socket);

  void Clear() { packets_.clear(); }

 private:
  // An event, with at most one descriptor.
  struct Packet {
    std::vector<std::uint8_t> bytes;
    UniqueFd fd;
  };

  std::deque<Packet> packets_;
};

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_OUTBOX_H_
