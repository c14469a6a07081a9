// Whether a process has given up something since this launcher was started for it. The addon says
// so too (wire::Type::kClose), but only the copy of it that restrictSelf was called of: a second
// installation of this package in the same process has a launcher of its own, which nobody tells.

#ifndef CLOISTER_LAUNCHER_STARTER_H_
#define CLOISTER_LAUNCHER_STARTER_H_

#include <sys/types.h>

#include <cstdint>

namespace cloister::launcher {

class Starter {
 public:
  // This process has what the one that started it had then: no_new_privs and filters are kept over
  // clone(2) and execve(2).
  Starter();

  // True as well when the kernel does not say any more. Where it never did (no /proc, that of
  // another pid namespace, or one that hides the starter) nothing can be told, and it is false.
  [[nodiscard]] bool HasNarrowed(pid_t process) const;

 private:
  struct Restraints {
    std::uint64_t no_new_privileges = 0;
    std::uint64_t mode = 0;
    std::uint64_t filters = 0;  // told since Linux 5.9
    bool told = false;
  };
  static Restraints Read(pid_t process);

  Restraints own_;
};

}  // namespace cloister::launcher

#endif  // CLOISTER_LAUNCHER_STARTER_H_
