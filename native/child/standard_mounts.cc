// /dev, /proc and masks: what every cell gets, whatever its policy.

#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>

#include <cerrno>

#include "native/child/mounts.h"
#include "native/linux/syscalls.h"
#include "native/linux/text.h"

namespace cloister::child {

namespace {

// Where the pantry is attached: a directory that every /proc has and nobody needs, so that nothing
// of the host's tree is hidden by it. It must not be the root directory itself. What lies on top of
// that would be what umount2(2) finds after pivot_root(2), and the host's tree would stay.
constexpr const char* kPantryPlace = "/proc/driver";
constexpr const char* kEmptyFile = "empty-file";
constexpr const char* kEmptyDirectory = "empty-directory";

// The nodes of a minimal /dev. They are the host's: no device node can be made in a user namespace.
constexpr const char* kDevices[] = {"null", "zero", "full", "random", "urandom", "tty"};
struct Link {
  const char* name;
  const char* to;
};
constexpr Link kDeviceLinks[] = {{"fd", "/proc/self/fd"},
                                 {"stdin", "/proc/self/fd/0"},
                                 {"stdout", "/proc/self/fd/1"},
                                 {"stderr", "/proc/self/fd/2"},
                                 {"ptmx", "pts/ptmx"}};

// Parts of /proc that anybody may read and that tell about the host's keys. /proc itself is
// read-only: what works by writing is closed already.
constexpr const char* kCovered[] = {"keys", "key-users"};
// What only the host's root may read or write, for the cells that keep the host's root behind their
// ids.
constexpr const char* kCoveredForRoot[] = {
    "kcore",       "kmsg",       "kallsyms",    "kpagecount",    "kpageflags",   "kpagecgroup",
    "vmallocinfo", "timer_list", "sched_debug", "latency_stats", "sysrq-trigger"};
constexpr const char* kCoveredDirectoriesForRoot[] = {"acpi", "asound", "scsi", "bus"};

void MakeDirectory(const MountState& state, int parent, const char* name, long mode) noexcept {
  MountCheck(state, sys::Call(SYS_mkdirat, parent, sys::Arg(name), mode), "mkdir", name);
}

int OpenEntry(const MountState& state, int parent, const char* name) noexcept {
  return static_cast<int>(
      MountCheck(state, sys::Openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), "open", name));
}

// An empty file; the descriptor stands for it as a mount point or a source.
int MakeFile(const MountState& state, int parent, const char* name, unsigned mode) noexcept {
  return static_cast<int>(
      MountCheck(state, sys::Openat(parent, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode),
                 "open", name));
}

int Clone(const MountState& state, int source, const char* detail) noexcept {
  return static_cast<int>(MountCheck(
      state,
      sys::OpenTree(source, "", uapi::kOpenTreeClone | uapi::kOpenTreeCloexec | AT_EMPTY_PATH),
      "open_tree", detail));
}

// Puts a detached mount at a target, with these attributes set.
void Put(const MountState& state, int tree, int target, std::uint64_t attributes,
         const char* detail) noexcept {
  uapi::MountAttr set = {attributes, 0, 0, 0};
  const long result = attributes == 0 ? 0 : sys::MountSetattr(tree, AT_EMPTY_PATH, &set);
  if (result != -ENOSYS) {
    MountCheck(state, result, "mount_setattr", detail);
  }
  MountCheck(state, sys::MoveMount(tree, target), "move_mount", detail);
  if (result == -ENOSYS) {
    RemountAttached(state, tree, attributes, false, detail);
  }
}

// Neither the file nor the directory can be opened by anybody: mode 0, and no process of a cell has
// a capability that would pass over that.
void Cover(const MountState& state, int target, bool directory, const char* detail) noexcept {
  const Context& context = *state.context;
  const int tree = Clone(state, directory ? context.empty_directory : context.empty_file, detail);
  Put(state, tree, target, uapi::kMountAttrReadOnly, detail);
  sys::Close(tree);
}

void CoverInProc(const MountState& state, int proc, const char* name, bool directory) noexcept {
  const long target = sys::Openat(proc, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (target == -ENOENT) {
    return;  // not built into this kernel
  }
  MountCheck(state, target, "open", name);
  Cover(state, static_cast<int>(target), directory, name);
  sys::Close(static_cast<int>(target));
}

constexpr std::uint64_t kProcAttributes = uapi::kMountAttrReadOnly | uapi::kMountAttrNoSuid |
                                          uapi::kMountAttrNoDev | uapi::kMountAttrNoExec;

// Whether the kernel gives this process a /proc at all: not where parts of the one in sight are
// covered, as in most containers (mount_too_revealing, 4.2). A plan may do without.
bool CanHaveProc() noexcept {
  const long fs = sys::Fsopen("proc");
  if (fs < 0) {
    return false;
  }
  const int fd = static_cast<int>(fs);
  const long created = sys::FsconfigCreate(fd);
  const long mount = created < 0 ? created : sys::Fsmount(fd, kProcAttributes);
  sys::Close(fd);
  if (mount >= 0) {
    sys::Close(static_cast<int>(mount));
  }
  return mount >= 0;
}

int BuildProc(const MountState& state, int target) noexcept {
  // The kernel allows this in a user namespace only while a /proc without covers is in sight
  // (mount_too_revealing, 4.2): before the old root goes.
  const int mount = NewFileSystem(state, "proc", nullptr, 0, kProcAttributes, "/proc");
  Put(state, mount, target, 0, "/proc");
  for (const char* name : kCovered) {
    CoverInProc(state, mount, name, false);
  }
  const Context& context = *state.context;
  if (context.facts.uid != 0 || context.preparation.unprivileged_host_ids != 0) {
    return mount;
  }
  for (const char* name : kCoveredForRoot) {
    CoverInProc(state, mount, name, false);
  }
  for (const char* name : kCoveredDirectoriesForRoot) {
    CoverInProc(state, mount, name, true);
  }
  return mount;
}

void BindDevice(const MountState& state, int dev, const char* name) noexcept {
  TextBuffer<32> path;
  path.Add("/dev/").Add(name);
  const int source = static_cast<int>(MountCheck(
      state, sys::Openat2(AT_FDCWD, path.Text(), O_PATH | O_CLOEXEC, uapi::kResolveNoSymlinks),
      "openat2", path.Text()));
  const int tree = Clone(state, source, path.Text());
  const int target = MakeFile(state, dev, name, 0);
  Put(state, tree, target, uapi::kMountAttrNoSuid | uapi::kMountAttrNoExec, path.Text());
  sys::Close(target);
  sys::Close(tree);
  sys::Close(source);
}

int BuildDev(const MountState& state, int target) noexcept {
  const Option options[] = {{"size", "65536"}, {"nr_inodes", "64"}, {"mode", "0755"}};
  const int dev = NewFileSystem(
      state, "tmpfs", options, 3,
      uapi::kMountAttrNoSuid | uapi::kMountAttrNoDev | uapi::kMountAttrNoExec, "/dev");
  Put(state, dev, target, 0, "/dev");
  for (const char* name : kDevices) {
    BindDevice(state, dev, name);
  }
  for (const Link& link : kDeviceLinks) {
    MountCheck(state, sys::Call(SYS_symlinkat, sys::Arg(link.to), dev, sys::Arg(link.name)),
               "symlink", link.name);
  }
  MakeDirectory(state, dev, "shm", 0755);
  MakeDirectory(state, dev, "pts", 0755);
  // ptmxmode: anybody in the cell may open a terminal. Device nodes work here and on the bound
  // ones, nowhere else.
  // Terminals count for the whole machine (kernel.pty.max, 4096).
  const Option terminals[] = {
      {"newinstance", nullptr}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"max", "64"}};
  const int pts = NewFileSystem(state, "devpts", terminals, 4,
                                uapi::kMountAttrNoSuid | uapi::kMountAttrNoExec, "/dev/pts");
  const int pts_target = OpenEntry(state, dev, "pts");
  Put(state, pts, pts_target, 0, "/dev/pts");
  sys::Close(pts_target);
  sys::Close(pts);
  uapi::MountAttr seal = {uapi::kMountAttrReadOnly, 0, 0, 0};
  const long result = sys::MountSetattr(dev, AT_EMPTY_PATH, &seal);
  if (result == -ENOSYS) {
    RemountAttached(state, dev, uapi::kMountAttrReadOnly, false, "/dev");
  } else {
    MountCheck(state, result, "mount_setattr", "/dev");
  }
  return dev;
}

void MoveTo(const MountState& state, int mount, const plan::Place& at) noexcept {
  const int target = OpenPlace(state, at);
  MountCheck(state, sys::MoveMount(mount, target), "move_mount", at.path);
  sys::Close(target);
  sys::Close(mount);
}

}  // namespace

