// The part of the launcher's loop that answers for what cells may not do.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "native/launcher/server.h"
#include "native/linux/syscalls.h"

namespace cloister::launcher {

namespace {

// In one turn of the loop: a cell that does nothing but what it may not is one among others.
constexpr int kCallsPerTurn = 16;

}  // namespace

void Server::HandleCalls(Cell* cell, std::uint32_t events) {
  for (int i = 0; i < kCallsPerTurn && cell->listener->Fd() >= 0; ++i) {
    const std::optional<SeccompNotification> call = cell->listener->Next();
    if (!call) {
      break;
    }
    HandleCall(cell, *call);
    if (cell->cause == wire::EndCause::kViolation) {
      // The call waits for its end, and so do those that follow.
      epoll_ctl(epoll_.Get(), EPOLL_CTL_DEL, cell->listener->Fd(), nullptr);
      return;
    }
  }
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
    // Nobody is left who could ask.
    cell->listener->Attach(UniqueFd());
  }
}

void Server::HandleCall(Cell* cell, const SeccompNotification& call) {
  Listener* listener = cell->listener.get();
  const std::string path = listener->ReadPath(call);
  switch (listener->Judge(call, path)) {
    case Judgement::kPass:
      listener->Pass(call);
      return;
    case Judgement::kDoWithout:
      if (listener->Answer() == plan::ViolationAnswer::kLog) {
        listener->Pass(call);
      } else {
        listener->Refuse(call, EACCES);
      }
      return;
    case Judgement::kViolation:
      break;
  }
  if (listener->CountOne()) {
    Send(MakeViolationEvent(cell->id, call, path));
  }
  switch (listener->Answer()) {
    case plan::ViolationAnswer::kLog:
      listener->Pass(call);
      break;
    case plan::ViolationAnswer::kError:
      listener->Refuse(call, EPERM);
      break;
    default:
      cell->EndForViolation(call);
  }
}

}  // namespace cloister::launcher
