// What happens in this process at a call that its filter answers with SIGSYS: one line on standard
// error says what was refused and what would have allowed it, then the process ends by that signal.

#ifndef CLOISTER_THREADS_SIGSYS_H_
#define CLOISTER_THREADS_SIGSYS_H_

#include "native/violations/descriptions.h"

namespace cloister::threads {

// What the handler will tell from now on. Never freed: a thread may be reading it.
void SetDescriptions(violations::Descriptions descriptions);

// Process-wide. The filter keeps anybody else from taking the signal: its rt_sigaction for SIGSYS
// answers success and does nothing.
void InstallSigsysHandler() noexcept;

}  // namespace cloister::threads

#endif  // CLOISTER_THREADS_SIGSYS_H_
