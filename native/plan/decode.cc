#include "native/plan/decode.h"

#include <sched.h>

#include <cstring>

#include "native/base/bytes.h"
#include "native/linux/uapi.h"

namespace cloister::plan {

namespace {

constexpr std::uint32_t kMagic = 0x4e4c5043;  // "CPLN"
constexpr std::uint32_t kPlanVersion = 2;
constexpr std::uint64_t kKnownNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
                                           CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
                                           uapi::kCloneNewCgroup;
// BPF_MAXINSNS.
constexpr std::uint32_t kMaxInstructions = 4096;
constexpr std::uint32_t kResourceCount = 16;
constexpr std::uint32_t kModeBits = 01777;

// A relative path that cannot leave the directory it is relative to.
bool IsInnerPath(const char* path) {
  if (*path == '\0' || *path == '/') {
    return false;
  }
  for (const char* part = path; part != nullptr;) {
    const char* slash = std::strchr(part, '/');
    const std::size_t length =
        slash == nullptr ? std::strlen(part) : static_cast<std::size_t>(slash - part);
    if (length == 0 || (length == 1 && part[0] == '.') ||
        (length == 2 && part[0] == '.' && part[1] == '.')) {
      return false;
    }
    part = slash == nullptr ? nullptr : slash + 1;
  }
  return true;
}

bool IsAbsolute(const char* path) {
  return *path == '/';
}

class Decoder {
 public:
  Decoder(const std::uint8_t* data, std::size_t size, Arena* arena, Plan* plan)
      : reader_(data, size), arena_(arena), plan_(*plan) {}

  bool RunMounts() {
    Mounts();
    return reader_.Ok() && reader_.Remaining() == 0 && ConsistentMounts();
  }

  bool Run() {
    if (reader_.U32() != kMagic || reader_.U32() != kPlanVersion) {
      return false;
    }
    Identity();
    Mounts();
    Restrictions();
    Violations();
    Command();
    return reader_.Ok() && reader_.Remaining() == 0 && Consistent();
  }

 private:
  void Require(bool condition) {
    if (!condition) {
      reader_.Fail();
    }
  }

  const char* AbsolutePath() {
    const char* path = reader_.Text();
    Require(IsAbsolute(path));
    return path;
  }

  const char* InnerPath() {
    const char* path = reader_.Text();
    Require(IsInnerPath(path));
    return path;
  }

  Place ReadPlace(std::uint32_t last) {
    const std::uint32_t tree = reader_.U32();
    Require(tree <= last);
    return {static_cast<Tree>(tree), AbsolutePath()};
  }

  void Identity() {
    plan_.namespaces = reader_.U32();
    Require((plan_.namespaces & ~kKnownNamespaces) == 0);
    plan_.uid = reader_.U32();
    plan_.gid = reader_.U32();
    // (uid_t) -1 means "leave as it is" to setresuid(2).
    Require(plan_.uid != UINT32_MAX && plan_.gid != UINT32_MAX);
    plan_.unprivileged_host_ids = reader_.Flag();
    plan_.hostname = reader_.Text();
    plan_.loopback = reader_.Flag();
    plan_.scratch = reader_.Text();
    Require(*plan_.scratch == '\0' || IsAbsolute(plan_.scratch));
  }

  void Mounts() {
    const std::uint8_t* start = reader_.Position();
    const std::uint32_t count = reader_.Count(16);
    auto* mounts = Room<MountOperation>(count);
    for (std::uint32_t i = 0; i < count && reader_.Ok(); ++i) {
      mounts[i] = Mount();
    }
    plan_.mounts = {mounts, count};
    plan_.mounts_bytes = {start, static_cast<std::size_t>(reader_.Position() - start)};
  }

  template <typename T>
  T* Room(std::size_t count) {
    T* room = arena_->Take<T>(count);
    Require(room != nullptr);
    return room;
  }

