#include "native/namespaces/host_ids.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <string>

#include "native/linux/syscalls.h"

namespace cloister {

namespace {

constexpr char kReservation[] = "reservation of a host id";

Failure IdsFailure(int error, const char* syscall, std::string detail) {
  return {Stage::k_ids, error, syscall, std::move(detail)};
}

// A name in the abstract socket namespace can be bound once: it reserves the id among all launchers
// of this network namespace, and the kernel drops it with the process, however that ends. No file
// is left behind.
Result<UniqueFd> Reserve(std::uint32_t id) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.Valid()) {
    return IdsFailure(errno, "socket", kReservation);
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const int length =
      std::snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "cloister-host-id-%u", id);
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + static_cast<unsigned>(length));
  if (bind(fd.Get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
    return IdsFailure(errno, "bind", kReservation);
  }
  return fd;
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

Result<std::unique_ptr<HostId>> HostIdPool::Take() {
  if (!free_.empty()) {
    std::unique_ptr<HostId> id = std::move(free_.back());
    free_.pop_back();
    return id;
  }
  if (!seeded_) {
    // Launchers of different network namespaces do not see each other's reservations; a random
    // start makes a meeting unlikely.
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
    Result<UniqueFd> reservation = Reserve(id);
    if (reservation.Ok()) {
      return std::make_unique<HostId>(id, std::move(reservation.Value()));
    }
    if (reservation.Error().error != EADDRINUSE) {
      return reservation.Error();
    }
  }
  return IdsFailure(EAGAIN, "bind", "every host id is in use");
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
