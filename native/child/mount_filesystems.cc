// File systems of the cell's own: how a new instance is made, and the kinds that need more than options.

#include <fcntl.h>

#include <cerrno>

#include "native/child/mounts.h"
#include "native/child/text.h"
#include "native/linux/syscalls.h"

namespace cloister::child {

namespace {

// Names in the first file system of our own; gone again before the cell's program can look.
constexpr const char* kEmptyFile = ".cloister-empty-file";
constexpr const char* kEmptyDirectory = ".cloister-empty-directory";

// Parts of /proc that anybody may read and that tell about the host's keys. /proc itself is read-only: what works by writing is closed already.
constexpr const char* kCovered[] = {"keys", "key-users"};
// What only the host's root may read or write, for the cells that keep the host's root behind their ids.
constexpr const char* kCoveredForRoot[] = {"kcore",      "kmsg",          "kallsyms",    "kpagecount",
                                           "kpageflags", "kpagecgroup",   "vmallocinfo", "timer_list",
                                           "sched_debug", "latency_stats", "sysrq-trigger"};
constexpr const char* kCoveredDirectoriesForRoot[] = {"acpi", "asound", "scsi", "bus"};

// The string that names a descriptor to the kernel, whatever its path.
void DescriptorPath(TextBuffer<4096>* text, int fd) noexcept {
  text->Add("/proc/self/fd/").Add(static_cast<std::uint64_t>(fd));
}

int OpenStage(const MountState& state, const char* path) noexcept {
  return OpenPlace(state, {plan::Tree::kStage, path});
}

// A clone of the mask's source for a place, attached read-only.
void CoverWith(const MountState& state, int source, int target, const char* detail) noexcept {
  const int tree = static_cast<int>(MountCheck(
      state, sys::OpenTree(source, "", uapi::kOpenTreeClone | uapi::kOpenTreeCloexec | AT_EMPTY_PATH),
      "open_tree", detail));
  MountCheck(state, sys::MoveMount(tree, target), "move_mount", detail);
  // The source is of mode 0 and belongs to nobody who could change it: the cell has no capability over its own user namespace, and a read-only
  // flag would only matter for the owner's chmod(2).
  uapi::MountAttr attributes = {uapi::kMountAttrReadOnly, 0, 0, 0};
  const long result = sys::MountSetattr(tree, AT_EMPTY_PATH, &attributes);
  if (result == -ENOSYS) {
    RemountAttached(state, tree, uapi::kMountAttrReadOnly, false, detail);
  } else {
    MountCheck(state, result, "mount_setattr", detail);
  }
  sys::Close(tree);
}

int MaskSource(MountState* state, bool directory) noexcept {
  int* source = directory ? &state->empty_directory : &state->empty_file;
  if (*source >= 0) {
    return *source;
  }
  const int base = state->filesystems[0];
  const char* name = directory ? kEmptyDirectory : kEmptyFile;
  if (directory) {
    MountCheck(*state, sys::Call(SYS_mkdirat, base, sys::Arg(name), 0), "mkdir", name);
  } else {
    const long fd = sys::Openat(base, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
    sys::Close(static_cast<int>(MountCheck(*state, fd, "open", name)));
  }
  *source = static_cast<int>(
      MountCheck(*state, sys::Openat(base, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), "open", name));
  return *source;
}

void CoverInProc(MountState* state, int proc, const char* name, bool directory) noexcept {
  const long target = sys::Openat(proc, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (target == -ENOENT) {
    return;  // not built into this kernel
  }
  MountCheck(*state, target, "open", name);
  CoverWith(*state, MaskSource(state, directory), static_cast<int>(target), name);
  sys::Close(static_cast<int>(target));
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

void MountOverlay(MountState* state, const plan::MountOperation& op) noexcept {
  // Layers are named by descriptor: no colon or comma in a path can change the meaning of the option.
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

void MountProc(MountState* state, const plan::MountOperation& op) noexcept {
  const std::uint64_t attributes = uapi::kMountAttrReadOnly | uapi::kMountAttrNoSuid |
                                   uapi::kMountAttrNoDev | uapi::kMountAttrNoExec;
  // The kernel allows this in a user namespace only while a /proc without covers is in sight (mount_too_revealing, 4.2): before the old root goes.
  const int mount = NewFileSystem(*state, "proc", nullptr, 0, attributes, op.at.path);
  Attach(state, mount, op.at, 0, false);
  for (const char* name : kCovered) {
    CoverInProc(state, mount, name, false);
  }
  const bool host_root =
      state->context->facts.uid == 0 &&
                         state->context->preparation.unprivileged_host_ids == 0;
  if (!host_root) {
    return;
  }
  for (const char* name : kCoveredForRoot) {
    CoverInProc(state, mount, name, false);
  }
  for (const char* name : kCoveredDirectoriesForRoot) {
    CoverInProc(state, mount, name, true);
  }
}

void MountDevpts(MountState* state, const plan::MountOperation& op) noexcept {
  // ptmxmode: anybody in the cell may open a terminal. Device nodes work here and nowhere else but on the bound ones.
  const Option options[] = {{"newinstance", nullptr}, {"ptmxmode", "0666"}, {"mode", "0620"}};
  const int mount = NewFileSystem(*state, "devpts", options, 3,
                                  uapi::kMountAttrNoSuid | uapi::kMountAttrNoExec, op.at.path);
  Attach(state, mount, op.at, 0, false);
}

void MaskPlace(MountState* state, const plan::Place& place, bool directory) noexcept {
  const int target = OpenPlace(*state, place);
  CoverWith(*state, MaskSource(state, directory), target, place.path);
  sys::Close(target);
}

void RemoveMaskSources(MountState* state) noexcept {
  const int base = state->filesystems[0];
  // The covers live on: a mount holds what it shows.
  if (state->empty_file >= 0) {
    MountCheck(*state, sys::Call(SYS_unlinkat, base, sys::Arg(kEmptyFile), 0), "unlink",
               kEmptyFile);
    state->empty_file = -1;
  }
  if (state->empty_directory >= 0) {
    MountCheck(*state, sys::Call(SYS_unlinkat, base, sys::Arg(kEmptyDirectory), AT_REMOVEDIR),
               "rmdir", kEmptyDirectory);
    state->empty_directory = -1;
  }
}

}  // namespace cloister::child
