// What the launcher says about a cell, checked and on its way to the environment that started it.

#ifndef CLOISTER_BINDING_CELL_EVENT_H_
#define CLOISTER_BINDING_CELL_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <variant>

#include "native/base/unique_fd.h"
#include "native/wire/messages.h"

namespace cloister::binding {

struct CellEvent {
  std::variant<wire::StartedEvent, wire::FailedEvent, wire::ExitedEvent, wire::EndedEvent,
               wire::ViolationEvent>
      message;
  // Master side of the terminal, with StartedEvent only; and whether it is in use.
  UniqueFd terminal;
  bool has_terminal = false;

  [[nodiscard]] std::uint64_t Cell() const {
    return std::visit([](const auto& event) { return event.header.cell; }, message);
  }
  // Nothing follows for this cell.
  [[nodiscard]] bool Final() const {
    return std::holds_alternative<wire::FailedEvent>(message) ||
           std::holds_alternative<wire::EndedEvent>(message);
  }
};

// Null for bytes that are no event of this version.
std::unique_ptr<CellEvent> DecodeEvent(const std::uint8_t* data, std::size_t size,
                                       UniqueFd descriptor);

// Who hears of events. Called by the watcher thread.
class EventSink {
 public:
  EventSink() = default;
  EventSink(const EventSink&) = delete;
  EventSink& operator=(const EventSink&) = delete;
  virtual void Deliver(std::unique_ptr<CellEvent> event) = 0;

 protected:
  ~EventSink() = default;
};

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_CELL_EVENT_H_
