#include "native/launcher/enter.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "native/base/unique_fd.h"
#include "native/launcher/channel_send.h"
#include "native/launcher/packet.h"
#include "native/linux/syscalls.h"
#include "native/plan/result.h"
#include "native/wire/messages.h"
#include "native/wire/proof.h"

namespace cloister::launcher {

namespace {

constexpr std::uint64_t kCell = 1;
// Of `cloister run` (docs/cli.md).
constexpr int kWallTimeStatus = 124;
constexpr int kNotStarted = 125;
constexpr int kNotExecutable = 126;
constexpr int kNoCommand = 127;
constexpr int kSignalBase = 128;

[[noreturn]] void Refuse(const char* what, int error) {
  std::fprintf(stderr, "cloister: cannot enter a cell: %s: %s\n", what, std::strerror(error));
  _exit(kNotStarted);
}

// Only what the command gets stays open.
void KeepOnly(int plan, int proof) {
  const unsigned low = static_cast<unsigned>(std::min(plan, proof));
  const unsigned high = static_cast<unsigned>(std::max(plan, proof));
  if (low > 3) {
    sys::CloseRange(3, low - 1);
  }
  if (high > low + 1) {
    sys::CloseRange(low + 1, high - 1);
  }
  sys::CloseRange(high + 1, ~0U);
  fcntl(plan, F_SETFD, FD_CLOEXEC);
  fcntl(proof, F_SETFD, FD_CLOEXEC);
}

// The program may have run without some of them, and libuv leaves pipes and terminals non-blocking,
// which programs do not expect of descriptors they are born with.
void PrepareStandardDescriptors() {
  for (;;) {
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
      Refuse("/dev/null", errno);
    }
    if (fd > 2) {
      close(fd);
      break;
    }
    fcntl(fd, F_SETFD, 0);
  }
  for (int fd = 0; fd < 3; ++fd) {
    const int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) != 0) {
      fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
  }
}

[[noreturn]] void BecomeServer(int socket, int (*serve)()) {
  const UniqueFd null_device(open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int fd = 0; fd < 3; ++fd) {
    if (dup2(null_device.Get(), fd) < 0) {
      _exit(1);
    }
  }
  if (socket == wire::kLauncherSocket) {
    fcntl(socket, F_SETFD, 0);
  } else if (dup2(socket, wire::kLauncherSocket) < 0) {
    _exit(1);
  }
  _exit(serve());
}

void SendSpawn(int socket, int plan, int proof) {
  struct stat status = {};
  if (fstat(plan, &status) != 0) {
    Refuse("plan", errno);
  }
  wire::SpawnRequest request = {};
  request.header = {wire::kVersion, wire::Type::kSpawn, kCell};
  request.plan_size = static_cast<std::uint64_t>(status.st_size);
  request.plan_in_memfd = 1;
  request.stdio_count = 4;
  request.umask = wire::kKeepUmask;
  const iovec part = {&request, sizeof(request)};
  if (const std::optional<Failure> failure = SendToCell(socket, &part, 1, {plan, 0, 1, 2, proof})) {
    Refuse(failure->syscall, failure->error);
  }
}

// Every signal that can wait, but for those that tell of a fault of this very program.
sigset_t Forwarded() {
  sigset_t signals;
  sigfillset(&signals);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
    sigdelset(&signals, fault);
  }
  return signals;
}

void Signal(int socket, int signal) {
  wire::SignalRequest request = {};
  request.header = {wire::kVersion, wire::Type::kSignal, kCell};
  request.signal = signal;
  // Fails when the launcher is gone, which its socket tells.
  send(socket, &request, sizeof(request), MSG_NOSIGNAL);
}

// The program's own children from before, and the launcher's loop.
void Reap() {
  while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
  }
}

void TakeSignal(int signals, int socket) {
  signalfd_siginfo info = {};
  if (read(signals, &info, sizeof(info)) != sizeof(info)) {
    return;
  }
  const int signal = static_cast<int>(info.ssi_signo);
  switch (signal) {
    case SIGCHLD:
      Reap();
      break;
    case SIGTTIN:
    case SIGTTOU:
      break;
    case SIGTSTP:
      // The kernel drops SIGTSTP for a session without a parent in it, which the command's is.
      Signal(socket, SIGSTOP);
      raise(SIGSTOP);
      break;
    default:
      Signal(socket, signal);
  }
}

