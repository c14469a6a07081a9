#include "native/linux/signals.h"

#if defined(__x86_64__)
// The kernel has no code of its own to return from a handler here: rt_sigreturn is number 15.
// Debuggers and unwinders know this sequence of bytes.
__asm__(
    ".text\n"
    ".align 16\n"
    ".type cloister_signal_return, @function\n"
    "cloister_signal_return:\n"
    "  mov $15, %rax\n"
    "  syscall\n"
    ".size cloister_signal_return, .-cloister_signal_return\n");
extern "C" [[gnu::visibility("hidden")]] void cloister_signal_return();
#endif

namespace cloister::sys {

KernelAction MakeAction(SignalHandler handler, unsigned long flags, SignalMask mask) noexcept {
#if defined(__x86_64__)
  return {handler, flags | kActionRestorer, cloister_signal_return, mask};
#else
  return {handler, flags, nullptr, mask};
#endif
}

}  // namespace cloister::sys
