// Whether this process's mounts are still those that a plan was made for.

#ifndef CLOISTER_BINDING_MOUNT_TABLE_H_
#define CLOISTER_BINDING_MOUNT_TABLE_H_

#include <cstdint>

namespace cloister::binding {

// A number that is another one after every change of the mount table. Where changes cannot be seen
// (no /proc, no descriptor left), it is another one at every call: who keeps what he has read would
// rather read it again. Thread-safe.
std::uint32_t MountGeneration();

}  // namespace cloister::binding

#endif  // CLOISTER_BINDING_MOUNT_TABLE_H_