void BuildStandardMounts(Context* context) noexcept {
  MountState state = {};
  state.context = context;
  // Nothing that happens in the host's mounts shows up here, nor the reverse.
  MountCheck(state, sys::Call(SYS_mount, 0, sys::Arg("/"), 0, MS_REC | MS_PRIVATE, 0), "mount",
             "MS_PRIVATE");
  const Option options[] = {{"size", "65536"}, {"nr_inodes", "16"}, {"mode", "0755"}};
  context->pantry = NewFileSystem(
      state, "tmpfs", options, 3,
      uapi::kMountAttrNoSuid | uapi::kMountAttrNoDev | uapi::kMountAttrNoExec, "pantry");
  const int place = static_cast<int>(
      MountCheck(state, sys::Openat(AT_FDCWD, kPantryPlace, O_PATH | O_DIRECTORY | O_CLOEXEC),
                 "open", kPantryPlace));
  Put(state, context->pantry, place, 0, "pantry");
  sys::Close(place);
  const long umask = sys::Call(SYS_umask, 0);
  MakeDirectory(state, context->pantry, "dev", 0755);
  MakeDirectory(state, context->pantry, "proc", 0755);
  MakeDirectory(state, context->pantry, kEmptyDirectory, 0);
  context->empty_directory = OpenEntry(state, context->pantry, kEmptyDirectory);
  sys::Close(MakeFile(state, context->pantry, kEmptyFile, 0));
  context->empty_file = OpenEntry(state, context->pantry, kEmptyFile);
  const int dev = OpenEntry(state, context->pantry, "dev");
  const int proc = OpenEntry(state, context->pantry, "proc");
  context->pantry_dev = BuildDev(state, dev);
  // A plan that wants one all the same hears why there is none.
  context->pantry_proc = CanHaveProc() ? BuildProc(state, proc) : -1;
  sys::Close(dev);
  sys::Close(proc);
  sys::Call(SYS_umask, umask);
}

