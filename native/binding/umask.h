// The file mode creation mask of this process.

#ifndef CLOISTER_BINDING_UMASK_H_
#define CLOISTER_BINDING_UMASK_H_

#include <cstdint>

namespace cloister::binding {

// wire::kKeepUmask where /proc does not tell.
std::uint32_t CurrentUmask();

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_UMASK_H_