  MountOperation Mount() {
    MountOperation op = {};
    op.kind = static_cast<MountKind>(reader_.U32());
    op.flags = reader_.U32();
    Require((op.flags & ~kAllMountFlags) == 0);
    switch (op.kind) {
      case MountKind::kTmpfs:
        op.at = ReadPlace(1);
        op.size = reader_.U64();
        op.inodes = reader_.U64();
        op.mode = Mode();
        ++filesystems_;
        break;
      case MountKind::kDirectory:
      case MountKind::kFile:
      case MountKind::kSymlink:
        Creation(&op);
        break;
      case MountKind::kBind:
        op.from = ReadPlace(2);
        Require(op.from.tree != Tree::kRoot);
        op.at = ReadPlace(1);
        break;
      case MountKind::kOverlay:
        Overlay(&op);
        break;
      case MountKind::kProc:
      case MountKind::kDev:
      case MountKind::kMask:
      case MountKind::kSeal:
        op.at = ReadPlace(1);
        break;
      default:
        reader_.Fail();
    }
    Require(filesystems_ <= kMaxOwnFileSystems);
    return op;
  }

  std::uint32_t Mode() {
    const std::uint32_t mode = reader_.U32();
    Require((mode & ~kModeBits) == 0);
    return mode;
  }

  void Creation(MountOperation* op) {
    op->filesystem = reader_.U32();
    // Only a file system that an earlier operation made.
    Require(op->filesystem < filesystems_);
    op->path = InnerPath();
    if (op->kind == MountKind::kSymlink) {
      op->to = reader_.Text();
      Require(*op->to != '\0');
      return;
    }
    op->mode = Mode();
    if (op->kind == MountKind::kFile) {
      op->content_size = reader_.U32();
      op->content = reader_.Bytes(op->content_size);
    }
  }

  void Overlay(MountOperation* op) {
    op->at = ReadPlace(1);
    const std::uint32_t layers = reader_.Count(6);
    Require(layers >= 1 && layers <= kMaxOverlayLayers);
    auto* lower = Room<const char*>(layers);
    for (std::uint32_t i = 0; i < layers && reader_.Ok(); ++i) {
      lower[i] = AbsolutePath();
    }
    op->lower = {lower, layers};
    if (reader_.Flag()) {
      op->upper = AbsolutePath();
      op->work = AbsolutePath();
    }
    ++filesystems_;
  }

  void Restrictions() {
    plan_.capabilities = reader_.U64();
    plan_.landlock = reader_.Flag();
    Landlock();
    const std::uint32_t count = reader_.Count(12);
    auto* limits = Room<ResourceLimit>(count);
    for (std::uint32_t i = 0; i < count && reader_.Ok(); ++i) {
      limits[i].resource = reader_.U32();
      limits[i].value = reader_.U64();
      Require(limits[i].resource < kResourceCount);
    }
    plan_.limits = {limits, count};
    plan_.wall_time_ns = reader_.U64();
    plan_.cell_limits.memory = reader_.U64();
    plan_.cell_limits.memory_by_group = reader_.Flag();
    plan_.cell_limits.cpu_time_ns = reader_.U64();
    plan_.cell_limits.cpu_time_by_group = reader_.Flag();
    plan_.cell_limits.processes = reader_.U64();
    plan_.cell_limits.cpu_quota_us = reader_.U64();
    plan_.terminal = reader_.Flag();
    plan_.columns = Dimension();
    plan_.rows = Dimension();
    Filter();
  }

  // Which bits a kernel knows is its own affair (stage landlock); here a rule may grant nothing
  // that is not handled, since it would be a rule without an effect.
  void Landlock() {
    plan_.landlock_fs = reader_.U32();
    plan_.landlock_net = reader_.U32();
    plan_.landlock_scoped = reader_.U32();
    const std::uint32_t paths = reader_.Count(14);
    auto* path_grants = Room<PathGrant>(paths);
    for (std::uint32_t i = 0; i < paths && reader_.Ok(); ++i) {
      path_grants[i].rights = Granted(plan_.landlock_fs);
      path_grants[i].optional = reader_.Flag();
      path_grants[i].path = AbsolutePath();
    }
    plan_.landlock_paths = {path_grants, paths};
    const std::uint32_t ports = reader_.Count(8);
    auto* port_grants = Room<PortGrant>(ports);
    for (std::uint32_t i = 0; i < ports && reader_.Ok(); ++i) {
      port_grants[i].rights = Granted(plan_.landlock_net);
      port_grants[i].port = Dimension();
    }
    plan_.landlock_ports = {port_grants, ports};
    Require(plan_.landlock ||
            (plan_.landlock_fs | plan_.landlock_net | plan_.landlock_scoped) == 0);
  }

