#include "native/launcher/rehearsal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>

#include "native/linux/syscalls.h"
#include "native/wire/messages.h"

namespace cloister::launcher {

namespace {

bool IsHostBind(const plan::MountOperation& op) {
  return op.kind == plan::MountKind::kBind && op.from.tree == plan::Tree::kHost;
}

bool IsMount(const plan::MountOperation& op) {
  return op.kind != plan::MountKind::kDirectory && op.kind != plan::MountKind::kFile &&
         op.kind != plan::MountKind::kSymlink && op.kind != plan::MountKind::kSeal;
}

bool LiesBelow(const plan::Place& inner, const plan::Place& outer) {
  const std::size_t length = std::strcmp(outer.path, "/") == 0 ? 0 : std::strlen(outer.path);
  return inner.tree == outer.tree && std::strncmp(inner.path, outer.path, length) == 0 &&
         inner.path[length] == '/' && inner.path[length + 1] != '\0';
}

// Whoever renames something on the host over a place that is mounted on, in whichever namespace,
// takes that mount away (rename(2)): what a mask hides would show in a cell that is yet to start.
bool CoversPartOfHost(const plan::Plan& plan, std::size_t index) {
  const plan::MountOperation& op = plan.mounts[index];
  if (!IsMount(op)) {
    return false;
  }
  for (std::size_t i = 0; i < index; ++i) {
    const plan::MountOperation& earlier = plan.mounts[i];
    const bool from_host = IsHostBind(earlier) || earlier.kind == plan::MountKind::kOverlay;
    if (from_host && LiesBelow(op.at, earlier.at)) {
      return true;
    }
  }
  return false;
}

// An overlay that keeps what is written has its upper directory on the host, bound into the stage.
// Two overlays must not share one.
bool KeepsWhatIsWritten(const plan::MountOperation& op) {
  return IsHostBind(op) && op.at.tree == plan::Tree::kStage && (op.flags & plan::kWritable) != 0 &&
         std::strcmp(op.at.path, "/") != 0;
}

bool CanBeMadeAhead(const plan::Plan& plan) {
  for (std::size_t i = 0; i < plan.mounts.size; ++i) {
    if (KeepsWhatIsWritten(plan.mounts[i]) || CoversPartOfHost(plan, i)) {
      return false;
    }
  }
  return true;
}

}  // namespace

PrivateBytes PrivateBytes::Copy(const std::uint8_t* data, std::size_t size) {
  PrivateBytes bytes;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return bytes;
  }
  if (madvise(memory, size, MADV_DONTFORK) != 0) {
    munmap(memory, size);
    return bytes;
  }
  std::memcpy(memory, data, size);
  bytes.data_ = static_cast<std::uint8_t*>(memory);
  bytes.size_ = size;
  return bytes;
}

PrivateBytes::~PrivateBytes() {
  if (data_ != nullptr) {
    explicit_bzero(data_, size_);
    munmap(data_, size_);
  }
}

PrivateBytes::PrivateBytes(PrivateBytes&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PrivateBytes& PrivateBytes::operator=(PrivateBytes&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

bool PrivateBytes::Same(const plan::Array<std::uint8_t>& bytes) const {
  return size_ != 0 && size_ == bytes.size && std::memcmp(data_, bytes.data, size_) == 0;
}

std::optional<Rehearsal> Rehearsal::Of(const plan::Plan& plan) {
  if (plan.mounts_bytes.size > wire::kInlinePlanLimit || !CanBeMadeAhead(plan)) {
    return std::nullopt;
  }
  Rehearsal rehearsal;
  rehearsal.mounts_ = PrivateBytes::Copy(plan.mounts_bytes.data, plan.mounts_bytes.size);
  if (rehearsal.mounts_.Size() == 0) {
    return std::nullopt;
  }
  rehearsal.sources_ = LookUp(plan);
  return rehearsal;
}

bool Rehearsal::Fits(const plan::Plan& plan) const {
  return mounts_.Same(plan.mounts_bytes) && sources_ == LookUp(plan);
}

std::vector<Rehearsal::Source> Rehearsal::LookUp(const plan::Plan& plan) {
  std::vector<Source> sources;
  for (std::size_t i = 0; i < plan.mounts.size; ++i) {
    if (!IsHostBind(plan.mounts[i])) {
      continue;
    }
    // A link in the place of the source is another file, and refused when the mounts are made for
    // real.
    uapi::Statx info = {};
    const long result = sys::Call(SYS_statx, AT_FDCWD, sys::Arg(plan.mounts[i].from.path),
                                  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
                                  uapi::kStatxBasic | uapi::kStatxBirth, sys::Arg(&info));
    Source source = {};
    if (result == 0) {
      const bool by_birth = S_ISDIR(info.mode) && (info.mask & uapi::kStatxBirth) != 0;
      source.device = std::uint64_t{info.device_major} << 32 | info.device_minor;
      source.inode = info.inode;
      source.time = by_birth ? info.birth : info.change;
    }
    sources.push_back(source);
  }
  return sources;
}

}  // namespace cloister::launcher
