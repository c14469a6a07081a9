// Stage mounts: carries out the mount operations of the plan, one after the other, and makes the
// result the root of this process.
//
// Everything is addressed by descriptor. A path is only ever resolved by openat2(2) below a
// descriptor and without symbolic links, so that a hostile tree cannot lead a mount elsewhere, and
// files are only ever created in file systems that this very stage made.

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <cerrno>

#include "native/child/mounts.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

namespace {

// Where a root that is no file system of our own is attached, in the stage.
constexpr const char* kRootInStage = "root";

// Too large for a comfortable stack, and needed until the tree is entered.
MountState g_state;

// Without a user namespace this is done as root, for the id that the cell changes to later.
bool BelongsToAnother(const MountState& state) noexcept {
  const Context& context = *state.context;
  return context.host_id != 0 && (context.preparation.namespaces & CLONE_NEWUSER) == 0;
}

void MountTmpfs(MountState* state, const plan::MountOperation& op) noexcept {
  TextBuffer<24> size;
  TextBuffer<24> inodes;
  TextBuffer<16> mode;
  size.Add(op.size);
  inodes.Add(op.inodes);
  mode.Add(std::uint64_t{op.mode}, 8);
  TextBuffer<24> owner;
  owner.Add(std::uint64_t{state->context->host_id});
  const Option options[] = {{"size", size.Text()},
                            {"nr_inodes", inodes.Text()},
                            {"mode", mode.Text()},
                            {"uid", owner.Text()},
                            {"gid", owner.Text()}};
  const std::size_t count = BelongsToAnother(*state) ? 5 : 3;
  const std::uint64_t attributes =
      uapi::kMountAttrNoSuid | uapi::kMountAttrNoDev |
      ((op.flags & plan::kExecutable) != 0 ? 0 : uapi::kMountAttrNoExec);
  const int mount = NewFileSystem(*state, "tmpfs", options, count, attributes, op.at.path);
  state->filesystems[state->filesystem_count++] = mount;
  if (state->filesystem_count == 1) {
    // The first one lies on top of the pantry: out of the way of every path, found by descriptor
    // and by pivot_root(2).
    MountCheck(*state, sys::MoveMount(mount, state->context->pantry), "move_mount", "/");
    (op.at.tree == plan::Tree::kRoot ? state->root : state->stage) = mount;
    return;
  }
  Attach(state, mount, op.at, 0, false);
}

// The directory that a new entry goes to, and the entry's name. RESOLVE_NO_XDEV: it lies in our own
// file system, whatever was mounted on it since.
int OpenParent(const MountState& state, const plan::MountOperation& op,
               const char** name) noexcept {
  const int root = state.filesystems[op.filesystem];
  const char* slash = nullptr;
  for (const char* c = op.path; *c != '\0'; ++c) {
    slash = *c == '/' ? c : slash;
  }
  if (slash == nullptr) {
    *name = op.path;
    return root;
  }
  char parent[PATH_MAX];
  const std::size_t length = static_cast<std::size_t>(slash - op.path);
  if (length >= sizeof(parent)) {
    MountFail(state, ENAMETOOLONG, "openat2", op.path);
  }
  CopyText(parent, length + 1, op.path);
  *name = slash + 1;
  return static_cast<int>(MountCheck(
      state,
      sys::Openat2(root, parent, O_PATH | O_DIRECTORY | O_CLOEXEC,
                   uapi::kResolveBeneath | uapi::kResolveNoSymlinks | uapi::kResolveNoXdev),
      "openat2", op.path));
}

void CreateFile(const MountState& state, int parent, const char* name,
                const plan::MountOperation& op) noexcept {
  // O_EXCL: neither an existing file nor a link is opened.
  const int fd = static_cast<int>(
      MountCheck(state, sys::Openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, op.mode),
                 "open", op.path));
  for (std::size_t done = 0; done < op.content_size;) {
    const long count = sys::Write(fd, op.content + done, op.content_size - done);
    done += static_cast<std::size_t>(MountCheck(state, count, "write", op.path));
  }
  sys::Close(fd);
}

