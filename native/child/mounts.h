// What the parts of the mounts stage share. Child-safe.

#ifndef CLOISTER_CHILD_MOUNTS_H_
#define CLOISTER_CHILD_MOUNTS_H_

#include <cstdint>

#include "native/child/context.h"

namespace cloister::child {

struct MountState {
  Context* context;
  // Roots of the tree that becomes the cell's "/" and of the stage; -1 while there is none.
  int root;
  int stage;
  // Roots of the file systems that this plan made, in order.
  int filesystems[plan::kMaxOwnFileSystems];
  std::uint32_t filesystem_count;
};

// Fails in stage mounts.
[[noreturn]] void MountFail(const MountState& state, long error, const char* syscall,
                            const char* detail) noexcept;

inline long MountCheck(const MountState& state, long result, const char* syscall,
                       const char* detail) noexcept {
  if (result < 0) {
    MountFail(state, -result, syscall, detail);
  }
  return result;
}

// Opens a place without following any symbolic link, and without leaving its tree.
int OpenPlace(const MountState& state, const plan::Place& place) noexcept;

// Puts a detached mount at a place, with at least these attributes (MOUNT_ATTR_*) set on it and,
// when asked, on all mounts in it.
void Attach(MountState* state, int tree, const plan::Place& at, std::uint64_t attributes,
            bool recursive) noexcept;

// The same for kernels without mount_setattr(2), on a mount that is already in place.
void RemountAttached(const MountState& state, int mount, std::uint64_t attributes, bool recursive,
                     const char* detail) noexcept;

// A new instance of a file system, configured by (key, value) pairs; a null value makes a flag.
// Returns the mount, detached.
struct Option {
  const char* key;
  const char* value;
};
int NewFileSystem(const MountState& state, const char* type, const Option* options,
                  std::size_t count, std::uint64_t attributes, const char* detail) noexcept;

void MountOverlay(MountState* state, const plan::MountOperation& operation) noexcept;
// The standard mounts: moved out of the pantry, or made anew when that one is used already.
void MountProc(MountState* state, const plan::Place& at) noexcept;
void MountDev(MountState* state, const plan::Place& at) noexcept;
void MaskPlace(const MountState& state, const plan::MountOperation& operation) noexcept;

}  // namespace cloister::child

#endif  // CLOISTER_CHILD_MOUNTS_H_