  std::uint32_t Granted(std::uint32_t handled) {
    const std::uint32_t rights = reader_.U32();
    Require(rights != 0 && (rights & ~handled) == 0);
    return rights;
  }

  std::uint16_t Dimension() {
    const std::uint32_t value = reader_.U32();
    Require(value <= UINT16_MAX);
    return static_cast<std::uint16_t>(value);
  }

  void Filter() {
    const std::uint32_t count = reader_.Count(sizeof(sock_filter));
    Require(count <= kMaxInstructions);
    const std::uint8_t* bytes = reader_.Bytes(count * sizeof(sock_filter));
    auto* filter = Room<sock_filter>(count);
    if (reader_.Ok() && count > 0) {
      std::memcpy(filter, bytes, count * sizeof(sock_filter));
    }
    plan_.filter = {filter, count};
  }

  void Violations() {
    const std::uint32_t answer = reader_.U32();
    Require(answer <= static_cast<std::uint32_t>(ViolationAnswer::kLog));
    plan_.violation_answer = static_cast<ViolationAnswer>(answer);
    const bool asked = plan_.violation_answer != ViolationAnswer::kNobodyAsks;
    plan_.promises = reader_.Flag();
    // A listener belongs to a filter.
    Require(!asked || plan_.filter.size > 0);
    plan_.readable = Texts();
    for (std::size_t i = 0; i < plan_.readable.size; ++i) {
      Require(!reader_.Ok() || IsAbsolute(plan_.readable[i]));
    }
    const std::uint32_t size = reader_.Count(1);
    plan_.descriptions = {reader_.Bytes(size), size};
    Require(asked || (plan_.readable.size == 0 && size == 0));
    Require(plan_.promises || plan_.readable.size == 0);
  }

  void Command() {
    plan_.command = reader_.Text();
    plan_.candidates = Texts();
    plan_.argv = Texts();
    plan_.environment = Texts();
    plan_.cwd = AbsolutePath();
    // argv[0] is never missing: programs rely on it (CVE-2021-4034).
    Require(plan_.candidates.size > 0 && plan_.argv.size > 0);
  }

  // With a null pointer behind the last, as execve(2) wants it.
  Array<const char*> Texts() {
    const std::uint32_t count = reader_.Count(5);
    auto* texts = Room<const char*>(std::size_t{count} + 1);
    for (std::uint32_t i = 0; i < count && reader_.Ok(); ++i) {
      texts[i] = reader_.Text();
    }
    return {texts, count};
  }

  // The child relies on these: the first operation makes the file system that everything else is
  // put on, and a root exists at the end.
  bool Consistent() const {
    if (!plan_.HasOwnTree()) {
      return plan_.mounts.size == 0;
    }
    return ConsistentMounts();
  }

  bool ConsistentMounts() const {
    if (plan_.mounts.size == 0 || plan_.mounts[0].kind != MountKind::kTmpfs ||
        std::strcmp(plan_.mounts[0].at.path, "/") != 0) {
      return false;
    }
    bool rooted = false;
    for (std::size_t i = 0; i < plan_.mounts.size; ++i) {
      const MountOperation& op = plan_.mounts[i];
      const bool creates = op.kind == MountKind::kDirectory || op.kind == MountKind::kFile ||
                           op.kind == MountKind::kSymlink;
      if (creates || op.kind == MountKind::kSeal) {
        continue;
      }
      const bool at_top = std::strcmp(op.at.path, "/") == 0;
      if (op.at.tree == Tree::kStage) {
        if (at_top != (i == 0)) {
          return false;
        }
        continue;
      }
      if (at_top == rooted) {
        return false;
      }
      rooted = true;
    }
    return rooted;
  }

  ByteReader reader_;
  Arena* arena_;
  Plan& plan_;
  std::size_t filesystems_ = 0;
};

}  // namespace

bool Decode(const std::uint8_t* data, std::size_t size, Arena* arena, Plan* plan) {
  return Decoder(data, size, arena, plan).Run();
}

bool DecodeMounts(const std::uint8_t* data, std::size_t size, Arena* arena, Plan* plan) {
  return Decoder(data, size, arena, plan).RunMounts();
}

}  // namespace cloister::plan
