// Requests of the addon, checked. Pure: what the descriptors are is not looked at, only how many
// came.

#ifndef CLOISTER_WIRE_REQUESTS_H_
#define CLOISTER_WIRE_REQUESTS_H_

#include <cstddef>
#include <cstdint>

#include "native/wire/messages.h"

namespace cloister::wire {

struct ParsedSpawn {
  std::uint64_t cell = 0;
  // Null when the plan comes in the first descriptor.
  const std::uint8_t* plan = nullptr;
  std::size_t plan_size = 0;
  std::uint32_t stdio_count = 0;
  std::uint32_t terminal_mask = 0;
  std::uint32_t umask = 0;

  [[nodiscard]] bool InMemfd() const { return plan == nullptr; }
  // Whether entry `index` of the command's descriptors is the terminal.
  [[nodiscard]] bool IsTerminal(std::uint32_t index) const {
    return index < 3 && (terminal_mask >> index & 1) != 0;
  }
};

struct ParsedRequest {
  Type type = Type::kSpawn;
  std::uint64_t cell = 0;
  std::int32_t signal = 0;  // kSignal
  ParsedSpawn spawn;        // kSpawn
};

// False when the packet is no request of this version, with just the descriptors that it needs.
[[nodiscard]] bool ParseRequest(const std::uint8_t* data, std::size_t size, std::size_t descriptors,
                                ParsedRequest* request);

}  // namespace cloister::wire

#endif  // CLOISTER_WIRE_REQUESTS_H_
