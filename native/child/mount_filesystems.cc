// File systems of the cell's own: how a new instance is made; overlays.

#include <fcntl.h>
#include <sched.h>

#include <cerrno>

#include "native/child/mounts.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

namespace {

// The string that names a descriptor to the kernel, whatever its path.
void DescriptorPath(TextBuffer<4096>* text, int fd) noexcept {
  text->Add("/proc/self/fd/").Add(static_cast<std::uint64_t>(fd));
}

int OpenStage(const MountState& state, const char* path) noexcept {
  return OpenPlace(state, {plan::Tree::kStage, path});
}

}  // namespace

int NewFileSystem(const MountState& state, const char* type, const Option* options,
                  std::size_t count, std::uint64_t attributes, const char* detail) noexcept {
  const int fs = static_cast<int>(MountCheck(state, sys::Fsopen(type), "fsopen", type));
  for (std::size_t i = 0; i < count; ++i) {
    const long result = options[i].value == nullptr
                            ? sys::FsconfigFlag(fs, options[i].key)
                            : sys::FsconfigString(fs, options[i].key, options[i].value);
    MountCheck(state, result, "fsconfig", options[i].key);
  }
  MountCheck(state, sys::FsconfigCreate(fs), "fsconfig", detail);
  const long mount = MountCheck(state, sys::Fsmount(fs, attributes), "fsmount", detail);
  sys::Close(fs);
  return static_cast<int>(mount);
}

// mq_open(3) opens files of a mount that only the kernel has, which lies below no root: Landlock
// would refuse them all. A rule on the root of another mount of the same file system lets them
// pass.
void OpenQueues(Context* context) noexcept {
  if ((context->preparation.namespaces & CLONE_NEWIPC) == 0) {
    return;  // they are the host's
  }
  const long known = sys::Fsopen("mqueue");
  if (known == -ENODEV) {
    return;  // not built into this kernel
  }
  MountState state = {};
  state.context = context;
  sys::Close(static_cast<int>(MountCheck(state, known, "fsopen", "mqueue")));
  context->queues = NewFileSystem(
      state, "mqueue", nullptr, 0,
      uapi::kMountAttrNoSuid | uapi::kMountAttrNoDev | uapi::kMountAttrNoExec, "mqueue");
}

void MountOverlay(MountState* state, const plan::MountOperation& op) noexcept {
  // Layers are named by descriptor: no colon or comma in a path can change the meaning of the
  // option.
  static TextBuffer<4096> lower;
  lower = {};
  for (std::size_t i = 0; i < op.lower.size; ++i) {
    DescriptorPath(&lower.Add(i == 0 ? "" : ":"), OpenStage(*state, op.lower[i]));
  }
  static TextBuffer<4096> upper;
  static TextBuffer<4096> work;
  Option options[5] = {{"userxattr", nullptr}, {"lowerdir", lower.Text()}};
  std::size_t count = 2;
  if (op.upper != nullptr) {
    upper = {};
    work = {};
    DescriptorPath(&upper, OpenStage(*state, op.upper));
    DescriptorPath(&work, OpenStage(*state, op.work));
    options[count++] = {"upperdir", upper.Text()};
    options[count++] = {"workdir", work.Text()};
  }
  std::uint64_t attributes = uapi::kMountAttrNoSuid | uapi::kMountAttrNoDev;
  attributes |= op.upper != nullptr ? 0 : uapi::kMountAttrReadOnly;
  attributes |= (op.flags & plan::kExecutable) != 0 ? 0 : uapi::kMountAttrNoExec;
  const int mount = NewFileSystem(*state, "overlay", options, count, attributes, op.at.path);
  state->filesystems[state->filesystem_count++] = mount;
  Attach(state, mount, op.at, 0, false);
}

}  // namespace cloister::child
