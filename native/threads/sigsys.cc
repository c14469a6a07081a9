#include "native/threads/sigsys.h"

#include <ucontext.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

#include "native/linux/signals.h"
#include "native/violations/quiet_paths.h"

namespace cloister::threads {

namespace {

using violations::RefusedCall;

constexpr int kSysSeccomp = 1;  // SYS_SECCOMP, si_code
constexpr int kEndedBySignal = 128;

std::atomic<const violations::Descriptions*> g_descriptions{nullptr};
sys::KernelAction g_previous = {};

// The path is read from memory that may change, which only decides between two ways of refusing.
bool IsQuiet(const RefusedCall& call) noexcept {
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
  return path != nullptr && (is_root(path) || violations::IsQuietPath(path));
}

// What the refused call returns when the handler does.
void Answer(ucontext_t* context, long result) noexcept {
#if defined(__x86_64__)
  context->uc_mcontext.gregs[REG_RAX] = result;
#else
  context->uc_mcontext.regs[0] = static_cast<unsigned long long>(result);
#endif
}

RefusedCall CallOf(const siginfo_t& info, const ucontext_t& context) noexcept {
  RefusedCall call = {};
  call.number = static_cast<std::uint32_t>(info.si_syscall);
  call.native = true;
  call.id = sys::Gettid();
  call.id_kind = "thread";
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
[[noreturn]] void EndBySigsys(const RefusedCall& call) noexcept {
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
  const RefusedCall call = CallOf(*info, *state);
  if (IsQuiet(call)) {
    Answer(state, -EACCES);
    return;
  }
  const violations::Descriptions* descriptions = g_descriptions.load();
  static const violations::Descriptions none;
  char line[512];
  const std::size_t length =
      DescribeCall(descriptions == nullptr ? none : *descriptions, call, line, sizeof(line));
  sys::Write(2, line, length);
  EndBySigsys(call);
}

}  // namespace

void SetDescriptions(violations::Descriptions descriptions) {
  g_descriptions.store(new violations::Descriptions(std::move(descriptions)));
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