void Create(const MountState& state, const plan::MountOperation& op) noexcept {
  const char* name = nullptr;
  const int parent = OpenParent(state, op, &name);
  if (op.kind == plan::MountKind::kDirectory) {
    MountCheck(state, sys::Call(SYS_mkdirat, parent, sys::Arg(name), op.mode), "mkdir", op.path);
  } else if (op.kind == plan::MountKind::kSymlink) {
    MountCheck(state, sys::Call(SYS_symlinkat, sys::Arg(op.to), parent, sys::Arg(name)), "symlink",
               op.path);
  } else {
    CreateFile(state, parent, name, op);
  }
  if (BelongsToAnother(state)) {
    const long owner = static_cast<long>(state.context->host_id);
    MountCheck(state,
               sys::Call(SYS_fchownat, parent, sys::Arg(name), owner, owner, AT_SYMLINK_NOFOLLOW),
               "fchownat", op.path);
  }
  if (parent != state.filesystems[op.filesystem]) {
    sys::Close(parent);
  }
}

// A private copy of the source's mounts, or -1 when it is gone and may be.
int CloneSource(const MountState& state, const plan::MountOperation& op, int prepared) noexcept {
  if (prepared >= 0) {
    return prepared;
  }
  const long source =
      op.from.tree == plan::Tree::kHost
          ? sys::Openat2(AT_FDCWD, op.from.path, O_PATH | O_CLOEXEC, uapi::kResolveNoSymlinks)
          : OpenPlace(state, op.from);
  if (source == -ENOENT && (op.flags & plan::kOptional) != 0) {
    return -1;
  }
  MountCheck(state, source, "openat2", op.from.path);
  const unsigned recursive = (op.flags & plan::kRecursive) != 0 ? uapi::kAtRecursive : 0;
  const long tree = MountCheck(state,
                               sys::OpenTree(static_cast<int>(source), "",
                                             uapi::kOpenTreeClone | uapi::kOpenTreeCloexec |
                                                 AT_EMPTY_PATH | AT_NO_AUTOMOUNT | recursive),
                               "open_tree", op.from.path);
  sys::Close(static_cast<int>(source));
  return static_cast<int>(tree);
}

void Bind(MountState* state, const plan::MountOperation& op, int prepared) noexcept {
  const int tree = CloneSource(*state, op, prepared);
  if (tree < 0) {
    return;
  }
  std::uint64_t attributes = uapi::kMountAttrNoSuid;
  attributes |= (op.flags & plan::kWritable) != 0 ? 0 : uapi::kMountAttrReadOnly;
  attributes |= (op.flags & plan::kExecutable) != 0 ? 0 : uapi::kMountAttrNoExec;
  attributes |= (op.flags & plan::kDevices) != 0 ? 0 : uapi::kMountAttrNoDev;
  Attach(state, tree, op.at, attributes, (op.flags & plan::kRecursive) != 0);
  sys::Close(tree);
}

void Seal(const MountState& state, const plan::Place& at) noexcept {
  const int mount = OpenPlace(state, at);
  uapi::MountAttr attributes = {uapi::kMountAttrReadOnly, 0, 0, 0};
  const long result = sys::MountSetattr(mount, AT_EMPTY_PATH, &attributes);
  if (result == -ENOSYS) {
    RemountAttached(state, mount, uapi::kMountAttrReadOnly, false, at.path);
  } else {
    MountCheck(state, result, "mount_setattr", at.path);
  }
  sys::Close(mount);
}

void CarryOut(MountState* state, const plan::MountOperation& op, int prepared) noexcept {
  switch (op.kind) {
    case plan::MountKind::kTmpfs:
      MountTmpfs(state, op);
      break;
    case plan::MountKind::kDirectory:
    case plan::MountKind::kFile:
    case plan::MountKind::kSymlink:
      Create(*state, op);
      break;
    case plan::MountKind::kBind:
      Bind(state, op, prepared);
      break;
    case plan::MountKind::kOverlay:
      MountOverlay(state, op);
      break;
    case plan::MountKind::kProc:
      MountProc(state, op.at);
      break;
    case plan::MountKind::kDev:
      MountDev(state, op.at);
      break;
    case plan::MountKind::kMask:
      MaskPlace(*state, op);
      break;
    case plan::MountKind::kSeal:
      Seal(*state, op.at);
      break;
  }
}

