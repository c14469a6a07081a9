#include "native/threads/sigsys.h"

#include <ucontext.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

#include "native/child/text.h"
#include "native/linux/signals.h"

namespace cloister::threads {

namespace {

constexpr int kSysSeccomp = 1;  // SYS_SECCOMP, si_code
constexpr int kEndedBySignal = 128;

std::atomic<const Descriptions*> g_descriptions{nullptr};
sys::KernelAction g_previous = {};

// Files that the C library, V8 and ICU open by themselves, at any time, and do without: no reason
// to end. A slash at the end stands for all that lies below.
constexpr const char* kQuietPaths[] = {
    "/proc/sys/vm/overcommit_memory",  // malloc, when an arena shrinks
    "/sys/devices/system/cpu/",        // malloc, when it makes one; V8's clock
    "/proc/stat",
    "/etc/localtime",  // the first local date
    "/usr/share/zoneinfo/",
    "/proc/meminfo",  // how much memory there is for a heap
    "/proc/self/cgroup",
    "/sys/fs/cgroup/",
    "/dev/null",  // libuv's spare descriptor, for a time when there is none left
};

bool IsQuietPath(const char* path) noexcept {
  for (const char* quiet : kQuietPaths) {
    std::size_t i = 0;
    while (quiet[i] != '\0' && path[i] == quiet[i]) {
      ++i;
    }
    if (quiet[i] == '\0' && (path[i] == '\0' || quiet[i - 1] == '/')) {
      return true;
    }
  }
  return false;
}

// The path is read from memory that may change, which only decides between two ways of refusing.
bool IsQuiet(const CallOfThread& call) noexcept {
  const char* path = nullptr;
  // The spare descriptor once more: libuv takes the root directory where it cannot have /dev/null.
  const auto is_root = [](const char* text) { return text[0] == '/' && text[1] == '\0'; };
  if (call.number == SYS_openat) {
    path = reinterpret_cast<const char*>(call.args[1]);
  }
#if defined(SYS_open)
  if (call.number == SYS_open) {
    path = reinterpret_cast<const char*>(call.args[0]);
  }
#endif
  return path != nullptr && (is_root(path) || IsQuietPath(path));
}

// What the refused call returns when the handler does.
void Answer(ucontext_t* context, long result) noexcept {
#if defined(__x86_64__)
  context->uc_mcontext.gregs[REG_RAX] = result;
#else
  context->uc_mcontext.regs[0] = static_cast<unsigned long long>(result);
#endif
}

bool Holds(const Condition& condition, const std::uint64_t* args) noexcept {
  const std::uint64_t width = condition.wide ? ~std::uint64_t{0} : 0xffffffffU;
  const std::uint64_t argument = args[condition.index % 6] & width;
  const std::uint64_t value = condition.value & width;
  switch (condition.comparison) {
    case Comparison::kEqual:
      return argument == value;
    case Comparison::kNotEqual:
      return argument != value;
    case Comparison::kLess:
      return argument < value;
    case Comparison::kLessOrEqual:
      return argument <= value;
    case Comparison::kGreater:
      return argument > value;
    case Comparison::kGreaterOrEqual:
      return argument >= value;
    default:
      return (argument & condition.mask & width) == value;
  }
}

bool Allows(const Allowance& allowance, const CallOfThread& call) noexcept {
  if (allowance.number != call.number) {
    return false;
  }
  for (const Condition& condition : allowance.conditions) {
    if (!Holds(condition, call.args)) {
      return false;
    }
  }
  return true;
}

const char* NameOf(const Descriptions& descriptions, std::uint32_t number) noexcept {
  for (const NamedCall& call : descriptions.calls) {
    if (call.number == number) {
      return call.name.c_str();
    }
  }
  return nullptr;
}

CallOfThread CallOf(const siginfo_t& info, const ucontext_t& context) noexcept {
  CallOfThread call = {};
  call.number = static_cast<std::uint32_t>(info.si_syscall);
  call.tid = sys::Gettid();
#if defined(__x86_64__)
  constexpr int kRegisters[6] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9};
  for (int i = 0; i < 6; ++i) {
    call.args[i] = static_cast<std::uint64_t>(context.uc_mcontext.gregs[kRegisters[i]]);
  }
#else
  for (int i = 0; i < 6; ++i) {
    call.args[i] = context.uc_mcontext.regs[i];
  }
#endif
  return call;
}

// The signal is blocked in its own handler, and a call that is refused while it is blocked ends the
// process by it, whatever its disposition (force_sig_info in the kernel). The default action could
// not be asked for: the filter refuses to change this signal's.
[[noreturn]] void EndBySigsys(const CallOfThread& call) noexcept {
  const auto argument = [&call](int index) { return static_cast<long>(call.args[index]); };
  sys::Call(static_cast<long>(call.number), argument(0), argument(1), argument(2), argument(3),
            argument(4), argument(5));
  sys::Exit(kEndedBySignal + SIGSYS);
}

void OnSigsys(int signal, siginfo_t* info, void* context) {
  if (info->si_code != kSysSeccomp) {
    const auto handler = reinterpret_cast<std::uintptr_t>(g_previous.handler);
    if (handler == reinterpret_cast<std::uintptr_t>(SIG_IGN)) {
      return;
    }
    if (handler != reinterpret_cast<std::uintptr_t>(SIG_DFL)) {
      g_previous.handler(signal, info, context);
      return;
    }
    sys::Exit(kEndedBySignal + SIGSYS);
  }
  auto* const state = static_cast<ucontext_t*>(context);
  const CallOfThread call = CallOf(*info, *state);
  if (IsQuiet(call)) {
    Answer(state, -EACCES);
    return;
  }
  const Descriptions* descriptions = g_descriptions.load();
  static const Descriptions none;
  char line[512];
  const std::size_t length =
      DescribeCall(descriptions == nullptr ? none : *descriptions, call, line, sizeof(line));
  sys::Write(2, line, length);
  EndBySigsys(call);
}

}  // namespace

