// Fuzz target: a packet of the addon. The first byte is the number of descriptors that came with
// it.

#include <cstddef>
#include <cstdint>

#include "native/wire/requests.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  cloister::wire::ParsedRequest request;
  if (cloister::wire::ParseRequest(data + 1, size - 1, data[0], &request) &&
      request.type == cloister::wire::Type::kSpawn && !request.spawn.InMemfd()) {
    volatile std::uint8_t read = 0;
    for (std::size_t i = 0; i < request.spawn.plan_size; ++i) {
      read = request.spawn.plan[i];
    }
    static_cast<void>(read);
  }
  return 0;
}
