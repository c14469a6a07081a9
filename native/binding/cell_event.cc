#include "native/binding/cell_event.h"

#include <cstring>
#include <utility>

namespace cloister::binding {

namespace {

template <typename Message>
std::unique_ptr<CellEvent> Decode(const std::uint8_t* data, std::size_t size, UniqueFd descriptor) {
  if (size != sizeof(Message)) {
    return nullptr;
  }
  Message message = {};
  std::memcpy(&message, data, sizeof(message));
  auto event = std::make_unique<CellEvent>();
  event->message = message;
  event->terminal = std::move(descriptor);
  return event;
}

}  // namespace

std::unique_ptr<CellEvent> DecodeEvent(const std::uint8_t* data, std::size_t size,
                                       UniqueFd descriptor) {
  wire::Header header = {};
  if (size < sizeof(header)) {
    return nullptr;
  }
  std::memcpy(&header, data, sizeof(header));
  if (header.version != wire::kVersion) {
    return nullptr;
  }
  switch (header.type) {
    case wire::Type::kStarted:
      return Decode<wire::StartedEvent>(data, size, std::move(descriptor));
    case wire::Type::kFailed: {
      std::unique_ptr<CellEvent> event = Decode<wire::FailedEvent>(data, size, UniqueFd());
      if (event != nullptr) {
        auto& failed = std::get<wire::FailedEvent>(event->message);
        failed.syscall[wire::kSyscallNameSize - 1] = '\0';
        failed.detail[wire::kDetailSize - 1] = '\0';
      }
      return event;
    }
    case wire::Type::kExited:
      return Decode<wire::ExitedEvent>(data, size, UniqueFd());
    case wire::Type::kEnded:
      return Decode<wire::EndedEvent>(data, size, UniqueFd());
    case wire::Type::kViolation: {
      std::unique_ptr<CellEvent> event = Decode<wire::ViolationEvent>(data, size, UniqueFd());
      if (event != nullptr) {
        std::get<wire::ViolationEvent>(event->message).path[wire::kPathSize - 1] = '\0';
      }
      return event;
    }
    default:
      return nullptr;
  }
}

}  // namespace cloister::binding