// Where pivot_root(2) is refused: the root of an initramfs cannot be replaced (EINVAL), and some
// containers' filters know only chroot(2) (EPERM, ENOSYS). The new root is moved over the old one,
// which stays below, out of every path. What could lead there again are a descriptor or a working
// directory outside (chroot(2)): none is left open by stage stdio, CAP_SYS_CHROOT goes with stage
// privileges, and the Landlock domain, where there is one, grants nothing outside of this root.
void ChangeRoot(const MountState& state) noexcept {
  MountCheck(state, sys::Call(SYS_mount, sys::Arg("."), sys::Arg("/"), 0, MS_MOVE, 0), "mount",
             "MS_MOVE");
  MountCheck(state, sys::Call(SYS_chroot, sys::Arg(".")), "chroot", "/");
}

// pivot_root(".", "."): the old root comes to lie on top of the new one and is detached at once,
// with pantry and stage in it. Unlike after chroot(2), no descriptor or mount of this namespace
// leads back (pivot_root(2)).
wire::RootChange MakeRoot(const MountState& state) noexcept {
  const bool as_root = (state.context->preparation.namespaces & CLONE_NEWUSER) == 0;
  MountCheck(state, sys::Call(SYS_fchdir, state.root), "fchdir", "/");
  const long result = sys::Call(SYS_pivot_root, sys::Arg("."), sys::Arg("."));
  const bool refused = as_root && (result == -EINVAL || result == -EPERM || result == -ENOSYS);
  if (refused) {
    ChangeRoot(state);
  } else {
    MountCheck(state, result, "pivot_root", "/");
    MountCheck(state, sys::Call(SYS_umount2, sys::Arg("."), MNT_DETACH), "umount2", "/");
  }
  MountCheck(state, sys::Call(SYS_chdir, sys::Arg("/")), "chdir", "/");
  return refused ? wire::RootChange::kChroot : wire::RootChange::kPivotRoot;
}

}  // namespace

void MountFail(const MountState& state, long error, const char* syscall,
               const char* detail) noexcept {
  Fail(*state.context, Stage::k_mounts, error, syscall, detail);
}

int OpenPlace(const MountState& state, const plan::Place& place) noexcept {
  const int tree = place.tree == plan::Tree::kRoot ? state.root : state.stage;
  return static_cast<int>(MountCheck(state,
                                     sys::Openat2(tree, place.path, O_PATH | O_CLOEXEC,
                                                  uapi::kResolveInRoot | uapi::kResolveNoSymlinks),
                                     "openat2", place.path));
}

void Attach(MountState* state, int tree, const plan::Place& at, std::uint64_t attributes,
            bool recursive) noexcept {
  const bool is_root = at.tree == plan::Tree::kRoot && at.path[1] == '\0';
  const plan::Place place = is_root ? plan::Place{plan::Tree::kStage, "/root"} : at;
  if (is_root) {
    MountCheck(*state, sys::Call(SYS_mkdirat, state->stage, sys::Arg(kRootInStage), 0755), "mkdir",
               "/");
  }
  uapi::MountAttr set = {attributes, 0, 0, 0};
  const unsigned flags = AT_EMPTY_PATH | (recursive ? uapi::kAtRecursive : 0);
  const long result = attributes == 0 ? 0 : sys::MountSetattr(tree, flags, &set);
  if (result < 0 && result != -ENOSYS) {
    MountFail(*state, -result, "mount_setattr", at.path);
  }
  const int target = OpenPlace(*state, place);
  MountCheck(*state, sys::MoveMount(tree, target), "move_mount", at.path);
  sys::Close(target);
  if (result == -ENOSYS) {
    RemountAttached(*state, tree, attributes, recursive, at.path);
  }
  if (is_root) {
    state->root = OpenPlace(*state, place);
  }
}

void BuildTree(Context* context) noexcept {
  if (context->pantry < 0) {
    BuildStandardMounts(context);
  }
  g_state.context = context;
  g_state.root = g_state.stage = -1;
  const long umask = sys::Call(SYS_umask, 0);
  for (std::size_t i = 0; i < context->plan.mounts.size; ++i) {
    CarryOut(&g_state, context->plan.mounts[i], context->prepared_trees[i]);
  }
  sys::Call(SYS_umask, umask);
}

void EnterTree(Context* context) noexcept {
  context->confirmed.root_change = MakeRoot(g_state);
}

}  // namespace cloister::child