std::size_t DescribeCall(const Descriptions& descriptions, const CallOfThread& call, char* line,
                         std::size_t size) noexcept {
  child::TextBuffer<480> text;
  text.Add("cloister: system call ");
  const char* name = NameOf(descriptions, call.number);
  if (name != nullptr) {
    text.Add(name);
  } else {
    text.Add("number ").Add(call.number);
  }
  text.Add("(");
  for (int i = 0; i < 6; ++i) {
    text.Add(i == 0 ? "0x" : ", 0x").Add(call.args[i], 16);
  }
  text.Add(") is not allowed");
  const Allowance* found = nullptr;
  for (const Allowance& allowance : descriptions.allowances) {
    if (found == nullptr && Allows(allowance, call)) {
      found = &allowance;
    }
  }
  if (found != nullptr && found->promise < descriptions.promises.size()) {
    text.Add("; the promise '")
        .Add(descriptions.promises[found->promise].c_str())
        .Add("' would allow it");
  } else if (!descriptions.promises.empty()) {
    text.Add("; no promise allows it");
  }
  text.Add(" (thread ").Add(static_cast<std::uint64_t>(call.tid)).Add(")\n");
  child::CopyText(line, size, text.Text());
  return text.Length() < size ? text.Length() : size - 1;
}

void SetDescriptions(Descriptions descriptions) {
  g_descriptions.store(new Descriptions(std::move(descriptions)));
}

void InstallSigsysHandler() noexcept {
  const sys::KernelAction action =
      sys::MakeAction(OnSigsys, SA_SIGINFO | SA_ONSTACK, sys::kAllSignals);
  sys::KernelAction present = {};
  // Cannot fail: the arguments are right, and a filter of ours answers success and leaves the
  // handler as it is.
  sys::SetAction(SIGSYS, &action, &present);
  if (present.handler != OnSigsys && present.handler != nullptr) {
    g_previous = present;
  }
}

}  // namespace cloister::threads