void MountProc(MountState* state, const plan::Place& at) noexcept {
  if (state->context->pantry_proc >= 0) {
    MoveTo(*state, state->context->pantry_proc, at);
    state->context->pantry_proc = -1;
    return;
  }
  const int target = OpenPlace(*state, at);
  sys::Close(BuildProc(*state, target));
  sys::Close(target);
}

void MountDev(MountState* state, const plan::Place& at) noexcept {
  if (state->context->pantry_dev >= 0) {
    MoveTo(*state, state->context->pantry_dev, at);
    state->context->pantry_dev = -1;
    return;
  }
  const int target = OpenPlace(*state, at);
  sys::Close(BuildDev(*state, target));
  sys::Close(target);
}

void MaskPlace(const MountState& state, const plan::MountOperation& op) noexcept {
  const int tree = op.at.tree == plan::Tree::kRoot ? state.root : state.stage;
  const bool optional = (op.flags & plan::kOptional) != 0;
  const auto look = [tree](const char* path) {
    return sys::Openat2(tree, path, O_PATH | O_CLOEXEC,
                        uapi::kResolveInRoot | uapi::kResolveNoSymlinks);
  };
  bool directory = (op.flags & plan::kIsDirectory) != 0;
  long target = look(op.at.path);
  char path[PATH_MAX];
  CopyText(path, sizeof(path), op.at.path);
  // Behind a directory that the cell's user, another than the caller where that is root, may not
  // search. That directory is covered: nothing is taken away, and it stays so, whoever opens it.
  for (std::size_t end = TextLength(path); target == -EACCES && optional && end > 1;) {
    while (end > 1 && path[end - 1] != '/') {
      --end;
    }
    end = end > 1 ? end - 1 : 1;
    path[end] = '\0';
    directory = true;
    target = end > 1 ? look(path) : target;
  }
  if (target == -ENOENT && optional) {
    return;
  }
  MountCheck(state, target, "openat2", op.at.path);
  Cover(state, static_cast<int>(target), directory, op.at.path);
  sys::Close(static_cast<int>(target));
}

}  // namespace cloister::child
