#include "native/binding/launcher_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "native/linux/syscalls.h"
#include "native/linux/uapi.h"
#include "native/wire/messages.h"

namespace cloister::binding {

namespace {

constexpr std::size_t kStackSize = 64UL * 1024;
constexpr int kWaitPidfd = 3;  // P_PIDFD, 5.4

// Shared with the child, whose memory is ours until it executes.
struct Child {
  const LauncherStart* start;
  const char* failed_syscall;
  int error;
};

// Kernel form of a signal set: the C library's functions leave out signals 32 and 33, whose
// handlers would run in the child as well.
using SignalMask = std::uint64_t;

void SetSignalMask(const SignalMask* next, SignalMask* previous) {
  sys::Call(SYS_rt_sigprocmask, SIG_SETMASK, sys::Arg(next), sys::Arg(previous), sizeof(*next));
}

class SignalsBlocked {
 public:
  SignalsBlocked() {
    constexpr SignalMask kAll = ~SignalMask{0};
    SetSignalMask(&kAll, &previous_);
  }
  ~SignalsBlocked() { SetSignalMask(&previous_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  SignalMask previous_ = 0;
};

class ChildStack {
 public:
  // MAP_STACK alone: a guard page would need a second mapping, and the child calls nothing that
  // recurses.
  ChildStack()
      : base_(mmap(nullptr, kStackSize, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {}
  ~ChildStack() {
    if (Valid()) {
      munmap(base_, kStackSize);
    }
  }
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;

  [[nodiscard]] bool Valid() const { return base_ != MAP_FAILED; }
  [[nodiscard]] void* Top() const { return static_cast<char*>(base_) + kStackSize; }

 private:
  void* base_;
};

[[noreturn]] void ChildFail(Child* child, const char* syscall, long result) {
  child->failed_syscall = syscall;
  child->error = static_cast<int>(-result);
  sys::Exit(127);
}

long ChildCheck(Child* child, const char* syscall, long result) {
  if (result < 0) {
    ChildFail(child, syscall, result);
  }
  return result;
}

// Runs on the parent's memory while the calling thread is suspended and all others go on: raw
// system calls only, no errno, no allocation.
int ChildMain(void* argument) {
  auto* child = static_cast<Child*>(argument);
  const LauncherStart& start = *child->start;
  constexpr int kFirstFree = wire::kLauncherSocket + 1;
  // Copies above the numbers to be filled first: a source may itself be one of them when the caller
  // runs without standard descriptors.
  const auto copy = [child](int fd) {
    return ChildCheck(child, "fcntl", sys::Fcntl(fd, F_DUPFD_CLOEXEC, kFirstFree));
  };
  const long null_device = copy(start.null_device);
  const long output = start.output >= 0 ? copy(start.output) : null_device;
  const long socket = start.socket >= 0 ? copy(start.socket) : -1;
  const long standard[] = {null_device, output, null_device};
  for (int i = 0; i < 3; ++i) {
    ChildCheck(child, "dup3", sys::Call(SYS_dup3, standard[i], i, 0));
  }
  if (socket >= 0) {
    ChildCheck(child, "dup3", sys::Call(SYS_dup3, socket, wire::kLauncherSocket, 0));
  }
  // Not everything in the caller's table is close-on-exec.
  const unsigned first = static_cast<unsigned>(socket >= 0 ? kFirstFree : wire::kLauncherSocket);
  ChildCheck(child, "close_range", sys::CloseRange(first, ~0U));
  const char* const argv[] = {"cloister-launcher", start.mode, nullptr};
  const char* const environment[] = {nullptr};
  ChildFail(child, "execve",
            sys::Call(SYS_execve, sys::Arg(start.path), sys::Arg(argv), sys::Arg(environment)));
}

Failure CloneFailure(int error, const char* syscall, std::string detail = {}) {
  return {Stage::k_clone, error, syscall, std::move(detail)};
}

// Reads to end of file. A launcher that hangs is not waited for longer than this.
constexpr int kProbeTimeoutMs = 10000;
constexpr std::size_t kProbeOutputLimit = 1024UL * 1024;

Result<std::string> ReadProbeOutput(const UniqueFd& pipe) {
  std::string text;
  const std::uint64_t deadline = sys::MonotonicNow() + kProbeTimeoutMs * 1000000ULL;
  for (;;) {
    const std::uint64_t now = sys::MonotonicNow();
    if (now >= deadline || text.size() > kProbeOutputLimit) {
      return CloneFailure(now >= deadline ? ETIMEDOUT : EMSGSIZE, "read", "probe");
    }
    pollfd watched = {pipe.Get(), POLLIN, 0};
    poll(&watched, 1, static_cast<int>((deadline - now) / 1000000ULL) + 1);
    if (watched.revents == 0) {
      continue;
    }
    char buffer[4096];
    const ssize_t count = read(pipe.Get(), buffer, sizeof(buffer));
    if (count > 0) {
      text.append(buffer, static_cast<std::size_t>(count));
    } else if (count == 0) {
      return text;
    } else if (errno != EINTR) {
      return CloneFailure(errno, "read", "probe");
    }
  }
}

}  // namespace

Result<UniqueFd> StartLauncherProcess(const LauncherStart& start) {
  const ChildStack stack;
  if (!stack.Valid()) {
    return CloneFailure(errno, "mmap");
  }
  Child child = {&start, nullptr, 0};
  int pidfd = -1;
  int pid = -1;
  int error = 0;
  {
    // A signal handler of this process must not run in the child: it would work on our memory from
    // another process.
    const SignalsBlocked blocked;
    // Exit signal 0: neither SIGCHLD nor a wait for any child in this process ever sees it
    // (clone(2), __WALL).
    pid = clone(ChildMain, stack.Top(),
                CLONE_VM | CLONE_VFORK | static_cast<int>(uapi::kClonePidfd), &child, &pidfd);
    error = errno;
  }
  if (pid < 0) {
    return CloneFailure(error, "clone");
  }
  UniqueFd process(pidfd);
  if (child.failed_syscall != nullptr) {
    ReapLauncherProcess(process);
    return CloneFailure(child.error, child.failed_syscall, start.path);
  }
  return process;
}

int ReapLauncherProcess(const UniqueFd& pidfd) {
  siginfo_t info = {};
  while (waitid(static_cast<idtype_t>(kWaitPidfd), static_cast<id_t>(pidfd.Get()), &info,
                WEXITED | __WALL) != 0) {
    if (errno != EINTR) {
      return -1;
    }
  }
  return info.si_code == CLD_EXITED ? info.si_status : -1;
}

Result<std::string> RunProbe(const std::string& path) {
  const UniqueFd null_device(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_device.Valid()) {
    return CloneFailure(errno, "open", "/dev/null");
  }
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return CloneFailure(errno, "pipe2");
  }
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  Result<UniqueFd> process =
      StartLauncherProcess({path.c_str(), "probe", -1, writing.Get(), null_device.Get()});
  writing.Reset();
  if (!process.Ok()) {
    return process.Error();
  }
  Result<std::string> text = ReadProbeOutput(reading);
  if (!text.Ok()) {
    sys::PidfdSendSignal(process.Value().Get(), SIGKILL);
  }
  const int status = ReapLauncherProcess(process.Value());
  if (text.Ok() && status != 0) {
    return CloneFailure(ECHILD, "waitid", "probe");
  }
  return text;
}

}  // namespace cloister::binding
