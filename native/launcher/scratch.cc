#include "native/launcher/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "native/child/remove_tree.h"
#include "native/linux/syscalls.h"
#include "native/namespaces/host_ids.h"

namespace cloister::launcher {

namespace {

// lib/plan/scratch.ts gives the names.
constexpr std::string_view kPrefix = "cloister-scratch-";
constexpr int kTries = 16;

Failure ScratchFailure(int error, const char* syscall, const std::string& path) {
  return {Stage::k_mounts, error, syscall, path};
}

// Nobody else's lock is waited for.
UniqueFd OpenLocked(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.Valid() && flock(fd.Get(), LOCK_EX | LOCK_NB) != 0) {
    fd.Reset();
  }
  return fd;
}

// A copy of this process, for work that takes its time. A descriptor that is not inherited by
// accident keeps the others' pipes from staying open.
template <typename Work>
Aside RunAside(int kept, Work work) {
  int pidfd = -1;
  const long pid = sys::Fork(&pidfd);
  if (pid == 0) {
    // What the lock is on stays locked for as long as this copy of it is open.
    if (kept > 0) {
      sys::CloseRange(0, static_cast<unsigned>(kept) - 1);
    }
    sys::CloseRange(static_cast<unsigned>(kept + 1), ~0U);
    sys::Prctl(PR_SET_NAME, reinterpret_cast<std::uintptr_t>("cloister-sweep"));
    work();
    sys::Exit(0);
  }
  Aside aside;
  if (pid > 0) {
    aside.pid = static_cast<pid_t>(pid);
    aside.pidfd.Reset(pidfd);
  }
  return aside;
}

// This user's, or of one of the ids that root's cells get.
bool IsOurs(const struct stat& status) {
  return status.st_uid == geteuid() || (geteuid() == 0 && status.st_uid >= kFirstHostId &&
                                        status.st_uid - kFirstHostId < kHostIdCount);
}

void RemoveIfLeft(const std::string& path) {
  const UniqueFd lock = OpenLocked(path);
  struct stat status = {};
  if (lock.Valid() && fstat(lock.Get(), &status) == 0 && IsOurs(status)) {
    child::RemoveTree(path.c_str());
  }
}

std::vector<std::string> ScratchIn(const std::string& directory) {
  std::vector<std::string> found;
  DIR* const listing = opendir(directory.c_str());
  if (listing == nullptr) {
    return found;
  }
  while (const dirent* entry = readdir(listing)) {
    if (std::string_view(entry->d_name).starts_with(kPrefix)) {
      found.push_back(directory + entry->d_name);
    }
  }
  closedir(listing);
  return found;
}

}  // namespace

Result<std::unique_ptr<Scratch>> Scratch::Make(const std::string& path, uid_t owner) {
  // Between mkdir(2) and flock(2) it looks like one that was left behind: another launcher that
  // sweeps just then may take it away, and it is made once more.
  for (int tries = 0; tries < kTries; ++tries) {
    if (mkdir(path.c_str(), 0700) != 0) {
      return ScratchFailure(errno, "mkdir", path);
    }
    UniqueFd lock = OpenLocked(path);
    struct stat status = {};
    if (!lock.Valid() || fstat(lock.Get(), &status) != 0 || status.st_nlink == 0) {
      rmdir(path.c_str());
      continue;
    }
    std::unique_ptr<Scratch> scratch(new Scratch(path, std::move(lock)));
    if (owner != 0 && fchown(scratch->lock_.Get(), owner, owner) != 0) {
      const int error = errno;
      rmdir(path.c_str());
      return ScratchFailure(error, "fchown", path);
    }
    return scratch;
  }
  return ScratchFailure(EAGAIN, "flock", path);
}

Aside Scratch::Remove() {
  if (rmdir(path_.c_str()) == 0 || errno == ENOENT) {
    return {};
  }
  Aside remover = RunAside(lock_.Get(), [this] { child::RemoveTree(path_.c_str()); });
  if (!remover.pidfd.Valid()) {
    // No process to be had: then here, and others wait.
    child::RemoveTree(path_.c_str());
  }
  return remover;
}

void Scratch::RemoveAndWait() {
  const Aside remover = Remove();
  if (remover.pidfd.Valid()) {
    waitpid(remover.pid, nullptr, __WALL);
  }
}

Aside Scratch::SweepBeside() const {
  std::vector<std::string> found = ScratchIn(path_.substr(0, path_.rfind('/') + 1));
  std::erase(found, path_);
  if (found.empty()) {
    return {};
  }
  return RunAside(-1, [&found] {
    for (const std::string& left : found) {
      RemoveIfLeft(left);
    }
  });
}

}  // namespace cloister::launcher
