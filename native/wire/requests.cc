#include "native/wire/requests.h"

#include <csignal>
#include <cstring>

namespace cloister::wire {

namespace {

template <typename Message>
bool Take(const std::uint8_t* data, std::size_t size, Message* message) {
  if (size < sizeof(Message)) {
    return false;
  }
  std::memcpy(message, data, sizeof(Message));
  return true;
}

bool ParseSpawn(const std::uint8_t* data, std::size_t size, std::size_t descriptors,
                ParsedSpawn* spawn) {
  SpawnRequest message = {};
  if (!Take(data, size, &message)) {
    return false;
  }
  const std::size_t carried = size - sizeof(message);
  const bool in_memfd = message.plan_in_memfd == 1;
  const bool sizes_fit =
      in_memfd ? carried == 0 && message.plan_size > 0 && message.plan_size <= kPlanLimit
               : carried == message.plan_size && message.plan_size <= kInlinePlanLimit;
  if (message.plan_in_memfd > 1 || !sizes_fit || message.stdio_count < 3 ||
      message.stdio_count > kStdioLimit || message.terminal_mask > 7 ||
      (message.umask > 0777 && message.umask != kKeepUmask)) {
    return false;
  }
  spawn->cell = message.header.cell;
  spawn->plan = in_memfd ? nullptr : data + sizeof(message);
  spawn->plan_size = message.plan_size;
  spawn->stdio_count = message.stdio_count;
  spawn->terminal_mask = message.terminal_mask;
  spawn->umask = message.umask;
  std::size_t needed = in_memfd ? 1 : 0;
  for (std::uint32_t i = 0; i < message.stdio_count; ++i) {
    needed += spawn->IsTerminal(i) ? 0 : 1;
  }
  return descriptors == needed;
}

}  // namespace

bool ParseRequest(const std::uint8_t* data, std::size_t size, std::size_t descriptors,
                  ParsedRequest* request) {
  Header header = {};
  // 0 is no cell: the launcher's own events use such tags. The top bit is lost when a tag is made.
  if (!Take(data, size, &header) || header.version != kVersion || header.cell == 0 ||
      header.cell >> 62 != 0) {
    return false;
  }
  request->type = header.type;
  request->cell = header.cell;
  SignalRequest signal = {};
  switch (header.type) {
    case Type::kSpawn:
      return ParseSpawn(data, size, descriptors, &request->spawn);
    case Type::kSignal:
      if (descriptors != 0 || size != sizeof(signal) || !Take(data, size, &signal)) {
        return false;
      }
      request->signal = signal.signal;
      // 0 asks whether the process is there (kill(2)).
      return signal.signal >= 0 && signal.signal < NSIG;
    case Type::kKill:
      return descriptors == 0 && size == sizeof(KillRequest);
    case Type::kClose:
      return descriptors == 0 && size == sizeof(CloseRequest);
    default:
      return false;
  }
}

}  // namespace cloister::wire