[[noreturn]] void FailedStart(const wire::FailedEvent& event) {
  std::fprintf(stderr, "cloister: cannot run this program in a cell: %.*s %.*s: %s\n",
               static_cast<int>(sizeof(event.syscall)), event.syscall,
               static_cast<int>(sizeof(event.detail)), event.detail, std::strerror(event.error));
  const bool at_exec = event.stage == static_cast<std::uint32_t>(Stage::k_exec);
  _exit(!at_exec ? kNotStarted : event.error == ENOENT ? kNoCommand : kNotExecutable);
}

[[noreturn]] void DieOf(int signal) {
  // The command has left a core file where it was allowed to.
  const rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_UNBLOCK, &all, nullptr);
  raise(signal);
  _exit(kSignalBase + signal);
}

const char* LimitOf(wire::EndCause cause) {
  switch (cause) {
    case wire::EndCause::kWallTime:
      return "wallTime";
    case wire::EndCause::kCpuTime:
      return "cpuTime";
    case wire::EndCause::kMemory:
      return "memory";
    default:
      return nullptr;
  }
}

[[noreturn]] void End(const wire::EndedEvent& event, const wire::ExitedEvent& exited) {
  if (const char* const limit = LimitOf(event.cause)) {
    std::fprintf(stderr, "cloister: ended by limits.%s\n", limit);
    _exit(event.cause == wire::EndCause::kWallTime ? kWallTimeStatus : kSignalBase + SIGKILL);
  }
  if (exited.signaled != 0) {
    DieOf(exited.value);
  }
  _exit(exited.value);
}

template <typename Message>
bool Take(const std::uint8_t* packet, std::size_t size, Message* message) {
  if (size < sizeof(*message)) {
    return false;
  }
  std::memcpy(message, packet, sizeof(*message));
  return true;
}

// What the kernel confirms is added, and nothing can be added or changed after it.
void CompleteProof(UniqueFd* proof, const wire::Confirmed& confirmed) {
  struct stat status = {};
  if (fstat(proof->Get(), &status) != 0 ||
      pwrite(proof->Get(), &confirmed, sizeof(confirmed), status.st_size) != sizeof(confirmed) ||
      fcntl(proof->Get(), F_ADD_SEALS, wire::kAllSeals) != 0) {
    // With this process its cell ends.
    Refuse("proof", errno);
  }
  proof->Reset();
}

void TakeEvent(int socket, UniqueFd* proof, wire::ExitedEvent* exited) {
  static std::uint8_t buffer[wire::kLargestPacket];
  Packet packet;
  const Received received = Receive(socket, buffer, sizeof(buffer), &packet);
  if (received == Received::kNothing) {
    return;
  }
  wire::Header header = {};
  wire::FailedEvent failed = {};
  wire::EndedEvent ended = {};
  if (received != Received::kPacket || !Take(buffer, packet.size, &header)) {
    // With the launcher's loop its cell is gone too.
    std::fprintf(stderr, "cloister: the launcher was killed, and the cell with it\n");
    DieOf(SIGKILL);
  }
  if (header.type == wire::Type::kFailed && Take(buffer, packet.size, &failed)) {
    FailedStart(failed);
  }
  wire::StartedEvent started = {};
  if (header.type == wire::Type::kStarted && Take(buffer, packet.size, &started)) {
    CompleteProof(proof, started.confirmed);
  }
  if (header.type == wire::Type::kExited) {
    Take(buffer, packet.size, exited);
  }
  if (header.type == wire::Type::kEnded && Take(buffer, packet.size, &ended)) {
    End(ended, *exited);
  }
}

}  // namespace

void Enter(int plan, int proof, int (*serve)()) {
  const sigset_t forwarded = Forwarded();
  sigprocmask(SIG_SETMASK, &forwarded, nullptr);
  KeepOnly(plan, proof);
  PrepareStandardDescriptors();
  prctl(PR_SET_NAME, "cloister-enter");
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    Refuse("socketpair", errno);
  }
  const pid_t server = fork();
  if (server < 0) {
    Refuse("fork", errno);
  }
  if (server == 0) {
    BecomeServer(ends[1], serve);
  }
  close(ends[1]);
  const int socket = ends[0];
  const int signals = signalfd(-1, &forwarded, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) {
    Refuse("signalfd", errno);
  }
  SendSpawn(socket, plan, proof);
  close(plan);
  UniqueFd kept_proof(proof);
  wire::ExitedEvent exited = {};
  for (;;) {
    pollfd watched[] = {{socket, POLLIN, 0}, {signals, POLLIN, 0}};
    poll(watched, 2, -1);
    if (watched[1].revents != 0) {
      TakeSignal(signals, socket);
    }
    if (watched[0].revents != 0) {
      TakeEvent(socket, &kept_proof, &exited);
    }
  }
}

}  // namespace cloister::launcher
