#include "native/namespaces/host_ids.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "native/linux/syscalls.h"

namespace cloister {

namespace {

Failure IdsFailure(int error, const char* syscall, std::string detail) {
  return {Stage::k_ids, error, syscall, std::move(detail)};
}

// In memory, and root's in every ordinary system. The file stays: who removed it would let two
// launchers lock different ones.
constexpr const char* kLockFiles[] = {"/run/cloister-host-ids", "/dev/shm/cloister-host-ids",
                                      "/tmp/cloister-host-ids"};

// Somebody else's file would let him take every id, and know who takes which.
bool IsRootsOwn(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == 0 &&
         (status.st_mode & 077) == 0;
}

std::optional<Failure> WriteMap(pid_t pid, const char* name, const std::string& text) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.Valid()) {
    return IdsFailure(errno, "open", path);
  }
  if (write(fd.Get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return IdsFailure(errno, "write", path);
  }
  return std::nullopt;
}

// Everything but the caller's id and this one stays itself. The two columns of a map may not
// overlap (user_namespaces(7)).
std::string MountMap(std::uint32_t id) {
  const std::string self = std::to_string(id);
  const std::uint32_t above = id + 1;
  return "0 " + self + " 1\n1 1 " + std::to_string(id - 1) + "\n" + std::to_string(above) + " " +
         std::to_string(above) + " " + std::to_string(UINT32_MAX - above) + "\n";
}

}  // namespace

std::optional<Failure> HostIdLocks::Open() {
  int error = 0;
  for (const char* path : kLockFiles) {
    UniqueFd file(open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600));
    if (file.Valid() && IsRootsOwn(file.Get())) {
      file_ = std::move(file);
      return std::nullopt;
    }
    error = file.Valid() ? EPERM : errno;
  }
  return IdsFailure(error, "open", "/run/cloister-host-ids");
}

Result<bool> HostIdLocks::Reserve(std::uint32_t id) {
  if (!file_.Valid()) {
    if (std::optional<Failure> failure = Open()) {
      return *std::move(failure);
    }
  }
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = id - kFirstHostId;
  lock.l_len = 1;
  if (fcntl(file_.Get(), F_OFD_SETLK, &lock) == 0) {
    return true;
  }
  if (errno == EAGAIN || errno == EACCES) {
    return false;
  }
  return IdsFailure(errno, "fcntl", "F_OFD_SETLK");
}

Result<int> HostId::MountNamespace() {
  if (namespace_.Valid()) {
    return namespace_.Get();
  }
  // A process only holds the namespace until it is opened.
  const pid_t parent = getpid();
  uapi::CloneArgs args = {};
  args.flags = CLONE_NEWUSER;
  const long pid = sys::Clone3(&args);
  if (pid < 0) {
    return IdsFailure(static_cast<int>(-pid), "clone3", "CLONE_NEWUSER");
  }
  if (pid == 0) {
    // Copies of the launcher's descriptors here would keep open what closes with the launcher.
    sys::CloseRange(0, ~0U);
    sys::Prctl(1 /* PR_SET_PDEATHSIG */, SIGKILL);
    // The launcher may have died before that.
    if (sys::Call(SYS_getppid) != parent) {
      sys::Exit(0);
    }
    for (;;) {
      sys::Call(SYS_ppoll, 0, 0, 0, 0, 0);
    }
  }
  const pid_t holder = static_cast<pid_t>(pid);
  const std::string map = MountMap(id_);
  std::optional<Failure> failure = WriteMap(holder, "uid_map", map);
  if (!failure) {
    failure = WriteMap(holder, "gid_map", map);
  }
  if (!failure) {
    const std::string path = "/proc/" + std::to_string(holder) + "/ns/user";
    namespace_.Reset(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!namespace_.Valid()) {
      failure = IdsFailure(errno, "open", path);
    }
  }
  kill(holder, SIGKILL);
  // No exit signal was asked for: only __WALL waits for such a child.
  while (waitpid(holder, nullptr, __WALL) < 0 && errno == EINTR) {
  }
  if (failure) {
    return *failure;
  }
  return namespace_.Get();
}

void HostIdReturn::operator()(HostId* id) const {
  pool->free_.emplace_back(id);
}

Result<LentHostId> HostIdPool::Take() {
  if (!free_.empty()) {
    LentHostId id(free_.back().release(), {this});
    free_.pop_back();
    return id;
  }
  if (!seeded_) {
    // Launchers that do not see the same file, of another container say, do not see each other's
    // reservations; a random start makes a meeting unlikely.
    std::uint32_t start = 0;
    if (getrandom(&start, sizeof(start), 0) != sizeof(start)) {
      return IdsFailure(errno, "getrandom", "");
    }
    next_ = start % kHostIdCount;
    seeded_ = true;
  }
  for (std::uint32_t tries = 0; tries < kHostIdCount; ++tries) {
    const std::uint32_t id = kFirstHostId + next_;
    next_ = (next_ + 1) % kHostIdCount;
    // A lock does not keep its own owner out.
    if (ours_[id - kFirstHostId]) {
      continue;
    }
    Result<bool> reserved = locks_.Reserve(id);
    if (!reserved.Ok()) {
      return reserved.Error();
    }
    if (reserved.Value()) {
      ours_[id - kFirstHostId] = true;
      return LentHostId(std::make_unique<HostId>(id).release(), {this});
    }
  }
  return IdsFailure(EAGAIN, "fcntl", "every host id is in use");
}

std::optional<Failure> WriteIdMaps(pid_t pid, std::uint32_t inner_uid, std::uint32_t inner_gid,
                                   std::uint32_t host_id) {
  const std::string host = " " + std::to_string(host_id) + " 1\n";
  std::optional<Failure> failure = WriteMap(pid, "uid_map", std::to_string(inner_uid) + host);
  if (!failure) {
    failure = WriteMap(pid, "gid_map", std::to_string(inner_gid) + host);
  }
  return failure;
}

}  // namespace cloister
